"""How calls of the two SDK adapters fail, against a real server on loopback: told apart, whole, and without secrets."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Iterator
from email.utils import formatdate
from functools import partial
from typing import Literal

import anyio
import anyio.to_thread
import pytest
from msgspec.structs import replace

from bridge_mcp.core.errors import ConfigError, ModelFailed
from bridge_mcp.core.tools import JSON
from bridge_mcp.core.transcript import ChatMessage
from bridge_mcp.models.litellm import LitellmModel
from bridge_mcp.models.litellm_process import LitellmProcess
from bridge_mcp.models.registry import Adapter, make_adapter
from bridge_mcp.models.settings import ModelSettings
from bridge_mcp.ports import ModelRequest
from tests.servers.model_apis.answers import Answer, cut, failing, saying, silent, trickling
from tests.servers.model_apis.openai_server import OpenAIServer

SECRET = "planted.0123456789"
SHAPED = "sk-planted-0123456789"
REQUEST = ModelRequest("default", (ChatMessage("user", "hello"),), conversation="local/main")


@pytest.fixture(scope="module")
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


@pytest.fixture(params=["openai", "litellm"])
async def model(
    request: pytest.FixtureRequest, server: OpenAIServer, litellm: LitellmProcess
) -> AsyncIterator[Adapter]:
    made = make_adapter(settings(server, via=request.param), litellm)
    await made.warm()
    yield made
    await made.close()


def settings(server: OpenAIServer, **changes: object) -> ModelSettings:
    plain = ModelSettings("default", "openai/gpt-test", api_key=SECRET, base_url=server.url, timeout_s=20.0)
    return replace(plain, **changes)  # pyright: ignore[reportArgumentType]


async def came(server: OpenAIServer, *, requests: int = 0, hung_up: int = 0) -> bool:
    return await anyio.to_thread.run_sync(partial(server.wait_for, requests=requests, hung_up=hung_up))


async def failure_of(model: Adapter) -> ModelFailed:
    with pytest.raises(ModelFailed) as failure:
        await model.reply(REQUEST)
    return failure.value


PERMANENT = [
    (failing(401, f"Incorrect API key provided: {SECRET}.", code="invalid_api_key"), "key", "api_key_env"),
    (failing(401, f"Bad key {SHAPED}"), "key", "api_key_env"),
    (failing(403, "You have no access to this model."), "key", "api_key_env"),
    (failing(402, "Insufficient credits."), "credit", "Top up"),
    (
        failing(429, "You exceeded your current quota.", code="insufficient_quota", kind="insufficient_quota"),
        "credit",
        "Top up",
    ),
    (failing(400, "Your credit balance is too low to access the API."), "credit", "Top up"),
    (
        failing(400, "This model's maximum context length is 8192 tokens.", code="context_length_exceeded"),
        "too long",
        "larger window",
    ),
    (failing(400, "No.", code="context_length_exceeded"), "too long", "larger window"),
    (failing(413, "Request too large."), "too long", "larger window"),
    (failing(400, "Rejected by the safety system.", code="content_policy_violation"), "refused", "other words"),
    (saying(None, finish="content_filter"), "refused", "other words"),
    (saying(None, finish="length"), "used up its tokens", "max_tokens"),
    (saying(None, reasoning_content="Hm."), "only thought", "max_tokens"),
    (failing(404, "The model 'gpt-test' does not exist.", code="model_not_found"), "not known", "Check model"),
    (failing(400, "Unknown parameter: 'temprature'."), "did not take", "params"),
]
PASSING = [
    (failing(429, "Rate limit reached for requests."), "too much at once", "Wait"),
    (failing(500, "The server had an error."), "trouble", "status page"),
    (failing(503, "Overloaded."), "trouble", "status page"),
    (failing(529, "Overloaded."), "trouble", "status page"),
    (Answer("<html>Bad gateway</html>", 502), "trouble", "status page"),
    (Answer("<html>Welcome</html>"), "trouble", "status page"),
    (Answer({"hello": "world"}), "trouble", "status page"),
    (Answer({"error": {"message": "Upstream is down.", "code": 502}}), "trouble", "status page"),
    (cut(), "broke off", "again"),
    (saying(""), "empty", "max_tokens"),
]


def name_of(value: object) -> str | None:
    return f"{value.status}-{value.ending}" if isinstance(value, Answer) else None


@pytest.mark.parametrize(("answer", "for_chat", "fix"), PERMANENT, ids=name_of)
async def test_what_cannot_be_helped_is_permanent(
    model: Adapter, server: OpenAIServer, answer: Answer, for_chat: str, fix: str
) -> None:
    server.answer(answer)
    failure = await failure_of(model)
    assert failure.permanent
    assert failure.retry_after_s is None
    check(failure, answer, for_chat, fix)


@pytest.mark.parametrize(("answer", "for_chat", "fix"), PASSING, ids=name_of)
async def test_what_may_pass_is_not(
    model: Adapter, server: OpenAIServer, answer: Answer, for_chat: str, fix: str
) -> None:
    server.answer(answer)
    failure = await failure_of(model)
    assert not failure.permanent
    check(failure, answer, for_chat, fix)


def check(failure: ModelFailed, answer: Answer, for_chat: str, fix: str) -> None:
    """It says which model failed, what the provider said, what to do, and nothing that is secret."""
    told = str(failure)
    assert for_chat in failure.for_chat
    assert fix in failure.fix
    assert "models.default (openai/gpt-test)" in told
    assert not [secret for secret in (SECRET, SHAPED) if secret in told + failure.for_chat]
    if isinstance(answer.body, dict) and isinstance(answer.body.get("error"), dict):
        message = json.loads(json.dumps(answer.body))["error"]["message"]
        message = message.replace(SECRET, "[key]").replace(SHAPED, "[key]")
        assert message.rstrip(".") in told


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"retry-after": formatdate(1_700_000_090, usegmt=True), "date": formatdate(1_700_000_000, usegmt=True)}, 90.0),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
async def test_a_provider_that_asks_to_wait_is_heard(
    model: Adapter, server: OpenAIServer, headers: dict[str, str], wait_s: float | None
) -> None:
    server.answer(failing(429, "Slow down.", headers=headers))
    assert (await failure_of(model)).retry_after_s == wait_s


async def test_a_provider_that_asks_to_wait_for_hours_is_not_waited_for(model: Adapter, server: OpenAIServer) -> None:
    server.answer(failing(429, "The day's quota is used up.", headers={"retry-after": "30000"}))
    failure = await failure_of(model)
    assert failure.permanent
    assert failure.kind == "rate_limit"


@pytest.mark.shows("models.redirect")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_told_and_nothing_is_sent_there(model: Adapter, server: OpenAIServer, status: int) -> None:
    """Neither the conversation nor a header goes to an address that the owner did not write down."""
    with OpenAIServer() as elsewhere:
        server.answer(Answer("", status, {"location": f"{elsewhere.url}/chat/completions?token=planted"}))
        failure = await failure_of(model)
        assert elsewhere.requests == []
    assert (failure.kind, failure.permanent) == ("redirected", True)
    assert "redirects to another address" in str(failure)
    assert "token=planted" not in str(failure)
    assert "Set base_url of [models.default]" in failure.fix


@pytest.mark.parametrize("key", ["x", "in", "or"])
async def test_a_short_key_does_not_garble_what_a_provider_said(server: OpenAIServer, key: str) -> None:
    model = make_adapter(settings(server, api_key=key), LitellmProcess())
    server.answer(failing(500, "The origin is in maintenance for an hour, box 7."))
    failure = await failure_of(model)
    await model.close()
    assert "The origin is in maintenance for an hour, box 7" in str(failure)


async def test_one_attempt_is_one_request(model: Adapter, server: OpenAIServer) -> None:
    before = len(server.requests)
    server.answer(failing(500, "Oops."))
    await failure_of(model)
    assert len(server.requests) == before + 1


@pytest.mark.parametrize("answer", [silent(), trickling()], ids=name_of)
@pytest.mark.parametrize("via", ["openai", "litellm"])
async def test_a_server_that_never_ends_times_out_and_is_hung_up_on(
    via: str, server: OpenAIServer, litellm: LitellmProcess, answer: Answer
) -> None:
    model = make_adapter(settings(server, timeout_s=0.3, via=via), litellm)
    await model.warm()
    hung_up = server.hung_up
    server.answer(answer)
    with anyio.fail_after(5):
        failure = await failure_of(model)
    assert not failure.permanent
    assert "too long to answer" in failure.for_chat
    assert await came(server, hung_up=hung_up + 1)
    await model.close()


@pytest.mark.parametrize("via", ["openai", "litellm"])
async def test_a_port_where_nobody_listens_is_unreachable(
    via: str, server: OpenAIServer, litellm: LitellmProcess
) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{reserved.getsockname()[1]}/v1"
        model = make_adapter(settings(server, base_url=nowhere, via=via), litellm)
        failure = await failure_of(model)
        await model.close()
    assert not failure.permanent
    assert "cannot be reached" in failure.for_chat
    assert "base_url" in failure.fix


async def test_cancelling_ends_the_call_at_the_provider(model: Adapter, server: OpenAIServer) -> None:
    hung_up, asked = server.hung_up, len(server.requests)
    server.answer(silent())
    async with anyio.create_task_group() as group:
        group.start_soon(model.reply, REQUEST)
        assert await came(server, requests=asked + 1)
        group.cancel_scope.cancel()
    assert await came(server, hung_up=hung_up + 1)


async def test_goes_on_after_a_failure(model: Adapter, server: OpenAIServer) -> None:
    server.answer(cut(), saying("back"))
    await failure_of(model)
    assert (await model.reply(REQUEST)).text == "back"


async def test_a_name_that_litellm_does_not_know(litellm: LitellmProcess) -> None:
    model = LitellmModel(ModelSettings("default", "no-such-model", api_key=SECRET), litellm)
    failure = await failure_of(model)
    await model.close()
    assert failure.permanent
    assert "provider/model" in failure.fix


async def test_a_key_that_nobody_gave(litellm: LitellmProcess) -> None:
    model = LitellmModel(ModelSettings("default", "anthropic/claude-sonnet-5"), litellm)
    failure = await failure_of(model)
    await model.close()
    assert failure.permanent
    assert "api_key_env" in failure.fix


@pytest.mark.parametrize("via", ["openai", "litellm"])
@pytest.mark.parametrize("name", ["messages", "stream", "api_key"])
def test_params_may_not_set_what_the_bridge_sets(via: Literal["openai", "litellm"], name: str) -> None:
    params: dict[str, JSON] = {"temperature": 0, name: "x"}
    with pytest.raises(ConfigError, match=rf"\[models\.default\] params: '{name}'"):
        make_adapter(ModelSettings("default", "openai/gpt-test", via=via, params=params), LitellmProcess())
