"""Pydantic AI's MCP server toolset, called as its agents do."""

import asyncio
import json
import sys

from pydantic_ai.mcp import MCPServerStdio

sys.path.insert(0, sys.argv[1])
from loop import go


async def main() -> None:
    async with MCPServerStdio(sys.argv[2], args=[], env=json.loads(sys.argv[3])) as server:
        names = [tool.name for tool in await server.list_tools()]

        async def call(tool: str, arguments: dict) -> tuple[str, bool]:
            result = await server.direct_call_tool(tool, arguments)
            parts = result if isinstance(result, list) else [result]
            texts = [
                part if isinstance(part, str) else json.dumps(part) for part in parts if isinstance(part, str | dict)
            ]
            image = any(getattr(part, "media_type", "").startswith("image/") for part in parts)
            return texts[0], image

        print(json.dumps(await go(names, call)))


asyncio.run(main())
