"""`bridge__read_result`: lets a model read the rest of a tool's result that was too long to be shown whole.

The log keeps every result whole; only the model's view of it is cut. So the answer comes from the log, and running it
again changes nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from bridge_mcp.core.entries import Finished
from bridge_mcp.core.errors import BadInput, NotFound
from bridge_mcp.core.tools import JSON, READ_RESULT, ToolResult
from bridge_mcp.ports import CallContext, LogStore
from bridge_mcp.toolservers.builtin import BuiltinTool, builtin

__all__ = ["read_result"]

SCHEMA: Mapping[str, JSON] = {
    "type": "object",
    "properties": {
        "handle": {"type": "string", "description": "As the note at the end of the shortened result names it."},
        "offset": {"type": "integer", "minimum": 0, "description": "The first character to read; 0 is the beginning."},
    },
    "required": ["handle", "offset"],
    "additionalProperties": False,
}


def read_result(log: LogStore, chars: Callable[[str], Awaitable[int]]) -> BuiltinTool:
    """The tool. `chars` returns how many characters of a result a conversation's model sees at once."""

    async def run(arguments: Mapping[str, JSON], context: CallContext) -> ToolResult:
        handle, offset = str(arguments["handle"]), int(str(arguments["offset"]))
        content = await result_text(log, context.conversation, handle)
        if offset >= len(content):
            raise BadInput(
                f"The result {handle} has {len(content):,} characters; {offset:,} is behind its end.",
                fix=f"Give an offset below {len(content)}.",
            )
        end = min(len(content), offset + max(1, await chars(context.conversation)))
        more = f"go on with offset {end}" if end < len(content) else "that is its end"
        return ToolResult(f"{content[offset:end]}\n[characters {offset} to {end} of {len(content)}; {more}]")

    return builtin(
        READ_RESULT.partition("__")[2],
        "Read on in a tool result that was shortened: the note at its end names the handle and the offset.",
        SCHEMA,
        run,
        read_only=True,
        free=True,  # it shows no more than the approved call has returned
    )


async def result_text(log: LogStore, conversation: str, handle: str) -> str:
    """The text of a result of this conversation, as the tool returned it.

    Raises:
        NotFound: there is none, or the history was cleared later.
    """
    recorded = await log.find(conversation, f"tool:{handle}")
    if recorded is not None and isinstance(recorded.entry, Finished):
        if await log.cleared(conversation) < recorded.seq:
            return recorded.entry.content
    raise NotFound(f"There is no result '{handle[:40]}' here.", fix="Use a handle as a shortened result names it.")
