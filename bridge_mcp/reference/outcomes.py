"""The parts of the reference about what happens: chat commands, events, errors."""

from __future__ import annotations

from collections.abc import Iterator

from bridge_mcp.core.errors import BridgeError
from bridge_mcp.core.events import EVENTS
from bridge_mcp.operations.commands import COMMANDS
from bridge_mcp.reference.sentences import first_sentence

__all__ = ["chat_commands", "errors", "events"]


def chat_commands() -> str:
    """The commands that people write in a chat."""
    head = "A person who was let in may use those of scopes `read` and `send`, an approver those of `approve` too.\n"
    return "\n".join(
        [head, *(f"- `{command.usage}` (scope `{command.scope}`): {command.about}." for command in COMMANDS.values())]
    )


def events() -> str:
    """The types of events, with what their bodies carry."""
    head = (
        "What `wait_for_events` and `bridge-mcp events` tell. An event has `cursor`, `type`, `at`, `conversation` and "
        "a `body` with these names; one in brackets is not always there.\n"
    )
    return "\n".join([head, *(f"- `{kind}`: {info.about} {carried(info.carries)}" for kind, info in EVENTS.items())])


def carried(names: tuple[str, ...]) -> str:
    quoted = [f"(`{name[:-1]}`)" if name.endswith("?") else f"`{name}`" for name in names]
    return f"Body: {', '.join(quoted)}."


def errors() -> str:
    """The codes of errors, with what they mean and what helps."""
    head = (
        'A tool that fails answers `isError` and `{"error": {"code", "message", "fix"}}`: the code is for programs, '
        "the message says what failed, and the fix what to do.\n"
    )
    lines = [f"- `{error.code}`: {first_sentence(error.__doc__ or '')} {error.helps}" for error in codes()]
    inner = (
        "- `internal`: The bridge has a mistake. Its log has the details; whether the call took effect is not known."
    )
    return "\n".join([head, *lines, inner])


def codes() -> Iterator[type[BridgeError]]:
    """The errors that have a code of their own, parents first."""
    pending: list[type[BridgeError]] = [BridgeError]
    while pending:
        error = pending.pop(0)
        pending = [*error.__subclasses__(), *pending]
        if "code" in vars(error) and error is not BridgeError:
            yield error
