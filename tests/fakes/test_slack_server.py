"""The Slack on loopback, met by slack-sdk and slack-bolt as they are published, and by its documented refusals."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from typing import Any

import aiohttp
import anyio
import pytest
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.models.blocks import Block
from slack_sdk.models.views import View
from slack_sdk.signature import SignatureVerifier
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.web.async_client import AsyncWebClient

from tests.servers.slack import BOT, BOT_TEAM, MENTION, SECRET, Fault, SlackServer, signed


@pytest.fixture
async def server() -> AsyncGenerator[SlackServer]:
    async with SlackServer() as made:
        yield made


@pytest.fixture
async def client(server: SlackServer) -> AsyncGenerator[Any]:
    async with aiohttp.ClientSession() as session:
        yield AsyncWebClient(server.bot_token, base_url=server.url, session=session, retry_handlers=[])


async def test_bolt_hears_and_answers_over_socket_mode(server: SlackServer) -> None:
    """A plain app of slack-bolt: a message, a mention, a button and a slash command."""
    heard: list[str] = []
    client: Any = AsyncWebClient(server.bot_token, base_url=server.url)
    app: Any = AsyncApp(token=server.bot_token, client=client)

    @app.event("message")
    async def on_message(event: Any, say: Any) -> None:
        heard.append(f"message {event['text']}")
        button = {"type": "button", "action_id": "go", "text": {"type": "plain_text", "text": "Go"}, "value": "1"}
        await say(text=f"hi {event['text']}", blocks=[{"type": "actions", "elements": [button]}])

    @app.action("go")
    async def on_press(ack: Any, body: Any, client: Any) -> None:
        await ack()
        heard.append(f"press {body['actions'][0]['value']} by {body['user']['id']}")

    @app.command("/bridge")
    async def on_command(ack: Any, command: Any) -> None:
        await ack()
        heard.append(f"command {command['text']}")

    handler: Any = AsyncSocketModeHandler(app, server.app_token)
    ann = server.user("Ann")
    with anyio.fail_after(20):
        await handler.connect_async()
        try:
            await server.until(lambda: bool(server.deliveries.connections))
            await ann.says(ann.dm, "hello")
            await server.until(lambda: bool(server.ours(ann.dm)))
            await ann.presses(ann.dm, server.ours(ann.dm)[0], "Go")
            await ann.commands(ann.dm, "status")
        finally:
            await handler.close_async()
            await client.session.close() if client.session else None
    assert heard == ["message hello", f"press 1 by {ann.id}", "command status"]


async def test_what_it_sends_is_what_the_sdk_reads(server: SlackServer, client: Any) -> None:
    """Envelopes, blocks, views and signatures go through the SDK's own models."""
    ann = server.user("Ann")
    opened = await client.apps_connections_open(app_token=server.app_token)
    async with aiohttp.ClientSession() as session, session.ws_connect(opened["url"]) as socket:
        hello = await socket.receive_json()
        assert (hello["type"], hello["num_connections"]) == ("hello", 1)
        assert {"debug_info", "connection_info"} <= hello.keys()
        sending = server.deliveries.event({"type": "message", "user": ann.id, "text": "y", "channel": ann.dm.id})
        read: Any = SocketModeRequest.from_dict  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        request = read(await socket.receive_json())
        assert request.type == "events_api"
        assert request.payload["team_id"] == BOT_TEAM
        assert request.retry_attempt == 0
        await socket.send_json({"envelope_id": request.envelope_id})
        assert await sending
        await server.deliveries.disconnect("warning")
        assert (await socket.receive_json())["reason"] == "warning"
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "hi"}}]
    posted = await client.chat_postMessage(channel=ann.dm.id, text="hi", blocks=blocks)
    parse: Any = Block.parse_all  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    for each in parse(posted["message"]["blocks"]):
        each.validate_json()
    view = View(type="modal", title={"type": "plain_text", "text": "T"}, blocks=blocks)
    view.validate_json()
    headers = signed(SECRET, b"body")
    assert SignatureVerifier(SECRET).is_valid_request(b"body", headers)
    assert not SignatureVerifier(SECRET).is_valid_request(b"other", headers)


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("chat_postMessage", {"channel": "C404", "text": "x"}, "channel_not_found"),
    ("chat_postMessage", {"text": ""}, "no_text"),
    ("chat_postMessage", {"text": "x" * 40_001}, "msg_too_long"),
    ("chat_postMessage", {"text": "x", "blocks": [{"type": "nonsense"}]}, "invalid_blocks"),
    ("chat_postMessage", {"text": "x", "blocks": [{"type": "divider"}] * 51}, "invalid_blocks"),
    ("chat_postMessage", {"text": "x", "thread_ts": "1.1"}, "thread_not_found"),
    ("chat_postMessage", {"text": "x", "metadata": {"event_type": "a"}}, "invalid_metadata_format"),
    ("chat_update", {"ts": "1.1", "text": "x"}, "message_not_found"),
    ("reactions_add", {"timestamp": "1.1", "name": "+1"}, "message_not_found"),
    ("conversations_replies", {"ts": "1.1"}, "thread_not_found"),
    ("files_info", {"file": "F404"}, "file_not_found"),
    ("users_info", {"user": "U404"}, "user_not_found"),
    ("chat_startStream", {"thread_ts": ""}, "invalid_arguments"),
]


@pytest.mark.filterwarnings("ignore:The top-level `text`:UserWarning")  # slack-sdk's own advice
@pytest.mark.parametrize(("method", "given", "error"), REFUSED, ids=lambda each: str(each)[:30])
async def test_what_slack_refuses(
    server: SlackServer, client: Any, method: str, given: dict[str, Any], error: str
) -> None:
    channel = server.channel("general", server.user("Ann"))
    named = {} if "file" in given or "user" in given else {"channel": channel.id}
    with pytest.raises(SlackApiError) as failure:
        await getattr(client, method)(**(named | given))
    assert answer_of(failure.value)["error"] == error


def answer_of(error: SlackApiError) -> Any:
    """What the server answered; the SDK says nothing of its type."""
    answer: Any = vars(error)["response"]
    return answer


async def test_history_has_pages_metadata_on_request_and_threads_apart(server: SlackServer, client: Any) -> None:
    ann = server.user("Ann")
    for number in range(5):
        await client.chat_postMessage(
            channel=ann.dm.id, text=f"m{number}", metadata={"event_type": "t", "event_payload": {"key": number}}
        )
    first = await client.conversations_history(channel=ann.dm.id, limit=2)
    assert [each["text"] for each in first["messages"]] == ["m4", "m3"]
    assert "metadata" not in first["messages"][0]
    rest = await client.conversations_history(
        channel=ann.dm.id, limit=9, cursor=first["response_metadata"]["next_cursor"], include_all_metadata=True
    )
    assert [each["metadata"]["event_payload"]["key"] for each in rest["messages"]] == [2, 1, 0]
    parent = rest["messages"][-1]["ts"]
    await client.chat_postMessage(channel=ann.dm.id, text="below", thread_ts=parent)
    again = await client.conversations_history(channel=ann.dm.id)
    assert "below" not in [each["text"] for each in again["messages"]]
    assert again["messages"][-1]["reply_count"] == 1
    replies = await client.conversations_replies(channel=ann.dm.id, ts=parent)
    assert [each["text"] for each in replies["messages"]] == ["m0", "below"]


async def test_waiting_tokens_tickets_and_triggers(server: SlackServer, client: Any) -> None:
    server.fail("auth.test", Fault(retry_after=7))
    with pytest.raises(SlackApiError) as failure:
        await client.auth_test()
    assert answer_of(failure.value).headers["Retry-After"] == "7"
    assert answer_of(failure.value)["error"] == "ratelimited"
    assert (await client.auth_test())["user_id"] == BOT
    with pytest.raises(SlackApiError, match="invalid_auth"):
        await client.apps_connections_open(app_token="xapp-other")
    opened = await client.apps_connections_open(app_token=server.app_token)
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(opened["url"]):
            pass
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(opened["url"])
    server.methods.triggers["t.1"] = time.time() - 4
    view: dict[str, Any] = {"type": "modal", "title": {"type": "plain_text", "text": "T"}, "blocks": []}
    with pytest.raises(SlackApiError, match="expired_trigger_id"):
        await client.views_open(trigger_id="t.1", view=view)


async def test_files_go_up_and_come_down(server: SlackServer, client: Any) -> None:
    ann = server.user("Ann")
    await client.files_upload_v2(channel=ann.dm.id, content="the words", filename="a.txt")
    (shared,) = server.ours(ann.dm)
    file = (await client.files_info(file=shared.files[0]))["file"]
    async with aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bearer {server.bot_token}"}
        async with session.get(file["url_private_download"], headers=headers) as answer:
            assert await answer.read() == b"the words"
        async with session.get(file["url_private_download"]) as answer:
            assert answer.content_type == "text/html", "whoever shows no token gets a page to sign in"


async def test_an_event_that_nobody_acknowledges_is_sent_three_times_more(server: SlackServer) -> None:
    ann = server.user("Ann")
    server.deliveries.retries_s = (0.01, 0.01, 0.01)
    await ann.says(server.channel("general", ann), f"{MENTION} hello")
    assert [each["event"]["type"] for each in server.deliveries.lost] == ["message", "app_mention"]
