"""How much an endpoint may send: a whole body, one line of a stream, all of a stream. The rest is not read."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator

import aiohttp
import anyio
import pytest

from bridge_mcp.core.errors import ModelFailed
from bridge_mcp.core.transcript import ChatMessage
from bridge_mcp.models.openai import OpenAIModel
from bridge_mcp.models.response_limits import MAX_BODY, MAX_LINE, ResponseTooLarge, events, whole_body
from bridge_mcp.models.settings import ModelSettings
from bridge_mcp.ports import ModelRequest
from tests.servers.model_apis.answers import Answer, saying
from tests.servers.model_apis.openai_server import OpenAIServer

REQUEST = ModelRequest("default", (ChatMessage("user", "hello"),), conversation="local/main")
STREAM = {"content-type": "text/event-stream"}


@pytest.fixture(scope="module")
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


@pytest.fixture
async def model(server: OpenAIServer) -> AsyncIterator[OpenAIModel]:
    made = OpenAIModel(ModelSettings("default", "openai/gpt-test", api_key="k", base_url=server.url, timeout_s=30.0))
    await made.warm()
    yield made
    await made.close()


async def test_a_body_that_is_too_long_is_a_failure_in_words_and_the_next_one_is_read(
    model: OpenAIModel, server: OpenAIServer
) -> None:
    server.answer(Answer(" " * (MAX_BODY + 1)))
    with pytest.raises(ModelFailed, match=f"longer than {MAX_BODY:,} bytes"):
        await model.reply(REQUEST)
    server.answer(saying("again"))
    assert (await model.reply(REQUEST)).text == "again"


async def test_a_line_of_a_stream_that_is_too_long_is_a_failure_in_words(
    model: OpenAIModel, server: OpenAIServer
) -> None:
    shown: list[str] = []
    server.answer(Answer("data: " + "x" * (MAX_LINE + 1), headers=STREAM))
    with pytest.raises(ModelFailed, match=f"longer than {MAX_LINE:,} bytes"):
        await model.reply(REQUEST, shown.append)
    server.answer(saying("again"))
    assert (await model.reply(REQUEST, shown.append)).text == "again"
    assert shown[-1] == "again"


async def read(server: OpenAIServer, body: str, **limits: int) -> list[bytes]:
    """The events of a response with this body."""
    server.answer(Answer(body, headers=STREAM))
    asked = {"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": True}
    headers = {"authorization": "Bearer k"}
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{server.url}/chat/completions", json=asked, headers=headers) as response:
            return [each async for each in events(response, **limits)]


@pytest.mark.parametrize("size", [1, 10, 100])
async def test_a_stream_is_read_up_to_its_limit_and_no_further(server: OpenAIServer, size: int) -> None:
    line = f"data: {json.dumps('x' * size)}\n\n"
    body = line * 50
    found = await read(server, body, most=len(body), longest=len(line))
    assert found == [json.dumps("x" * size).encode()] * 50
    with pytest.raises(ResponseTooLarge, match=f"longer than {len(body) - 1:,} bytes"):
        await read(server, body, most=len(body) - 1)
    with pytest.raises(ResponseTooLarge, match="longer than 5 bytes"):
        await read(server, line.strip(), longest=5)


async def test_a_body_is_read_up_to_its_limit_and_no_further(server: OpenAIServer) -> None:
    async with aiohttp.ClientSession() as session:
        for most, fits in ((1_000, True), (999, False)):
            server.answer(Answer("y" * 1_000))
            asked = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
            headers = {"authorization": "Bearer k"}
            async with session.post(f"{server.url}/chat/completions", json=asked, headers=headers) as response:
                with anyio.fail_after(10):
                    if fits:
                        assert await whole_body(response, most) == b"y" * 1_000
                    else:
                        with pytest.raises(ResponseTooLarge, match="longer than 999 bytes"):
                            await whole_body(response, most)
