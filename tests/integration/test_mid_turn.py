"""What agents do in a chat whose turn is under way: the request that follows still ends with what is to be answered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from bridge_mcp.core.tools import JSON
from bridge_mcp.models.registry import Models
from bridge_mcp.models.settings import ModelSettings
from bridge_mcp.testing import FakeToolbox
from tests.integration.setup import HOST, OWNER, World, world
from tests.servers.model_apis.answers import Answer, calling, failing, saying
from tests.servers.model_apis.openai_server import OpenAIServer, ReceivedRequest

CHAT = "local/main"
AGENTS = (
    "send_message",
    "ask_user",
)


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer(respond=strict) as server:
        yield server


def strict(request: ReceivedRequest) -> Answer:
    """Asks for the tool first, and refuses what newer Claude models and strict templates refuse."""
    messages: list[Mapping[str, Any]] = request.body["messages"]
    roles = [message["role"] for message in messages]
    if roles[-1] == "assistant":
        return failing(400, "This model does not support assistant message prefill. It must end with a user message.")
    if any(a == b and a != "tool" for a, b in pairwise(roles)) or "system" in roles[1:]:
        return failing(400, "Conversation roles must alternate user/assistant/user/assistant/...")
    if "tool" not in roles:
        return calling(("files__list", {}))
    return saying(f"{len(roles)} messages: {messages[-1]['content']}")


@pytest.mark.parametrize("act", AGENTS)
async def test_an_agents_message_in_mid_turn_leaves_a_request_that_can_be_answered(
    tmp_path: Path, server: OpenAIServer, act: str
) -> None:
    toolbox = FakeToolbox()

    @toolbox.tool("files__list", read_only=True)
    async def list_files(arguments: Mapping[str, JSON]) -> str:
        return "a.txt"

    held = toolbox.hold("files__list")
    model = Models({"default": ModelSettings("default", "openai/m", "k", base_url=server.url)})
    async with world(tmp_path, model, toolbox) as it:
        message = await it.say("what is there?")
        await held.entered.wait()
        await agent(it, act)
        held.release()
        found = await it.bridge.wait_for(OWNER, f"turn:{message}", timeout_s=10)
        assert (found.outcome, server.requests[-1].problems) == ("replied", ())
        assert "sent to this chat meanwhile" in found.text
        assert "I am on it." in found.text
        # And so do the turns that follow.
        if act == "send_message":
            assert (await it.settled("thanks")).startswith("7 messages: thanks")
    await model.close()


async def agent(it: World, act: str) -> None:
    if act == "send_message":
        await it.bridge.send_message(HOST, CHAT, "I am on it.")
    else:
        await it.bridge.ask_user(HOST, CHAT, "I am on it. Which one?")
