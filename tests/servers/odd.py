"""A nested server on the SDK's low-level `Server`: odd tool names, a list in pages, results that break their schema.

`--names NAME...` sets the tools; every one answers with its own name.
"""

from __future__ import annotations

import argparse
from typing import Any

import anyio
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
    ToolAnnotations,
)

PAGE = 2


def odd(names: list[str]) -> Server[Any]:
    """The server."""

    async def list_tools(ctx: ServerRequestContext[Any, Any], params: PaginatedRequestParams | None) -> ListToolsResult:
        start = int(params.cursor) if params is not None and params.cursor else 0
        page = [tool(name) for name in names[start : start + PAGE]]
        return ListToolsResult(tools=page, next_cursor=str(start + PAGE) if start + PAGE < len(names) else None)

    async def call_tool(ctx: ServerRequestContext[Any, Any], params: CallToolRequestParams) -> CallToolResult:
        return CallToolResult(content=[TextContent(text=params.name)], structured_content={"n": "not a number"})

    return Server("odd", on_list_tools=list_tools, on_call_tool=call_tool)


def tool(name: str) -> Tool:
    """A tool whose results are never what its output schema says; hints only where the name asks for them."""
    return Tool(
        name=name,
        title=f"The tool {name}",
        input_schema={"type": "object", "properties": {"b": {}, "a": {"type": "integer"}}},
        output_schema={"type": "object", "properties": {"n": {"type": "number"}}},
        annotations=ToolAnnotations(read_only_hint=True) if name.startswith("get") else None,
    )


async def serve(names: list[str]) -> None:
    """Serve on stdio."""
    server = odd(names)
    async with stdio_server() as (reads, writes):
        await server.run(reads, writes, server.create_initialization_options())


def main() -> None:
    """Serve as asked."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--names", nargs="*", default=[])
    anyio.run(serve, parser.parse_args().names)


if __name__ == "__main__":
    main()
