"""OpenAI's Agents SDK: its MCP server as its agents use it."""

import asyncio
import json
import sys

from agents.mcp import MCPServerStdio

sys.path.insert(0, sys.argv[1])
from loop import go


async def main() -> None:
    params = {"command": sys.argv[2], "args": [], "env": json.loads(sys.argv[3])}
    async with MCPServerStdio(params=params, client_session_timeout_seconds=60) as server:
        names = [tool.name for tool in await server.list_tools()]

        async def call(tool: str, arguments: dict) -> tuple[str, bool]:
            result = await server.call_tool(tool, arguments)
            return result.content[0].text, any(block.type == "image" for block in result.content)

        print(json.dumps(await go(names, call)))


asyncio.run(main())
