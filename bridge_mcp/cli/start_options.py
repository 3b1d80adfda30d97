"""What may stand behind the commands that start at once: plain `bridge-mcp`, and `bridge-mcp gate`."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec import Struct

__all__ = ["HOLD_S", "GateOptions", "StdioOptions", "parse_gate", "parse_stdio"]

HOLD_S = 50.0
"""How long a gate holds a call for a host that asks for no progress: hosts were seen to cut calls near 60 seconds."""
EXPOSE = "--expose"
"""The one option that may stand more than once: it names servers, with commas or one by one."""


class StdioOptions(Struct, frozen=True):
    """What may stand behind a plain `bridge-mcp`; None is: not said."""

    config: str | None = None
    scopes: str | None = None
    log_level: str | None = None
    expose: str | None = None
    channel: bool = False
    log_json: bool = False


class GateOptions(Struct, frozen=True):
    """What stands behind `bridge-mcp gate`: its options, and the server's command behind the `--`."""

    command: tuple[str, ...]
    name: str = ""
    config: str | None = None
    log_level: str | None = None
    hold_s: float = HOLD_S
    log_json: bool = False


def parse_gate(arguments: Sequence[str]) -> GateOptions | None:
    """The options of a gate, whose host waits for it too; None when this is anything else, mistakes included."""
    if not arguments or arguments[0] != "gate" or "--" not in arguments:
        return None
    at = arguments.index("--")
    valued, flags = without_flags(arguments[1:at], ("--log-json",))
    parsed = options_of(valued, ("--name", "--config", "--log-level"))
    if parsed is None or len(flags) > 1:
        return None
    return GateOptions(
        tuple(arguments[at + 1 :]),
        parsed.get("name", ""),
        parsed.get("config"),
        log_level=parsed.get("log_level"),
        log_json=bool(flags),
    )


def parse_stdio(arguments: Sequence[str]) -> StdioOptions | None:
    """The options of plain stdio serving; None when this is anything else, mistakes included."""
    valued, flags = without_flags(arguments, ("--channel", "--log-json"))
    parsed = options_of(valued, ("--config", "--scopes", "--log-level", EXPOSE))
    if parsed is None or len(flags) > len(set(flags)):
        return None
    return StdioOptions(**parsed, channel="--channel" in flags, log_json="--log-json" in flags)


def without_flags(arguments: Sequence[str], names: Collection[str]) -> tuple[list[str], list[str]]:
    """The arguments but for the options that take no value, and those of them."""
    flags = [argument for argument in arguments if argument in names]
    return [argument for argument in arguments if argument not in names], flags


def options_of(arguments: Sequence[str], names: Collection[str]) -> dict[str, str] | None:
    """What options with these names say; None where there is anything else, or a mistake. `--expose` adds up."""
    parsed: dict[str, str] = {}
    remaining = list(arguments)
    while remaining:
        name, equals, value = remaining.pop(0).partition("=")
        key = name.removeprefix("--").replace("-", "_")
        if name not in names or (key in parsed and name != EXPOSE) or not (equals or remaining):
            return None
        text = value if equals else remaining.pop(0)
        if text.startswith("-"):
            return None
        parsed[key] = f"{parsed[key]},{text}" if key in parsed else text
    return parsed
