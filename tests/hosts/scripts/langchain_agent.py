"""An agent of LangChain's, with the tools of its MCP adapters: ADDRESS COMMAND ENVIRONMENT as the arguments."""

import asyncio
import json
import sys

from langchain.agents import create_agent
from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_mcp_adapters.tools import load_mcp_tools
from langchain_openai import ChatOpenAI

ADDRESS, COMMAND, ENVIRONMENT = sys.argv[1:]


async def main() -> None:
    server = {"transport": "stdio", "command": COMMAND, "args": [], "env": json.loads(ENVIRONMENT)}
    async with MultiServerMCPClient({"bridge": server}).session("bridge") as session:
        model = ChatOpenAI(model="scripted", base_url=f"{ADDRESS}/v1", api_key="none")
        agent = create_agent(model, await load_mcp_tools(session))
        await agent.ainvoke({"messages": [("user", "Do what the model says.")]})


asyncio.run(main())
