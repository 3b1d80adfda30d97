"""The command `hook`: what an agent's hook calls. It stands in the agent's way, so it loads what it needs when it does.

Its first half reads the call and writes it down with next to nothing loaded; only then, while people think, comes what
waits for them (`cli.hook_waits`). What goes wrong is an answer too: `hooks.fallbacks` says which. An input that cannot
be read ends with code 2, which a host takes for a no, or goes on from to its own prompt.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence

from bridge_mcp.cli.texts import hosts as texts
from bridge_mcp.core.errors import BridgeError
from bridge_mcp.hooks.events import BrokenInput, Ended, Outcome, Permission, fields_of
from bridge_mcp.hooks.hosts import HOSTS, Host, host_named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bridge_mcp.hooks.hosts import Answer
    from bridge_mcp.hooks.store_files import StoreFiles

__all__ = ["LONGEST_WAIT_S", "REFUSED", "WAIT_S", "HookOptions", "parse_hook", "run"]

REFUSED = 2
"""The exit code that hosts take for a no."""
MAX_INPUT = 32 * 2**20
"""Bytes of an input: the hooks after a call bring its result."""
WAIT_S = 3600.0
LONGEST_WAIT_S = 7 * 24 * 3600.0
QUESTIONS = ("AskUserQuestion", "ExitPlanMode")
"""Tools of Claude Code whose result is a person's answer."""


class HookOptions:
    """What stands behind `bridge-mcp hook`."""

    def __init__(
        self, host: str, config: str | None = None, *, attended: bool | None = None, wait_s: float = WAIT_S
    ) -> None:
        self.host = host
        self.config = config
        self.attended = attended
        """Whether somebody sits at the host's own prompt; None: as the host tells."""
        self.wait_s = wait_s


def parse_hook(arguments: Sequence[str]) -> HookOptions | None:
    """The options of a hook that is called; None when this is anything else, mistakes included."""
    if not arguments or arguments[0] not in HOSTS:
        return None
    options, remaining = HookOptions(arguments[0]), list(arguments[1:])
    while remaining:
        name, equals, value = remaining.pop(0).partition("=")
        if name in ("--attended", "--unattended", "--no-attended") and not equals:
            options.attended = name == "--attended"
        elif name in ("--config", "--wait-s") and (equals or remaining):
            value = value if equals else remaining.pop(0)
            if name == "--config":
                options.config = value
            elif (seconds := seconds_in(value)) is not None:
                options.wait_s = seconds
            else:
                return None
        else:
            return None
    return options


def seconds_in(text: str) -> float | None:
    """A number of seconds, up to a week."""
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if 0 <= seconds <= LONGEST_WAIT_S else None


def run(options: HookOptions) -> int:
    """Answer one hook; the exit code. It never fails in a way that a host reads as a yes."""
    try:
        host = host_named(options.host)
        call = host.read(read_input(), os.environ)
        if not isinstance(call, Permission):
            return heard(options, host, call)
        if options.attended is not None:
            call.mode = "interactive" if options.attended else "headless"
        return asked(options, host, call)
    except BrokenInput as exc:
        return refused(texts.hook_unread(exc))
    except KeyboardInterrupt:
        return refused(texts.HOOK_INTERRUPTED)
    except Exception as exc:  # whatever it is, no host may read it as a yes
        return refused(texts.hook_broken(type(exc).__name__, exc))


def read_input() -> Mapping[str, object]:
    """The event on standard input.

    Raises:
        BrokenInput: it is no JSON object, or too long.
    """
    data = sys.stdin.buffer.read(MAX_INPUT + 1)
    if len(data) > MAX_INPUT:
        raise BrokenInput(f"it is longer than {MAX_INPUT:,} bytes")
    try:
        event: object = json.loads(data, parse_constant=not_json)
    except (ValueError, RecursionError) as exc:
        raise BrokenInput(f"it is no JSON ({exc})") from None
    if not (fields := fields_of(event)):
        raise BrokenInput("it is no JSON object, or an empty one")
    return fields


def not_json(word: str) -> object:
    raise ValueError(f"{word} is no JSON")


def asked(options: HookOptions, host: Host, call: Permission) -> int:
    """A call that somebody is to allow: written down first, then waited for."""
    try:
        if host.name == "claude-code" and call.tool in QUESTIONS:
            from bridge_mcp.cli.hook_waits import question

            return said(question(options, host, call))
        from bridge_mcp.hooks.store_files import usual_files

        files = usual_files(options.config, os.environ)
        return elsewhere(options, host, call) if files is None else filed(options, host, call, files)
    except (BridgeError, OSError) as exc:
        return said(host.fallback(call, texts.hook_failed(exc)))


def filed(options: HookOptions, host: Host, call: Permission, files: StoreFiles) -> int:
    """Write the call down where the store usually is, and wait."""
    from bridge_mcp.callers import CallerLock
    from bridge_mcp.hooks.filing import request

    with CallerLock(files.callers) as lock:
        conversation = request(files.store, host, call, lock.name)
        from bridge_mcp.cli.hook_waits import wait

        return wait(options, host, call, lock.name, conversation)


def elsewhere(options: HookOptions, host: Host, call: Permission) -> int:
    """The configuration says where the store is: read it first."""
    from bridge_mcp.cli.hook_waits import wait

    return wait(options, host, call, "", "")


def heard(options: HookOptions, host: Host, news: Outcome | Ended) -> int:
    """News of a call or a session; most concern nobody, and cost no more than a look."""
    try:
        from bridge_mcp.hooks.open_calls import any_open
        from bridge_mcp.hooks.store_files import database_url, usual_files

        files = usual_files(options.config, os.environ)
        place = database_url(options.config, os.environ) if files is None else files.store
        if place and not any_open(place, host, news):
            return 0
        from bridge_mcp.cli.hook_waits import tell

        tell(options, host, news)
    except (BridgeError, OSError) as exc:
        sys.stderr.write(f"{texts.hook_failed(exc)}\n")
    return 0


def said(answer: Answer) -> int:
    """Write an answer to standard output."""
    if answer is not None:
        sys.stdout.write(json.dumps(answer))
        sys.stdout.flush()
    return 0


def refused(reason: str) -> int:
    """Say on standard error why, with the exit code that is a no."""
    sys.stderr.write(f"{reason}\n")
    return REFUSED
