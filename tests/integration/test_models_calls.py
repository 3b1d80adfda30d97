"""What the SDK adapters send and read, looked at on a real server on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Literal

import anyio
import pytest
from msgspec.structs import replace

from bridge_mcp.core.entries import Attachment
from bridge_mcp.core.tools import JSON, ToolSpec, canonical
from bridge_mcp.core.transcript import ChatMessage
from bridge_mcp.models.litellm import LitellmModel
from bridge_mcp.models.litellm_process import LitellmProcess
from bridge_mcp.models.openai import OpenAIModel
from bridge_mcp.models.registry import Adapter, make_adapter
from bridge_mcp.models.settings import ModelSettings
from bridge_mcp.ports import ModelRequest, OnText
from tests.servers.model_apis.answers import Answer, calling, failing, saying
from tests.servers.model_apis.openai_server import OpenAIServer

HELLO = ModelRequest("default", (ChatMessage("user", "hello"),))


@pytest.fixture(scope="module")
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


@pytest.fixture(params=["openai", "litellm"])
async def model(
    request: pytest.FixtureRequest, server: OpenAIServer, litellm: LitellmProcess
) -> AsyncIterator[Adapter]:
    params: dict[str, JSON] = {"temperature": 0.5, "max_tokens": 99}
    settings = ModelSettings(
        "default", "openai/gpt-test", "sk-a", base_url=server.url, via=request.param, params=params
    )
    made = make_adapter(settings, litellm)
    yield made
    await made.close()


async def test_params_and_tools_are_sent(model: Adapter, server: OpenAIServer) -> None:
    schema = canonical({"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]})
    tool = ToolSpec("files__read", "files", "read", description="Read a file.", schema=schema)
    await model.reply(replace(HELLO, tools=(tool,)))
    body = server.requests[-1].body
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("gpt-test", 0.5, 99)
    function = {"name": "files__read", "description": "Read a file.", "parameters": json.loads(schema)}
    assert body["tools"] == [{"type": "function", "function": function}]


async def test_files_are_noted(model: Adapter, server: OpenAIServer) -> None:
    photo = Attachment("ref-1", "image", "image/jpeg", name="cat.jpg", size=2048)
    await model.reply(ModelRequest("default", (ChatMessage("user", "Look!", attachments=(photo,)),)))
    assert server.requests[-1].body["messages"] == [
        {"role": "user", "content": "Look!\n[image, not shown here: cat.jpg, image/jpeg, 2048 bytes]"}
    ]


async def test_usage_is_counted_as_the_provider_counts(model: Adapter, server: OpenAIServer) -> None:
    tokens = {"prompt_tokens": 100, "completion_tokens": 7, "total_tokens": 107}
    server.answer(saying("hi", usage={**tokens, "prompt_tokens_details": {"cached_tokens": 64}}))
    reply = await model.reply(HELLO)
    assert (reply.usage.input_tokens, reply.usage.output_tokens, reply.usage.cached_tokens) == (100, 7, 64)
    assert reply.usage.latency_s > 0
    assert reply.usage.cost_usd is None


@pytest.mark.parametrize("told", [10**30, 2**63])
async def test_more_tokens_than_there_are_count_as_none(model: Adapter, server: OpenAIServer, told: int) -> None:
    """A reply with such a number could neither be stored nor counted."""
    server.answer(saying("hi", usage={"prompt_tokens": told, "completion_tokens": told, "total_tokens": told}))
    reply = await model.reply(HELLO)
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (0, 0)


async def test_a_known_price_makes_a_cost(server: OpenAIServer, litellm: LitellmProcess) -> None:
    model = LitellmModel(ModelSettings("default", "openai/gpt-4o-mini", "sk-a", base_url=server.url), litellm)
    server.answer(saying("hi", usage={"prompt_tokens": 1_000_000, "completion_tokens": 0, "total_tokens": 1_000_000}))
    reply = await model.reply(HELLO)
    await model.close()
    assert reply.usage.cost_usd is not None
    assert 0.01 < reply.usage.cost_usd < 10


async def test_reads_odd_but_meant_answers(model: Adapter, server: OpenAIServer) -> None:
    server.answer(saying(None, refusal="I would rather not."), calling(("files__read", "not json"), text="Reading."))
    assert (await model.reply(HELLO)).text == "I would rather not."
    reply = await model.reply(HELLO)
    assert (reply.text, reply.calls[0].arguments) == ("Reading.", "not json")


async def test_an_endpoint_without_a_key_gets_none(server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-meant-for-openai")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-meant-for-openai")
    model = OpenAIModel(ModelSettings("default", "llama3", base_url=server.url))
    await model.reply(HELLO)
    await model.close()
    assert server.requests[-1].key == ""
    assert "meant-for-openai" not in json.dumps(dict(server.requests[-1].headers))


@pytest.mark.parametrize("via", ["openai", "litellm"])
async def test_headers_of_ones_own_are_sent_as_headers(
    via: Literal["openai", "litellm"], server: OpenAIServer, litellm: LitellmProcess
) -> None:
    extra: dict[str, JSON] = {"extra_headers": {"X-Title": "the bridge"}}
    settings = ModelSettings("default", "openai/gpt-test", "sk-a", base_url=server.url, via=via, params=extra)
    made = make_adapter(settings, litellm)
    await made.reply(HELLO)
    await made.close()
    assert server.requests[-1].headers["x-title"] == "the bridge"
    assert "extra_headers" not in server.requests[-1].body


async def test_a_base_url_keeps_its_query(server: OpenAIServer) -> None:
    model = OpenAIModel(ModelSettings("default", "m", base_url=f"{server.url}/?api-version=1"))
    assert (await model.reply(HELLO)).text == "You said: hello"
    await model.close()


async def test_large_requests_go_out_whole(model: Adapter, server: OpenAIServer) -> None:
    said = "tide " * 200_000  # a megabyte, which comes back in tens of thousands of pieces
    reply = await model.reply(ModelRequest("default", (ChatMessage("user", said),)))
    assert reply.text == f"You said: {said}"


async def test_a_server_is_asked_through_the_proxy_of_the_environment_unless_it_is_left_out(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.port}")
    elsewhere = OpenAIModel(ModelSettings("default", "m", base_url="http://models.test/v1"))
    assert (await elsewhere.reply(HELLO)).text == "You said: hello"
    await elsewhere.close()
    assert server.requests[-1].headers["host"] == "models.test"
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    here = OpenAIModel(ModelSettings("default", "m", base_url=server.url))
    assert (await here.reply(HELLO)).text == "You said: hello"
    await here.close()


@pytest.mark.parametrize("via", ["openai", "litellm"])
async def test_two_models_send_each_their_own_key(
    via: Literal["openai", "litellm"], server: OpenAIServer, litellm: LitellmProcess
) -> None:
    one = make_adapter(ModelSettings("one", "openai/gpt-test", "sk-one", base_url=server.url, via=via), litellm)
    two = make_adapter(ModelSettings("two", "openai/gpt-test", "sk-two", base_url=server.url, via=via), litellm)
    before = len(server.requests)
    seen: list[str] = []

    async def ask(model: Adapter, name: str, on_text: OnText | None) -> None:
        await model.reply(ModelRequest("default", (ChatMessage("user", name),)), on_text)

    async with anyio.create_task_group() as group:
        for number in range(12):
            model, name = ((one, "one"), (two, "two"))[number % 2]
            group.start_soon(ask, model, name, seen.append if number % 3 else None)
    await one.close()
    await two.close()
    sent = [(request.key, request.body["messages"][0]["content"]) for request in server.requests[before:]]
    assert sorted(sent) == [("sk-one", "one")] * 6 + [("sk-two", "two")] * 6
    assert "sk-one" not in repr(os.environ)


def test_keys_are_not_in_the_repr() -> None:
    settings = ModelSettings("default", "m", "sk-planted", params={"extra_headers": {"x-key": "planted-too"}})
    assert "planted" not in repr(settings)


QUIET = """
import asyncio, os, sys
from bridge_mcp.core.errors import ModelFailed
from bridge_mcp.core.transcript import ChatMessage
from bridge_mcp.models.litellm import LitellmModel
from bridge_mcp.models.litellm_process import LitellmProcess
from bridge_mcp.models.registry import Models
from bridge_mcp.models.settings import ModelSettings
from bridge_mcp.ports import ModelRequest

assert "litellm" not in sys.modules and "openai" not in sys.modules

async def main():
    process = LitellmProcess()
    model = LitellmModel(ModelSettings("default", "openai/nobody-knows-the-price", "sk-a", sys.argv[1]), process)
    for _ in range(2):
        try:
            reply = await model.reply(ModelRequest("default", (ChatMessage("user", "hello"),)))
            sys.stderr.write(f"reply: {reply.text} {reply.usage.cost_usd}\\n")
        except ModelFailed as exc:
            sys.stderr.write(f"failed: {exc}\\n")
    await process.close()
    assert "litellm" not in sys.modules and "openai" not in sys.modules
    sys.stderr.write(f"planted: {os.environ.get('PLANTED')}\\n")

asyncio.run(main())
"""


@pytest.mark.slow
def test_litellm_stays_out_of_the_process_and_its_stdout_and_reads_no_env_file(
    tmp_path: Path, server: OpenAIServer
) -> None:
    (tmp_path / ".env").write_text("PLANTED=found\n")
    server.answer(saying("hi"), failing(500, "Oops."))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", QUIET, server.url],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=tmp_path,
        check=False,
    )
    assert "reply: hi None" in done.stderr
    assert "failed: models.default" in done.stderr
    assert done.stdout == ""
    assert done.returncode == 0
    assert "planted: None" in done.stderr
    assert "Warning" not in done.stderr


def test_the_server_runs_as_a_process(tmp_path: Path) -> None:
    answers = tmp_path / "answers.json"
    answers.write_text(json.dumps([{"status": 503, "body": "busy"}]))
    command = [
        sys.executable,
        "-m",
        "tests.servers.model_apis.openai_server",
        "--key",
        "sk-a",
        "--answers",
        str(answers),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = json.loads(process.stdout.readline())["url"]
            assert post(url, "sk-a").status == 503
            assert post(url, "sk-b").status == 401
            echoed = post(url, "sk-a")
            assert isinstance(echoed.body, dict)
            assert json.loads(json.dumps(echoed.body))["choices"][0]["message"]["content"] == "You said: hi"
        finally:
            process.terminate()


def post(url: str, key: str) -> Answer:
    import httpx

    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    response = httpx.post(f"{url}/chat/completions", json=body, headers={"authorization": f"Bearer {key}"})
    is_json = response.headers["content-type"] == "application/json"
    return Answer(response.json() if is_json else response.text, response.status_code)
