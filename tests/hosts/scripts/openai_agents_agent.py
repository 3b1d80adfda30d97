"""An agent of OpenAI's Agents SDK: ADDRESS COMMAND ENVIRONMENT as the arguments."""

import asyncio
import json
import sys

from agents import Agent, OpenAIResponsesModel, Runner, set_tracing_disabled
from agents.mcp import MCPServerStdio
from openai import AsyncOpenAI

ADDRESS, COMMAND, ENVIRONMENT = sys.argv[1:]


async def main() -> None:
    set_tracing_disabled(True)
    params = {"command": COMMAND, "args": [], "env": json.loads(ENVIRONMENT)}
    client = AsyncOpenAI(base_url=f"{ADDRESS}/v1", api_key="none")
    async with MCPServerStdio(params=params, client_session_timeout_seconds=60) as server:
        agent = Agent(name="host", model=OpenAIResponsesModel("scripted", client), mcp_servers=[server])
        await Runner.run(agent, "Do what the model says.", max_turns=20)


asyncio.run(main())
