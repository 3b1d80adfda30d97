"""`bridge__find_tools`: lets a model find a tool that its request had no room for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from bridge_mcp.core.json_reader import JSON
from bridge_mcp.core.offer import search_result
from bridge_mcp.core.tools import FIND_TOOLS, ToolResult, ToolSpec
from bridge_mcp.ports import CallContext
from bridge_mcp.toolservers.builtin import BuiltinTool, builtin

__all__ = ["find_tools"]

SCHEMA: Mapping[str, JSON] = {
    "type": "object",
    "properties": {
        "query": {"type": "string", "description": "Words for what the tool should do, such as: create calendar event"}
    },
    "required": ["query"],
    "additionalProperties": False,
}


def find_tools(tools_of: Callable[[str], Sequence[ToolSpec]]) -> BuiltinTool:
    """The tool. `tools_of` returns the nested tools that a conversation may use."""

    async def run(arguments: Mapping[str, JSON], context: CallContext) -> ToolResult:
        return ToolResult(search_result(tools_of(context.conversation), str(arguments["query"])))

    return builtin(
        FIND_TOOLS.partition("__")[2],
        "Find further tools by what they do: there are more than are listed here. Those that it names can be called.",
        SCHEMA,
        run,
        read_only=True,
        free=True,
    )
