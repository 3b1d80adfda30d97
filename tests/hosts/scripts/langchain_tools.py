"""LangChain's MCP adapters: the tools as an agent gets them."""

import asyncio
import json
import sys

from langchain_mcp_adapters.client import MultiServerMCPClient

sys.path.insert(0, sys.argv[1])
from loop import go


async def main() -> None:
    server = {"transport": "stdio", "command": sys.argv[2], "args": [], "env": json.loads(sys.argv[3])}
    client = MultiServerMCPClient({"bridge": server})
    async with client.session("bridge") as session:
        from langchain_mcp_adapters.tools import load_mcp_tools

        tools = {tool.name: tool for tool in await load_mcp_tools(session)}

        async def call(tool: str, arguments: dict) -> tuple[str, bool]:
            message = await tools[tool].ainvoke({"type": "tool_call", "id": "1", "name": tool, "args": arguments})
            content = message.content
            if isinstance(content, str):
                return content, False
            texts = [part if isinstance(part, str) else part.get("text", "") for part in content]
            image = any(isinstance(part, dict) and part.get("type") in ("image", "image_url") for part in content)
            return next(text for text in texts if text), image

        print(json.dumps(await go(list(tools), call)))


asyncio.run(main())
