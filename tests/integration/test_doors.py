"""Every door at which somebody else's JSON comes in, with texts that readers stumble over: an outcome, always.

The doors of the MCP face and of nested servers have tests of their own: `test_http_fuzz`, `test_face_stdio`,
`test_nested_wire`, `test_nested_web`, `test_nested_results`; the patterns of schemas `test_schemas`.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge_mcp.config.importing import imported
from bridge_mcp.core.codec import decode, encode
from bridge_mcp.core.entries import Call, Replied
from bridge_mcp.core.errors import BadInput, ModelFailed, ToolFailed
from bridge_mcp.core.transcript import ChatMessage
from bridge_mcp.models.litellm_process import LitellmProcess
from bridge_mcp.models.registry import Adapter, make_adapter
from bridge_mcp.models.settings import ModelSettings
from bridge_mcp.ports import ModelReply, ModelRequest
from bridge_mcp.toolservers import oauth
from bridge_mcp.toolservers.settings import ToolServer
from tests.integration.hostile_json import FRAGMENTS, planted
from tests.integration.telegram_receiving import Box, channel_on, receiving
from tests.integration.test_oauth_steering import Steering, served
from tests.integration.test_telegram_receiving_webhook import HEADER, SECRET, hooked, set_up, url_of
from tests.servers.model_apis.answers import Answer
from tests.servers.model_apis.openai_server import OpenAIServer
from tests.servers.telegram import TelegramServer

CALL = {"id": "c1", "type": "function", "function": {"name": "files__list", "arguments": '{"path": "a"}'}}
WHOLE = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_700_000_000,
    "model": "gpt-test",
    "choices": [
        {
            "index": 0,
            "finish_reason": "tool_calls",
            "message": {"role": "assistant", "content": "hello", "tool_calls": [CALL], "reasoning_content": "hm"},
        }
    ],
    "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
}
CHUNK = {
    "id": "chatcmpl-1",
    "object": "chat.completion.chunk",
    "created": 1_700_000_000,
    "model": "gpt-test",
    "choices": [
        {"index": 0, "finish_reason": None, "delta": {"content": "hello", "tool_calls": [{"index": 0, **CALL}]}}
    ],
    "usage": {"prompt_tokens": 7, "completion_tokens": 3},
}
UPDATE = {
    "update_id": 9,
    "message": {
        "message_id": 1,
        "date": 1,
        "chat": {"id": 5, "type": "private"},
        "from": {"id": 5, "is_bot": False, "first_name": "Ann"},
        "text": "hi",
        "entities": [{"type": "bold", "offset": 0, "length": 2}],
        "document": {"file_id": "f" * 30, "file_unique_id": "u", "file_name": "a.txt", "file_size": 5},
    },
}
METADATA = {
    "resource": "http://127.0.0.1/mcp",
    "authorization_servers": ["http://127.0.0.1/"],
    "issuer": "http://127.0.0.1/",
    "authorization_endpoint": "http://127.0.0.1/authorize",
    "token_endpoint": "http://127.0.0.1/token",
    "registration_endpoint": "http://127.0.0.1/register",
    "response_types_supported": ["code"],
    "scopes_supported": ["x"],
}
HOST = {"mcpServers": {"files": {"command": "npx", "args": ["-y", "x"], "env": {"A": "b"}, "disabled": False}}}


COUNT = 40

# -- models --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


@pytest.fixture(params=["openai", "litellm"])
async def model(
    request: pytest.FixtureRequest, server: OpenAIServer, litellm: LitellmProcess
) -> AsyncIterator[Adapter]:
    plain = ModelSettings("default", "openai/gpt-test", api_key="k", base_url=server.url, timeout_s=20.0)
    made = make_adapter(plain, litellm)
    await made.warm()
    yield made
    await made.close()


def can_be_kept(reply: ModelReply) -> bool:
    """Whether what came stands in the log as it came, and can be read out of it."""
    calls = tuple(Call(f"1.{n}", each.tool, each.arguments) for n, each in enumerate(reply.calls))
    entry = Replied(reply.text, calls, 1, turn=0)
    return decode(encode(entry)) == entry


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_whatever_a_model_answers_is_a_reply_or_a_failure(
    model: Adapter, server: OpenAIServer, streamed: bool
) -> None:
    request = ModelRequest("default", (ChatMessage("user", "hello"),), conversation="local/main")
    shown: list[str] = []
    failures: list[str] = []
    for text in planted(CHUNK if streamed else WHOLE, COUNT, seed=7):
        kind = "text/event-stream" if streamed else "application/json"
        body = f"data: {text}\n\ndata: [DONE]\n\n" if streamed else text
        server.answer(Answer(body, headers={"content-type": kind}))
        with anyio.fail_after(30):
            try:
                reply = await (model.reply(request, shown.append) if streamed else model.reply(request))
            except ModelFailed as exc:
                failures.append(str(exc))
                continue
        assert can_be_kept(reply), text[:200]
    assert max(map(len, failures), default=0) < 5_000
    assert 0 < len(failures) < COUNT, "some cannot be read, and some can"


# -- chats ---------------------------------------------------------------------------------------------------


async def test_whatever_is_posted_to_the_webhook_is_answered_and_the_next_one_is_heard() -> None:
    async with TelegramServer() as server:
        box, settings = Box(), hooked(server)
        async with receiving(channel_on(server, settings), box), httpx.AsyncClient(headers={HEADER: SECRET}) as client:
            await set_up(server)
            for text in planted(UPDATE, 60, seed=3):
                answer = await client.post(url_of(settings), content=text.encode("utf-8", "surrogatepass"))
                assert answer.status_code in (200, 400, 413), (answer.status_code, text[:200])
            ann = server.user("Ann")
            await ann.sends(ann.dm, "still there?")
            with anyio.fail_after(10):
                while "still there?" not in box.texts:  # noqa: ASYNC110
                    await anyio.sleep(0.02)


# -- logins --------------------------------------------------------------------------------------------------


async def test_whatever_the_pages_of_a_login_say_is_an_error_in_words(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    with served(Steering()) as server:
        server.challenge = f"{server.url}/meta"
        target = ToolServer("hub", url=f"{server.url}/mcp", oauth=True)
        for text in planted(METADATA, 12, seed=5):
            server.pages["/meta"] = text.replace("http://127.0.0.1", server.url)
            server.pages["/.well-known/oauth-authorization-server"] = server.pages["/meta"]
            with anyio.fail_after(20), pytest.raises(ToolFailed) as caught:
                await oauth.log_in(target, tmp_path, lambda address: None)
            assert len(str(caught.value)) < 3_000


# -- settings ------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.integers(0, 10**6), st.sampled_from(FRAGMENTS), st.text(max_size=60))
def test_whatever_a_hosts_settings_hold_is_imported_or_refused(seed: int, fragment: str, noise: str) -> None:
    refusals: list[str] = []
    for text in (*planted(HOST, 2, seed), fragment, noise, f"{noise}{fragment}", f"extensions:\n  {fragment}"):
        try:
            found = imported(text, frozenset())
        except BadInput as exc:
            refusals.append(str(exc))
            continue
        assert all(len(each.name) < 200 for each in found)
    assert max(map(len, refusals), default=0) < 2_000
