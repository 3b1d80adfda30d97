"""Answers that are not whole, through both adapters: their calls are not run, their texts say so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import pytest

from bridge_mcp.core.errors import ModelFailed
from bridge_mcp.core.json_reader import JSON
from bridge_mcp.core.transcript import ChatMessage
from bridge_mcp.models.litellm_process import LitellmProcess
from bridge_mcp.models.registry import Models
from bridge_mcp.models.settings import ModelSettings
from bridge_mcp.ports import ModelReply, ModelRequest
from tests.servers.model_apis.answers import completion, saying
from tests.servers.model_apis.openai_server import OpenAIServer
from tests.unit.logs import TOOLS

CUT = "[Cut off here: the answer reached the model's limit of tokens.]"
REQUEST = ModelRequest("default", (ChatMessage("user", "how?"),), tuple(TOOLS.values()))


@pytest.fixture(scope="module")
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


async def asked(
    server: OpenAIServer, litellm: LitellmProcess, via: Literal["openai", "litellm"], stream: bool
) -> ModelReply:
    settings = ModelSettings(
        "default", "openai/gpt-test", "sk-a", base_url=server.url, via=via, stream=stream, timeout_s=20.0
    )
    models = Models({"default": settings}, litellm=litellm)
    try:
        return await models.reply(REQUEST, lambda _: None)
    finally:
        await models.close()


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("via", ["openai", "litellm"])
async def test_a_cut_answer_says_so(
    server: OpenAIServer, litellm: LitellmProcess, via: Literal["openai", "litellm"], stream: bool
) -> None:
    server.answer(saying("The three steps are", finish="length"))
    reply = await asked(server, litellm, via, stream)
    assert (reply.finish, reply.text) == ("length", f"The three steps are\n\n{CUT}")
    server.answer(saying("The three steps are", finish="content_filter"))
    reply = await asked(server, litellm, via, stream)
    assert reply.finish == "content_filter"
    assert "content filter" in reply.text
    function: JSON = {"name": "files__list", "arguments": '{"path": "a"}'}
    calls: JSON = [{"id": "call_0", "type": "function", "function": function}]
    server.answer(completion({"role": "assistant", "content": None, "tool_calls": calls}, "length", None))
    reply = await asked(server, litellm, via, stream)
    assert (reply.finish, len(reply.calls)) == ("length", 1)
    server.answer(saying(None, finish="length", reasoning_content="Hm."))
    with pytest.raises(ModelFailed, match="used up its tokens") as failure:
        await asked(server, litellm, via, stream)
    assert failure.value.permanent


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("via", ["openai", "litellm"])
async def test_reasoning_is_kept_and_not_said(
    server: OpenAIServer, litellm: LitellmProcess, via: Literal["openai", "litellm"], stream: bool
) -> None:
    server.answer(saying("Hello.", reasoning_content="I should greet."))
    reply = await asked(server, litellm, via, stream)
    assert reply.text == "Hello."
    assert "I should greet." in reply.kept
    assert reply.kept_for.startswith("openai/gpt-test at 127.0.0.1:")
