"""An agent of Pydantic AI's: ADDRESS COMMAND ENVIRONMENT as the arguments."""

import asyncio
import json
import sys

from fastmcp.client.transports import StdioTransport
from pydantic_ai import Agent
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

ADDRESS, COMMAND, ENVIRONMENT = sys.argv[1:]


async def main() -> None:
    server = MCPToolset(StdioTransport(command=COMMAND, args=[], env=json.loads(ENVIRONMENT)))
    provider = OpenAIProvider(base_url=f"{ADDRESS}/v1", api_key="none")
    async with Agent(OpenAIChatModel("scripted", provider=provider), toolsets=[server]) as agent:
        await agent.run("Do what the model says.")


asyncio.run(main())
