"""FastMCP's client, as versions 2 to 4 have it."""

import asyncio
import json
import sys

from fastmcp import Client
from fastmcp.client.transports import StdioTransport

sys.path.insert(0, sys.argv[1])
from loop import go


async def main() -> None:
    async with Client(StdioTransport(command=sys.argv[2], args=[], env=json.loads(sys.argv[3]))) as client:
        names = [tool.name for tool in await client.list_tools()]

        async def call(tool: str, arguments: dict) -> tuple[str, bool]:
            result = await client.call_tool(tool, arguments)
            return result.content[0].text, any(block.type == "image" for block in result.content)

        print(json.dumps(await go(names, call)))


asyncio.run(main())
