"""One call of a nested tool, from its arguments to its outcome as an entry. Knows no log and no order of things."""

from __future__ import annotations

import logging

from bridge_mcp.core.entries import Call, Finished, Started
from bridge_mcp.core.errors import BadInput, ToolFailed, ToolUncertain
from bridge_mcp.core.tools import ToolSpec, parse_arguments
from bridge_mcp.ports import CallContext, Toolbox, ToolProgress

__all__ = ["CUT_OFF", "outcome", "started", "wrong"]

logger = logging.getLogger(__name__)

CUT_OFF = "Cut off: the turn was stopped while this was running. It may have taken effect."


def wrong(toolbox: Toolbox, spec: ToolSpec, arguments: str) -> str:
    """What is wrong with a call, as the model is told; "" if nothing is."""
    try:
        found = toolbox.check(spec, parse_arguments(arguments))
    except BadInput as exc:
        return str(exc)
    return f"Not run: these arguments do not fit {spec.name}: {found}" if found else ""


def started(call: Call, spec: ToolSpec, arguments: str, because: str) -> Started:
    """The intent of a call; `because` is what let it run."""
    return Started(
        "tool", call=call.id, tool=call.tool, arguments=arguments, cleared_by=because, repeatable=spec.repeatable
    )


async def outcome(
    toolbox: Toolbox, spec: ToolSpec, arguments: str, context: CallContext, progress: ToolProgress | None = None
) -> Finished | None:
    """Run a call; what came of it, whatever that is. None where the log will tell: it has asked people something."""
    try:
        result = await toolbox.call(spec, parse_arguments(arguments), context=context, progress=progress)
    except ToolUncertain as exc:
        return Finished(context.call, "unknown", f"{exc} It was not run again; check before you repeat it.")
    except ToolFailed as exc:
        return Finished(context.call, "error", str(exc))
    except Exception:
        logger.exception("%s: the call %s of %s failed unexpectedly", context.conversation, context.call, spec.name)
        return Finished(context.call, "unknown", f"{spec.name} failed inside the bridge; its outcome is unknown.")
    if result.later:
        return None
    kind = "error" if result.is_error else "ok"
    return Finished(context.call, kind, result.text, result.attachments, result.structured, result.truncated)
