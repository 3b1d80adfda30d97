"""Real litellm against a server that speaks Anthropic's format: what it translates arrives right, both ways."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterator

import pytest
from msgspec.structs import replace

from bridge_mcp.core.entries import Attachment, Call
from bridge_mcp.core.errors import ModelFailed
from bridge_mcp.core.transcript import ChatMessage
from bridge_mcp.models.litellm_process import LitellmProcess
from bridge_mcp.models.registry import Models
from bridge_mcp.models.settings import ModelSettings
from bridge_mcp.ports import ModelRequest, OnText
from tests.servers.model_apis.answers import Answer, calling, saying
from tests.servers.model_apis.anthropic_server import AnthropicServer, failing_event, refusing
from tests.unit.logs import TOOLS

KEY = "sk-ant-a-key-of-the-tests"
HELLO = ModelRequest("default", (ChatMessage("system", "Be brief."), ChatMessage("user", "hello")))
WITH_TOOLS = replace(HELLO, tools=tuple(TOOLS.values()))
TEXT = "A text that is long enough to come in several parts."
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 8


@pytest.fixture(scope="module")
def server() -> Iterator[AnthropicServer]:
    with AnthropicServer(keys={KEY}) as running:
        yield running


@pytest.fixture
async def models(server: AnthropicServer, litellm: LitellmProcess) -> AsyncIterator[Models]:
    settings = ModelSettings(
        "default", "anthropic/claude-sonnet-5", KEY, base_url=server.base_url, via="litellm", timeout_s=20.0
    )
    made = Models({"default": settings}, litellm=litellm)
    await made.warm()
    yield made
    await made.close()


def look_on(text: str) -> None:
    """Somebody who sees the text as it comes."""


@pytest.fixture(params=[None, look_on], ids=["whole", "streamed"])
def on_text(request: pytest.FixtureRequest) -> OnText | None:
    return request.param


async def test_the_system_prompt_and_the_key_go_where_they_belong(
    models: Models, server: AnthropicServer, on_text: OnText | None
) -> None:
    reply = await models.reply(HELLO, on_text)
    request = server.requests[-1]
    assert reply.text == "You said: hello"
    assert reply.usage.input_tokens == 12
    assert reply.usage.cost_usd is not None
    assert request.key == KEY
    assert "authorization" not in request.headers
    assert "Be brief." in str(request.body["system"])
    assert [message["role"] for message in request.body["messages"]] == ["user"]
    assert bool(request.body.get("stream")) == (on_text is not None)


async def test_the_text_is_shown_as_it_comes(models: Models, server: AnthropicServer) -> None:
    seen: list[str] = []
    server.answer(saying(TEXT))
    assert (await models.reply(HELLO, seen.append)).text == TEXT
    assert len(seen) > 2
    assert seen[-1] == TEXT


async def test_parallel_calls_and_their_results(
    models: Models, server: AnthropicServer, on_text: OnText | None
) -> None:
    server.answer(calling(("files__read", {"path": "somewhere"}), ("files__put", {"n": [1, 2]}), text="Looking."))
    reply = await models.reply(WITH_TOOLS, on_text)
    assert reply.text == "Looking."
    assert [(call.id, call.tool) for call in reply.calls] == [
        ("toolu_call_0", "files__read"),
        ("toolu_call_1", "files__put"),
    ]
    assert [call.arguments.replace(" ", "") for call in reply.calls] == ['{"path":"somewhere"}', '{"n":[1,2]}']
    logged = tuple(Call(f"1.{n}", call.tool, call.arguments, model_id=call.id) for n, call in enumerate(reply.calls))
    asked = (*WITH_TOOLS.messages, ChatMessage("assistant", "Looking.", calls=logged))
    results = [ChatMessage("tool", f"result {call.id}", call=call) for call in logged]
    reply = await models.reply(replace(WITH_TOOLS, messages=(*asked, *results, ChatMessage("user", "well?"))), on_text)
    assert reply.text == "You said: well?"
    assert server.requests[-1].problems == ()
    _, assistant, user = server.requests[-1].body["messages"]
    assert [block["type"] for block in assistant["content"]] == ["text", "tool_use", "tool_use"]
    assert [block["type"] for block in user["content"]][:2] == ["tool_result", "tool_result"]


async def test_a_history_in_which_a_model_misbehaved_is_taken(models: Models, server: AnthropicServer) -> None:
    strange = (Call("3.0", "files.list dir", '{"path": ', model_id="same"), Call("3.1", "", "[1]", model_id="same"))
    history = (
        ChatMessage("assistant", "I begin."),
        ChatMessage("user", ""),
        ChatMessage("assistant", "", calls=strange),
        *(ChatMessage("tool", "", call=call) for call in strange),
        ChatMessage("user", "hi"),
    )
    assert (await models.reply(replace(HELLO, messages=history))).text == "You said: hi"
    assert server.requests[-1].problems == ()


async def test_an_image_is_a_block_of_its_own(models: Models, server: AnthropicServer) -> None:
    async def fetch(attachment: Attachment) -> bytes:
        return PNG

    photo = ChatMessage("user", "What is this?", attachments=(Attachment("ref", "image"),))
    await models.reply(replace(HELLO, messages=(photo,), fetch=fetch))
    (message,) = server.requests[-1].body["messages"]
    (image,) = [block for block in message["content"] if block["type"] == "image"]
    assert image["source"] == {"type": "base64", "media_type": "image/png", "data": base64.b64encode(PNG).decode()}


REFUSALS: list[tuple[Answer, str, bool]] = [
    (refusing(401, "invalid x-api-key"), "bad_key", True),
    (refusing(400, "Your credit balance is too low to access the Anthropic API."), "no_credit", True),
    (refusing(400, "prompt is too long: 208310 tokens > 200000 maximum"), "too_long", True),
    (refusing(413, "Request exceeds the maximum size"), "too_long", True),
    (refusing(404, "model: claude-none"), "unknown_model", True),
    (refusing(400, "temperature: range: -1..1"), "bad_request", True),
    (refusing(429, "This request would exceed your rate limit.", headers={"retry-after": "7"}), "rate_limit", False),
    (refusing(500, "Internal server error"), "provider", False),
    (refusing(529, "Overloaded"), "provider", False),
]


@pytest.mark.parametrize(("answer", "kind", "permanent"), REFUSALS, ids=lambda value: getattr(value, "status", value))
async def test_refusals_are_told_apart(
    models: Models, server: AnthropicServer, answer: Answer, kind: str, permanent: bool, on_text: OnText | None
) -> None:
    server.answer(answer)
    with pytest.raises(ModelFailed) as failure:
        await models.reply(HELLO, on_text)
    assert (failure.value.kind, failure.value.permanent) == (kind, permanent)
    assert failure.value.retry_after_s == (7.0 if kind == "rate_limit" else None)
    assert KEY not in str(failure.value)


async def test_an_error_in_the_middle_of_a_stream_is_one_failed_attempt(
    models: Models, server: AnthropicServer
) -> None:
    whole = saying(TEXT)
    before = len(server.requests)
    server.answer(replace(whole, ending="cut"))
    with pytest.raises(ModelFailed) as failure:
        await models.reply(HELLO, look_on)
    assert not failure.value.permanent
    server.answer(Answer(chunks=[failing_event("overloaded_error", "Overloaded")]))
    with pytest.raises(ModelFailed, match="Overloaded") as failure:
        await models.reply(HELLO, look_on)
    assert not failure.value.permanent
    assert len(server.requests) == before + 2
