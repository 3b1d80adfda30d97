"""How a host starts the bridge: the command, its arguments, its variables; and how that was written in an entry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct, field

__all__ = ["Launch", "merged_args"]

MODULE = ("-m", "bridge_mcp")
"""How Python starts the bridge where its command is not known."""


class Launch(Struct, frozen=True):
    """What a host runs. Holds paths and names, never the value of a secret."""

    command: str
    """The absolute path of a program: few hosts have the PATH of a terminal."""
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    """Variables with their values, such as the state folder."""
    secrets: tuple[str, ...] = ()
    """Names of the variables that the configuration reads; their values stay where they are."""


def merged_args(new: Sequence[str], existing: Sequence[str]) -> list[str]:
    """The wanted arguments, and behind them what the owner added to those that are there (`--scopes read`)."""
    remaining = list(existing[len(MODULE) :] if tuple(existing[: len(MODULE)]) == MODULE else existing)
    options = {word.partition("=")[0] for word in new if word.startswith("--")} | {"--config"}
    arguments: list[str] = []
    while remaining:
        word = remaining.pop(0)
        name, equals, _ = word.partition("=")
        if name not in options:
            arguments.append(word)
        elif not equals and remaining:
            remaining.pop(0)
    return [*new, *arguments]
