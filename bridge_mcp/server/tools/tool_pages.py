"""Pages of nested tools, complete with their schemas or as a line each, as many as hosts show their model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bridge_mcp.core.errors import NotFound
from bridge_mcp.core.results import ToolList
from bridge_mcp.core.tools import ToolSpec
from bridge_mcp.server.tools.bridge_answers import NestedTool, ToolPage
from bridge_mcp.server.tools.excerpts import MAX_TOKENS
from bridge_mcp.server.tools.pages import fitting
from bridge_mcp.server.tools.status_answers import Server

__all__ = ["tool_page", "whole_tools"]

LIST_TOKENS = 3_000
"""Estimated tokens of a page of tools: hosts show their model no more than 2 to 12 kB of a long list."""
MAX_WHOLE = 50
"""Tools that may fit into a page with their schemas; more never do."""


def tool_page(tool_list: ToolList, matching: Sequence[ToolSpec], *, limit: int, offset: int = 0) -> ToolPage:
    """A page of the tools in `matching`, from `offset` on; the first page holds the status of all servers too.

    Tools come with their schemas if they all fit into a page; else each is a line.
    """
    wanted_tools = matching[offset : offset + limit]
    tools = [NestedTool.of(each) for each in wanted_tools] if len(wanted_tools) <= MAX_WHOLE else []
    if not tools or fits(tools, LIST_TOKENS) < len(matching) - offset:
        tools = [NestedTool.line(each) for each in wanted_tools]
    tools = tools[: fits(tools, LIST_TOKENS)]
    end = offset + len(tools)
    return ToolPage(
        tools=tools,
        found=len(matching),
        cursor=str(end) if end < len(matching) else "",
        servers=[] if offset else [Server.of(each) for each in tool_list.servers],
    )


def fits(tools: Iterable[NestedTool], tokens: int = MAX_TOKENS) -> int:
    return fitting([each.as_json() for each in tools], tokens)


def whole_tools(tool_list: ToolList, names: Iterable[str]) -> ToolPage:
    """These tools with their schemas, as many as fit into a result.

    Raises:
        NotFound: there is no tool of one of these names.
    """
    by_name = {each.name: each for each in tool_list.tools}
    unique_names = list(dict.fromkeys(names))
    missing = [name for name in unique_names if name not in by_name]
    if missing:
        raise NotFound(f"There is no tool '{missing[0][:80]}'.", fix="Use names from list_tools without `names`.")
    tools = [NestedTool.of(by_name[name]) for name in unique_names]
    return ToolPage(tools=tools[: fits(tools)], found=len(unique_names), cursor="", servers=[])
