"""The mcp SDK's own session, as versions 1.x and 2.x have it: FOLDER COMMAND ENVIRONMENT [ARGUMENT...]."""

import asyncio
import json
import sys

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

sys.path.insert(0, sys.argv[1])
from loop import go


async def main() -> None:
    server = StdioServerParameters(command=sys.argv[2], args=sys.argv[4:], env=json.loads(sys.argv[3]))
    async with stdio_client(server) as (reads, writes), ClientSession(reads, writes) as session:
        await session.initialize()
        names = [tool.name for tool in (await session.list_tools()).tools]

        async def call(tool: str, arguments: dict) -> tuple[str, bool]:
            result = await session.call_tool(tool, arguments)
            return result.content[0].text, any(block.type == "image" for block in result.content)

        print(json.dumps(await go(names, call)))


asyncio.run(main())
