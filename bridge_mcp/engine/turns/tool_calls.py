"""One call of a nested tool, from its arguments to its outcome as an entry. Decides no order of things."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from bridge_mcp.core.entries import Asked, Call, External, Finished, Heard, Log, Replied, Requested, Started
from bridge_mcp.core.errors import BadInput, ToolFailed, ToolUncertain
from bridge_mcp.core.json_reader import whole_characters
from bridge_mcp.core.policy import on_behalf
from bridge_mcp.core.state import relevant
from bridge_mcp.core.tools import ToolSpec, call_digest, canonical, parse_arguments
from bridge_mcp.ports import CallContext, Toolbox, ToolProgress

__all__ = ["CUT_OFF", "argument_error", "external_of", "outcome", "requested_by", "started_entry", "was_told_of_change"]

logger = logging.getLogger(__name__)

CUT_OFF = "Cut off: the turn was stopped while this was running. It may have taken effect."


async def argument_error(toolbox: Toolbox, spec: ToolSpec, arguments: str) -> str:
    """What is wrong with a call, as the model is told; "" if nothing is."""
    try:
        complaint = await toolbox.check(spec, parse_arguments(arguments))
    except BadInput as exc:
        return str(exc)
    return f"Not run: these arguments do not fit {spec.name}: {complaint}" if complaint else ""


def repetition_note(call: Call, asked: Sequence[Call]) -> str:
    """What people are told of a call that an answer asks for more than once; "" of any other."""
    same = [other.id for other in asked if other.tool == call.tool and same_arguments(other.arguments, call.arguments)]
    if len(same) < 2:
        return ""
    return f"; the same call is asked for {len(same)} times at once, this is number {same.index(call.id) + 1}"


def external_of(log: Log) -> External | None:
    """What the last request of a log says of a call that its caller runs; None of any other."""
    asked = next((logged.entry for logged in reversed(log) if isinstance(logged.entry, Requested)), None)
    return asked.external if asked is not None else None


def same_arguments(first: str, second: str) -> bool:
    try:
        return first == second or canonical(parse_arguments(first)) == canonical(parse_arguments(second))
    except BadInput:
        return False


def was_told_of_change(change: str, call: Call, log: Log) -> bool:
    """Whether whoever approved a call was told of this change of its tool.

    What the tool says and takes is bound by the approval's digest, but a hint may have changed since it was asked.
    """
    asked = [e.entry for e in relevant(log) if isinstance(e.entry, Asked) and e.entry.call == call.id]
    return any(change in entry.reason for entry in asked)


def started_entry(call: Call, spec: ToolSpec, arguments: str, because: str, by: str) -> Started:
    """The intent of a call; `because` is what let it run, `by` who asked for it."""
    return Started(
        "tool",
        call=call.id,
        tool=call.tool,
        arguments=arguments,
        cleared_by=because,
        repeatable=spec.repeatable,
        digest=call_digest(spec, parse_arguments(arguments)),
        requested_by=by,
    )


async def outcome(
    toolbox: Toolbox, spec: ToolSpec, arguments: str, context: CallContext, progress: ToolProgress | None = None
) -> Finished | None:
    """Run a call; what came of it, whatever that is. None where the log will tell: it has asked people something."""
    try:
        result = await toolbox.call(spec, parse_arguments(arguments), context=context, progress=progress)
    except ToolUncertain as exc:
        error_text = whole_characters(str(exc))
        return Finished(context.call, "unknown", f"{error_text} It was not run again; check before you repeat it.")
    except ToolFailed as exc:
        return Finished(context.call, "error", whole_characters(str(exc)))
    except Exception:
        logger.exception("%s: the call %s of %s failed unexpectedly", context.conversation, context.call, spec.name)
        return Finished(context.call, "unknown", f"{spec.name} failed inside the bridge; its outcome is unknown.")
    if result.later:
        return None
    kind = "error" if result.is_error else "ok"
    text, structured = whole_characters(result.text), whole_characters(result.structured)
    return Finished(
        context.call,
        kind,
        text,
        attachments=result.attachments,
        structured=structured,
        truncated=result.truncated,
        raw=whole_characters(result.raw) if context.verbatim else "",
    )


def requested_by(conversation: str, log: Log) -> str:
    """Who asked for the calls of the last batch: a client, or the assistant, and for whom it works.

    Those are the clients and the people whose messages are in the turn, and the owner.
    """
    people: dict[str, None] = {}
    log = relevant(log)
    upto = max((e.entry.upto for e in log if isinstance(e.entry, Replied)), default=0)
    for logged in log:
        match logged.entry:
            case Requested(by=by):
                return by
            case Heard(to="assistant", sender=sender, asked_by=by) if logged.seq < upto:
                if sender.kind in ("client", "owner"):
                    people[sender.id] = None
                elif sender.kind == "person":
                    people[f"{conversation.partition('/')[0]}:{sender.id}"] = None
                people |= dict.fromkeys(by)
            case _:
                pass
    return on_behalf(people)
