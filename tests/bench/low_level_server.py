"""The yardstick: an MCP server of the SDK's low-level kind that echoes, and has as many tools as it is told.

python -m tests.bench.low_level_server TOOLS            over stdio
python -m tests.bench.low_level_server TOOLS PORT       over Streamable HTTP on loopback
"""

from __future__ import annotations

import sys
from typing import Any

import anyio
import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"text": {"type": "string"}, "limit": {"type": "integer"}},
    "required": ["text"],
}


def echo_server(count: int) -> Server[Any]:
    """A server with the tools echo, echo_1, echo_2, …"""
    tools = [
        types.Tool(
            name=f"echo_{n}" if n else "echo",
            description="Say it again.",
            input_schema=SCHEMA,
            annotations=types.ToolAnnotations(read_only_hint=True),
        )
        for n in range(count)
    ]

    async def list_tools(ctx: Any, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        return types.ListToolsResult(tools=tools)

    async def call_tool(ctx: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        text = str((params.arguments or {}).get("text", ""))
        return types.CallToolResult(content=[types.TextContent(type="text", text=text)])

    return Server("low-level", version="1", on_list_tools=list_tools, on_call_tool=call_tool)


async def over_stdio(server: Server[Any]) -> None:
    async with stdio_server() as (reading, writing):
        await server.run(reading, writing, server.create_initialization_options())


def main(count: str, port: str = "") -> None:
    server = echo_server(int(count))
    if not port:
        anyio.run(over_stdio, server)
        return
    import uvicorn

    uvicorn.run(server.streamable_http_app(), host="127.0.0.1", port=int(port), log_level="error", access_log=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
