"""Streamed answers through both SDKs, from a real server on loopback: what is shown, what counts, what breaks."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Literal

import anyio
import anyio.to_thread
import pytest
from msgspec.structs import replace

from bridge_mcp.core.errors import ModelFailed
from bridge_mcp.core.transcript import ChatMessage
from bridge_mcp.models.litellm import LitellmModel
from bridge_mcp.models.litellm_process import LitellmProcess
from bridge_mcp.models.openai import OpenAIModel
from bridge_mcp.models.registry import Adapter, Models, make_adapter
from bridge_mcp.models.settings import ModelSettings
from bridge_mcp.ports import ModelRequest
from tests.servers.model_apis.answers import Answer, calling, failing, saying, silent, streaming, trickling
from tests.servers.model_apis.openai_server import OpenAIServer

REQUEST = ModelRequest("default", (ChatMessage("user", "hello"),), conversation="local/main")
TEXT = "A text that is long enough to come in several parts."
BOTH = ["openai", "litellm"]


@pytest.fixture(scope="module")
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


def settings(server: OpenAIServer) -> ModelSettings:
    return ModelSettings("default", "openai/gpt-4o-mini", "sk-a", base_url=server.url, timeout_s=20.0)


@pytest.fixture(params=BOTH)
async def model(
    request: pytest.FixtureRequest, server: OpenAIServer, litellm: LitellmProcess
) -> AsyncIterator[Adapter]:
    made = make_adapter(replace(settings(server), via=request.param), litellm)
    await made.warm()
    yield made
    await made.close()


def look_on(text: str) -> None:
    """Somebody who sees the text as it comes."""


async def came(server: OpenAIServer, *, requests: int = 0, hung_up: int = 0) -> bool:
    return await anyio.to_thread.run_sync(partial(server.wait_for, requests=requests, hung_up=hung_up))


async def test_the_text_is_shown_as_it_comes(model: Adapter, server: OpenAIServer) -> None:
    seen: list[str] = []
    server.answer(saying(TEXT, usage={"prompt_tokens": 100, "completion_tokens": 7, "total_tokens": 107}))
    reply = await model.reply(REQUEST, seen.append)
    body = server.requests[-1].body
    assert (body["stream"], body["stream_options"]) == (True, {"include_usage": True})
    assert len(seen) > 2
    assert seen[0] != TEXT
    assert seen[-1] == reply.text == TEXT
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (100, 7)


async def test_parallel_calls_come_by_turns(model: Adapter, server: OpenAIServer) -> None:
    server.answer(calling(("files__list", {"path": "somewhere far"}), ("files__read", {"path": "b"}), text="Looking."))
    reply = await model.reply(REQUEST, look_on)
    assert reply.text == "Looking."
    assert [(call.tool, call.arguments) for call in reply.calls] == [
        ("files__list", '{"path": "somewhere far"}'),
        ("files__read", '{"path": "b"}'),
    ]


BROKEN: dict[str, tuple[Answer, str]] = {
    "cut": (replace(saying(TEXT), ending="cut"), "broke off"),
    "calls cut": (replace(calling(("files__list", {"path": "somewhere far away"})), ending="cut"), "broke off"),
    "no end": (streaming({"content": "half a"}, finish=None), "broke off"),
    "an error": (
        streaming(
            {"content": "half a"}, 'data: {"error": {"message": "Oops.", "type": "server_error"}}\n\n', finish=None
        ),
        "trouble",
    ),
    # One of the two looks at what it cannot read, the other passes it over and misses the end.
    "garbage": (streaming({"content": "half a"}, "data: {half\n\n", finish=None), "trouble|broke off"),
}


@pytest.mark.parametrize("case", BROKEN)
async def test_a_stream_that_breaks_half_way_is_one_failed_attempt(
    model: Adapter, server: OpenAIServer, case: str
) -> None:
    answer, told = BROKEN[case]
    before = len(server.requests)
    server.answer(answer)
    with pytest.raises(ModelFailed) as failure:
        await model.reply(REQUEST, look_on)
    assert not failure.value.permanent
    assert re.search(told, failure.value.for_chat)
    assert len(server.requests) == before + 1


async def test_a_refusal_of_the_request_is_told_as_ever(model: Adapter, server: OpenAIServer) -> None:
    server.answer(failing(429, "Slow down.", headers={"retry-after": "7"}))
    with pytest.raises(ModelFailed, match="Slow down") as failure:
        await model.reply(REQUEST, look_on)
    assert failure.value.retry_after_s == 7.0


@pytest.mark.parametrize("answer", [silent(), trickling()], ids=lambda answer: answer.ending)
@pytest.mark.parametrize("via", BOTH)
async def test_silence_is_not_waited_out(
    via: Literal["openai", "litellm"], server: OpenAIServer, litellm: LitellmProcess, answer: Answer
) -> None:
    model = make_adapter(replace(settings(server), first_token_s=0.3, timeout_s=60.0, via=via), litellm)
    await model.warm()
    hung_up = server.hung_up
    server.answer(answer)
    with anyio.fail_after(15), pytest.raises(ModelFailed, match=r"not a word within 0\.3 s") as failure:
        await model.reply(REQUEST, look_on)
    assert not failure.value.permanent
    assert "first_token_s" in failure.value.fix
    assert await came(server, hung_up=hung_up + 1)
    await model.close()


async def test_cancelling_a_stream_ends_the_call_at_the_provider(model: Adapter, server: OpenAIServer) -> None:
    hung_up, asked = server.hung_up, len(server.requests)
    server.answer(trickling())
    async with anyio.create_task_group() as group:
        group.start_soon(model.reply, REQUEST, look_on)
        assert await came(server, requests=asked + 1)
        group.cancel_scope.cancel()
    assert await came(server, hung_up=hung_up + 1)


async def test_a_price_that_is_known_is_known_of_streams_too(server: OpenAIServer, litellm: LitellmProcess) -> None:
    model = LitellmModel(settings(server), litellm)
    tokens = {"prompt_tokens": 1_000_000, "completion_tokens": 0, "total_tokens": 1_000_000}
    server.answer(saying("hi", usage=tokens), saying("hi", usage=tokens))
    whole = await model.reply(REQUEST)
    streamed = await model.reply(REQUEST, look_on)
    await model.close()
    assert whole.usage.cost_usd is not None
    assert streamed.usage.cost_usd == pytest.approx(whole.usage.cost_usd)


# -- when it is streamed at all --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("via", "stream", "looked_at", "streamed"),
    [
        ("openai", None, False, True),
        ("openai", False, True, False),
        ("litellm", None, False, False),
        ("litellm", None, True, True),
        ("litellm", True, False, True),
        ("litellm", False, True, False),
    ],
)
async def test_streams_where_it_costs_little_or_somebody_looks(
    via: Literal["openai", "litellm"],
    stream: bool | None,
    looked_at: bool,
    streamed: bool,
    server: OpenAIServer,
    litellm: LitellmProcess,
) -> None:
    model = make_adapter(replace(settings(server), stream=stream, via=via), litellm)
    assert (await model.reply(REQUEST, look_on if looked_at else None)).text == "You said: hello"
    await model.close()
    assert bool(server.requests[-1].body.get("stream")) == streamed


async def test_an_endpoint_that_knows_no_streams_is_asked_without_from_then_on(server: OpenAIServer) -> None:
    model = OpenAIModel(settings(server))
    before = len(server.requests)
    server.answer(
        failing(400, "Unknown field: stream_options."), failing(422, "This server does not stream."), saying("whole")
    )
    assert (await model.reply(REQUEST)).text == "whole"
    assert (await model.reply(REQUEST)).text == "You said: hello"
    await model.close()
    asked = [(request.body.get("stream"), "stream_options" in request.body) for request in server.requests[before:]]
    assert asked == [(True, True), (True, False), (None, False), (None, False)]


async def test_an_endpoint_that_answers_whole_all_the_same_is_understood(server: OpenAIServer) -> None:
    model = OpenAIModel(settings(server))
    server.answer(Answer({"choices": [{"message": {"content": "whole"}, "finish_reason": "stop"}]}))
    assert (await model.reply(REQUEST)).text == "whole"
    await model.close()


async def test_what_comes_after_the_last_word_may_be_missing(server: OpenAIServer) -> None:
    model = OpenAIModel(settings(server))
    whole = streaming({"content": "all of it"})
    server.answer(replace(whole, chunks=[*whole.chunks, *[": and more\n\n"] * len(whole.chunks)], ending="cut"))
    assert (await model.reply(REQUEST)).text == "all of it"
    await model.close()


async def test_what_a_model_that_failed_had_said_is_taken_back_for_its_fallback(server: OpenAIServer) -> None:
    seen: list[str] = []
    models = Models({"default": replace(settings(server), fallbacks=("second",))})
    server.answer(replace(saying(TEXT), ending="cut"), saying("Short."))
    reply = await models.reply(REQUEST, seen.append)
    await models.close()
    assert reply.text == "Short."
    void = seen.index("")
    assert TEXT.startswith(seen[void - 1])
    assert seen[void + 1 :] == ["Short."]
