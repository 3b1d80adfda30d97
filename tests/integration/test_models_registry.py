"""All configured models behind one: dispatch by name, fallbacks in order, and whose key goes where."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from bridge_mcp.core.errors import ConfigError, ModelFailed
from bridge_mcp.core.transcript import ChatMessage
from bridge_mcp.models.litellm import LitellmModel
from bridge_mcp.models.litellm_process import LitellmProcess
from bridge_mcp.models.openai import OpenAIModel
from bridge_mcp.models.registry import Models, make_adapter
from bridge_mcp.models.scripted import ScriptedModel
from bridge_mcp.models.settings import ModelSettings
from bridge_mcp.ports import ModelHealth, ModelRequest
from tests.servers.model_apis.answers import failing, saying
from tests.servers.model_apis.openai_server import OpenAIServer

Make = Callable[..., Models]


@pytest.fixture(scope="module")
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


@pytest.fixture
async def models() -> AsyncIterator[Make]:
    async with AsyncExitStack() as stack:

        def make(*sections: ModelSettings, now: Callable[[], float] = time.time) -> Models:
            made = Models({section.name: section for section in sections}, now)
            stack.push_async_callback(made.close)
            return made

        yield make


def asking(model: str = "default") -> ModelRequest:
    return ModelRequest(model, (ChatMessage("user", "hello"),), conversation="local/main")


def test_each_section_gets_its_adapter(server: OpenAIServer) -> None:
    process = LitellmProcess()
    assert isinstance(make_adapter(ModelSettings("a", "scripted"), process), ScriptedModel)
    assert isinstance(make_adapter(ModelSettings("a", "llama3", base_url=server.url), process), OpenAIModel)
    assert isinstance(make_adapter(ModelSettings("a", "openai/gpt-5-mini"), process), LitellmModel)
    assert process.pid is None


def test_the_way_can_be_forced(server: OpenAIServer) -> None:
    process = LitellmProcess()
    forced = ModelSettings("a", "openai/gpt-test", base_url=server.url, via="litellm")
    assert isinstance(make_adapter(forced, process), LitellmModel)
    assert isinstance(make_adapter(ModelSettings("a", "gpt-5-mini", via="openai"), process), OpenAIModel)


async def test_openai_itself_is_asked_with_the_key_of_the_environment(
    models: Make, server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    made = models(ModelSettings("default", "openai/gpt-5-mini", via="openai"))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ModelFailed, match="did not accept the API key") as failure:
        await made.reply(asking())
    assert failure.value.permanent
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
    assert (await made.reply(asking())).text == "You said: hello"
    assert (server.requests[-1].key, server.requests[-1].body["model"]) == ("sk-of-the-environment", "gpt-5-mini")


# -- how they are ----------------------------------------------------------------------------------------------


async def test_health_tells_who_fails_since_when_and_who_answers_instead(models: Make, server: OpenAIServer) -> None:
    times = iter([100.0, 200.0, 300.0])
    made = models(
        ModelSettings("default", "one", "sk-a", base_url=server.url, fallbacks=("two",)), now=lambda: next(times)
    )
    assert made.health() == ()
    server.answer(failing(401, "No such key."))
    assert (await made.reply(asking())).model == "two"
    server.answer(failing(402, "No money."))
    await made.reply(asking())
    first, second = made.health()
    assert (first.name, first.model, first.kind, first.since, first.instead) == (
        ("default", "one", "no_credit", 100.0, "two")
    )
    assert "No money." in first.error
    assert "Top up" in first.error
    assert second == ModelHealth("default", "two")
    await made.reply(asking())
    assert made.health()[0] == ModelHealth("default", "one")


async def test_what_is_wrong_with_a_request_is_no_matter_of_the_model(models: Make, server: OpenAIServer) -> None:
    made = models(ModelSettings("default", "one", "sk-a", base_url=server.url))
    server.answer(failing(400, "Too long.", code="context_length_exceeded"))
    with pytest.raises(ModelFailed) as failure:
        await made.reply(asking())
    assert failure.value.kind == "too_long"
    assert made.health() == ()


async def test_a_request_finds_its_model_by_name(models: Make, server: OpenAIServer, tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text('[default]\nsay = "by rule"\n', "utf-8")
    made = models(
        ModelSettings("echo", "scripted"),
        ModelSettings("ruled", "scripted", script_path=rules),
        ModelSettings("remote", "llama3", base_url=server.url),
    )
    texts = [(await made.reply(asking(name))).text for name in ("echo", "ruled", "remote")]
    assert texts == ["(scripted) You said: hello", "by rule", "You said: hello"]


async def test_an_unknown_name_names_the_key_to_add(models: Make) -> None:
    with pytest.raises(ModelFailed, match=r"no \[models\.default\]") as failure:
        await models(ModelSettings("echo", "scripted")).reply(asking())
    assert failure.value.permanent
    assert "echo" in failure.value.fix


def test_a_bad_script_is_told_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml"):
        Models({"default": ModelSettings("default", "scripted", script_path=tmp_path / "absent.toml")})


@pytest.mark.shows("models.fallbacks")
async def test_fallbacks_are_tried_in_order_within_one_attempt(models: Make, server: OpenAIServer) -> None:
    made = models(ModelSettings("default", "one", "sk-a", base_url=server.url, fallbacks=("two", "three")))
    before = len(server.requests)
    server.answer(failing(500, "Oops."), failing(401, "No."), saying("from the third"))
    assert (await made.reply(asking())).text == "from the third"
    tried = server.requests[before:]
    assert [request.body["model"] for request in tried] == ["one", "two", "three"]
    assert {request.key for request in tried} == {"sk-a"}


async def test_a_fallback_by_the_name_of_a_section_is_that_section(models: Make, server: OpenAIServer) -> None:
    made = models(
        ModelSettings("default", "one", "sk-a", base_url=server.url, fallbacks=("spare",)),
        ModelSettings("spare", "two", "sk-b", base_url=server.url, fallbacks=("default",)),
    )
    server.answer(failing(500, "Oops."))
    assert (await made.reply(asking())).model == "two"
    assert server.requests[-1].key == "sk-b"


@pytest.mark.shows("models.fallbacks")
async def test_no_key_and_no_param_goes_to_another_provider(
    models: Make, server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-its-own")
    monkeypatch.setenv("OPENROUTER_API_BASE", server.url)
    made = models(
        ModelSettings(
            "default",
            "one",
            "sk-a",
            base_url=server.url,
            fallbacks=("openrouter/acme/two",),
            params={"user": "planted"},
        )
    )
    server.answer(failing(500, "Oops."))
    assert (await made.reply(asking())).text == "You said: hello"
    assert server.requests[-1].key == "sk-its-own"
    assert server.requests[-2].body["user"] == "planted"
    assert "user" not in server.requests[-1].body


async def test_when_all_fail_all_are_told(models: Make, server: OpenAIServer) -> None:
    made = models(ModelSettings("default", "one", "sk-a", base_url=server.url, fallbacks=("two",)))
    server.answer(failing(401, "No such key."), failing(429, "Slow down.", headers={"retry-after": "3"}))
    with pytest.raises(ModelFailed) as failure:
        await made.reply(asking())
    assert not failure.value.permanent
    assert failure.value.retry_after_s == 3.0
    assert "No such key." in str(failure.value)
    assert "Slow down." in str(failure.value)
    server.answer(failing(401, "No such key."), failing(404, "No such model."))
    with pytest.raises(ModelFailed) as failure:
        await made.reply(asking())
    assert failure.value.permanent


async def test_warming_loads_and_never_raises(
    models: Make, server: OpenAIServer, caplog: pytest.LogCaptureFixture
) -> None:
    made = models(
        ModelSettings("default", "one", base_url=server.url, fallbacks=("two",)), ModelSettings("e", "scripted")
    )
    await made.warm()
    assert (await made.reply(asking())).text == "You said: hello"
    assert not caplog.records


@pytest.mark.shows("models.not-loaded")
def test_nothing_heavy_is_imported_before_it_is_used() -> None:
    code = (
        "import sys; from bridge_mcp.models.registry import Models;"
        "from bridge_mcp.models.settings import ModelSettings;"
        "import bridge_mcp.models.litellm, bridge_mcp.models.openai, bridge_mcp.testing, bridge_mcp.channels.local;"
        "Models({'default': ModelSettings('default', 'openai/gpt-5-mini', fallbacks=('anthropic/claude-sonnet-5',))});"
        "print(sorted({'litellm', 'openai', 'httpx', 'uvicorn', 'telegram', 'fastmcp'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
