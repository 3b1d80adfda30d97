"""What is Slack's own, through the whole bridge: threads, forms, connections that come and go, strangers of Connect."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
import anyio
import pytest

from bridge_mcp.assembly import WallClock
from bridge_mcp.channels.slack.channel import SlackChannel
from bridge_mcp.channels.slack.settings import Patience, SlackSettings
from bridge_mcp.channels.slack.web import MAX_ANSWER, SlackFault, SlackWeb
from bridge_mcp.core.errors import StoreError
from bridge_mcp.ports import Outgoing, Upload
from bridge_mcp.service import OWNER
from tests.channels.platforms import WAIT_S
from tests.channels.slack_platform import Slack, SlackPlace
from tests.channels.stage import Stage, staged
from tests.servers.slack import MENTION, SECRET, Channel, Fault, Message, SlackServer, StoredFile, signed


@pytest.fixture
async def server() -> AsyncGenerator[SlackServer]:
    async with SlackServer() as made:
        yield made


class Own(Slack):
    """With threads, as Slack's channels are by themselves."""

    more = ""

    def section(self) -> str:
        return super().section().replace("threads = false\n", self.more)


async def said(server: SlackServer, where: Channel, count: int) -> list[Message]:
    await server.until(lambda: len(server.ours(where)) >= count, WAIT_S)
    return server.ours(where)


def shown(message: Message) -> str:
    return SlackPlace.words(message)


@pytest.mark.shows("chats.slack-threads")
async def test_a_mention_begins_a_thread_that_is_a_conversation(server: SlackServer, tmp_path: Path) -> None:
    ann, bob = server.user("Ann"), server.user("Bob")
    general = server.channel("general", ann, bob)
    async with staged(tmp_path, Own(server)) as it, it.up() as bridge:
        await bridge.pair_chat(OWNER, channel="family", chat=general.id)
        asked = await ann.says(general, f"{MENTION} one")
        (answer,) = await said(server, general, 1)
        assert answer.thread == asked.ts
        await bob.says(general, "not in the thread")
        await bob.says(general, "further down", thread=asked.ts)
        await said(server, general, 1)
        await ann.says(general, f"{MENTION} two", thread=asked.ts)
        _, second = await said(server, general, 2)
        assert second.thread == asked.ts
        texts = await it.texts(f"{general.id}/{asked.ts}")
        assert [text.partition(" ")[2] if text.startswith("@") else text for text in texts][:2] == ["one", texts[1]]
        assert "further down" in texts
        assert "not in the thread" in await it.texts(general.id)


@pytest.mark.shows("approvals.forms")
async def test_a_rejection_takes_its_reason_from_a_form_and_an_edit_its_arguments(
    server: SlackServer, tmp_path: Path
) -> None:
    ann = server.user("Ann")
    async with staged(tmp_path, Own(server), files=["a.txt", "b.txt"]) as it, it.up() as bridge:
        await bridge.pair_chat(OWNER, channel="family", chat=ann.address, name="Ann", role="approver")
        await ann.says(ann.dm, "delete a.txt")
        (prompt,) = await said(server, ann.dm, 1)
        await ann.presses(ann.dm, prompt, "Reject")
        await server.until(lambda: bool(server.methods.opened), WAIT_S)
        await ann.submits(server.methods.opened[-1], "not today")
        await server.until(lambda: "not today" in shown(prompt), WAIT_S)
        assert it.files.joinpath("a.txt").exists()
        await ann.says(ann.dm, "delete a.txt")
        await server.until(lambda: any("Edit" in label for label in labels(server, ann.dm)), WAIT_S)
        again = next(each for each in reversed(server.ours(ann.dm)) if len(each.blocks) > 1)
        await ann.presses(ann.dm, again, "Edit")
        await server.until(lambda: len(server.methods.opened) == 2, WAIT_S)
        view = server.methods.opened[-1]
        assert "a.txt" in view["blocks"][0]["element"]["initial_value"]
        await ann.submits(view, '{"path": "b.txt"}')
        await server.until(lambda: not it.files.joinpath("b.txt").exists() and "b.txt" in shown(again), WAIT_S)
        assert it.files.joinpath("a.txt").exists()


def labels(server: SlackServer, where: Channel) -> list[str]:
    blocks = [block for each in server.ours(where) for block in each.blocks if block["type"] == "actions"]
    return [button["text"]["text"] for block in blocks for button in block["elements"]]


@pytest.mark.shows("approvals.slack-connect")
async def test_a_stranger_of_slack_connect_never_approves(server: SlackServer, tmp_path: Path) -> None:
    """Even where the owner let that person in as an approver, and others ask in a channel that both teams share."""
    ann, zed = server.user("Ann"), server.user("Zed", team="T0OTHER00")
    shared = server.channel("shared", ann, zed)
    async with staged(tmp_path, Own(server), files=["a.txt"]) as it, it.up() as bridge:
        await bridge.pair_chat(OWNER, channel="family", chat=shared.id)
        for each in (ann, zed):
            await bridge.pair_chat(OWNER, channel="family", chat=each.address, role="approver", name=each.name)
        await ann.says(shared, f"{MENTION} delete a.txt")
        (prompt,) = await said(server, shared, 1)
        await zed.presses(shared, prompt, "Approve")
        await server.until(lambda: bool(zed.told()), WAIT_S)
        await zed.says(shared, f"{MENTION} /approve", thread=prompt.thread)
        await said(server, shared, 2)
        assert it.files.joinpath("a.txt").exists()
        await ann.presses(shared, prompt, "Approve")
        await server.until(lambda: "Approved by Ann" in shown(prompt), WAIT_S)


@pytest.mark.shows("chats.slack-once")
async def test_connections_come_and_go_and_nothing_is_lost_or_heard_twice(server: SlackServer, tmp_path: Path) -> None:
    ann = server.user("Ann")
    async with staged(tmp_path, Own(server)) as it, it.up() as bridge:
        await bridge.pair_chat(OWNER, channel="family", chat=ann.address)
        assert len(server.deliveries.connections) == 2
        for number in range(12):
            if number % 3 == 0:
                await server.deliveries.disconnect("warning" if number % 2 else "refresh_requested")
            if number == 7:
                await server.deliveries.drop()
            if number == 9:
                server.deliveries.deaf, server.deliveries.ack_s = True, 0.1
            await ann.says(ann.dm, f"number {number}")
            server.deliveries.deaf, server.deliveries.ack_s = False, 3.0
        await it.event("message.sent", lambda event: True)
        await server.until(lambda: any("number 11" in each.text for each in server.ours(ann.dm)), WAIT_S)
        heard = [text for text in await it.texts(ann.address) if not text.startswith("echo")]
        assert heard == [f"number {number}" for number in range(12)]
        assert any(each.get("retry_attempt") for each in server.deliveries.sent), "some were sent again"


@pytest.mark.shows("chats.slack-stored-first")
async def test_an_envelope_is_acknowledged_only_once_the_store_has_it(
    server: SlackServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bridge_mcp.operations.inbox import Intake

    ann, put, failing = server.user("Ann"), Intake.put, [2]

    async def fails_at_first(self: Intake, arrival: object) -> str:
        if failing[0] and "precious" in str(arrival):
            failing[0] -= 1
            raise StoreError("The disk is full.")
        return await put(self, arrival)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(Intake, "put", fails_at_first)
    server.deliveries.ack_s = 0.2
    async with staged(tmp_path, Own(server)) as it, it.up() as bridge:
        await bridge.pair_chat(OWNER, channel="family", chat=ann.address)
        await ann.says(ann.dm, "precious")
        await said(server, ann.dm, 1)
        assert server.deliveries.lost == []
        times = [each for each in server.deliveries.sent if each["payload"].get("event", {}).get("user") == ann.id]
        assert [each["retry_attempt"] for each in times] == [0, 1, 2]


async def test_a_message_that_mentions_many_is_acknowledged_in_time(server: SlackServer, tmp_path: Path) -> None:
    ann = server.user("Ann")
    async with staged(tmp_path, Own(server)) as it, it.up() as bridge:
        await bridge.pair_chat(OWNER, channel="family", chat=ann.address)
        await ann.says(ann.dm, "one")
        await said(server, ann.dm, 1)
        held = asyncio.Event()
        server.fail("users.info", *[Fault("internal_error", held=held)] * 5)
        await ann.says(ann.dm, "two for " + " ".join(f"<@U0000000{number}X>" for number in range(5)))
        held.set()
        times = [each for each in server.deliveries.sent if "two" in each["payload"].get("event", {}).get("text", "")]
        assert [each["retry_attempt"] for each in times] == [0]


async def test_slash_commands_are_the_bridges(server: SlackServer, tmp_path: Path) -> None:
    ann = server.user("Ann")
    async with staged(tmp_path, Own(server)) as it, it.up() as bridge:
        await bridge.pair_chat(OWNER, channel="family", chat=ann.address, role="approver")
        await ann.commands(ann.dm, "whoami")
        (told,) = await said(server, ann.dm, 1)
        assert ann.address in shown(told)
        assert it.assembly is not None


@pytest.mark.shows("chats.slack-threads")
async def test_threads_of_the_time_away_are_read_too(server: SlackServer, tmp_path: Path) -> None:
    ann = server.user("Ann")
    general = server.channel("general", ann)
    async with staged(tmp_path, Own(server)) as it:
        async with it.up() as bridge:
            await bridge.pair_chat(OWNER, channel="family", chat=general.id)
            asked = await ann.says(general, f"{MENTION} one")
            await said(server, general, 1)
        server.fail("conversations.replies", Fault(retry_after=0))
        await ann.says(general, f"{MENTION} two", thread=asked.ts)
        await ann.says(general, f"{MENTION} three")
        async with it.up():
            texts = [shown(each) for each in await said(server, general, 3)]
        assert sum("two" in text for text in texts) == 1
        assert sum("three" in text for text in texts) == 1


async def test_a_thread_of_somebody_who_left_and_a_list_without_end_hold_up_nobody(
    server: SlackServer, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level("INFO", "bridge_mcp.channels.slack")
    looked = anyio.Event()

    def seen(record: logging.LogRecord) -> bool:
        """Tell of the line: the server's `until` would not look again for what is no change of the server."""
        if "looked for messages of the time away" in record.getMessage():
            looked.set()
        return True

    monkeypatch.setattr(caplog.handler, "filters", [seen])
    ann, bob = server.user("Ann"), server.user("Bob")
    async with staged(tmp_path, Own(server)) as it:
        async with it.up() as bridge:
            for each in (ann, bob):
                await bridge.pair_chat(OWNER, channel="family", chat=each.address)
            asked = await ann.says(ann.dm, "one")
            await ann.says(ann.dm, "in a thread", thread=asked.ts)
            await said(server, ann.dm, 2)
            await bob.says(bob.dm, "one")
            await said(server, bob.dm, 1)
        server.fail("conversations.open", *[Fault("user_disabled")] * 9)
        every = server.methods.do_users_conversations
        server.methods.do_users_conversations = lambda given: (  # pyright: ignore[reportAttributeAccessIssue]
            every(given | {"cursor": ""}) | {"response_metadata": {"next_cursor": "again"}}
        )
        await bob.says(bob.dm, "two")
        async with it.up():
            await said(server, bob.dm, 2)
            with anyio.fail_after(WAIT_S):
                await looked.wait()


@pytest.mark.shows("chats.slack-quiet")
async def test_nothing_that_a_model_says_calls_people_or_fetches(server: SlackServer, tmp_path: Path) -> None:
    ann = server.user("Ann")
    async with staged(tmp_path, Own(server)) as it, it.up() as bridge:
        await bridge.pair_chat(OWNER, channel="family", chat=ann.address)
        await ann.says(ann.dm, "hi")
        text = (
            f"<!channel> <@{ann.id}> @here [x](https://evil.example/?q=secret) https://evil.example <https://e.example>"
        )
        sent = await bridge.send_message(OWNER, f"family/{ann.address}", text, wait_s=20)
        await bridge.edit_message(OWNER, sent.message, f"{text} again")
        await server.until(lambda: any("again" in each.text for each in server.ours(ann.dm)), WAIT_S)
        assert (server.methods.pings, server.methods.previews) == ([], [])
        assert it.assembly is not None


async def test_a_reply_in_a_thread_grows_where_the_app_may(server: SlackServer) -> None:
    ann = server.user("Ann")
    where = ann.dm
    asked = await ann.says(where, "one")
    settings = SlackSettings("family", server.bot_token, api_base_url=server.url, stream=True)
    channel, chat = SlackChannel(settings, WallClock()), f"{ann.address}/{asked.ts}"
    await channel.show(chat, 7, "growing & <!channel>")
    (grown,) = server.ours(where)
    assert grown.streaming
    assert server.methods.statuses
    (part,) = channel.parts(Outgoing(chat, "**grown**", key="k"))
    assert await channel.send(part) == (grown.ts,)
    assert (shown(grown), grown.streaming, grown.thread) == ("grown", False, asked.ts)
    await channel.show(chat, 7, "growing & more")
    assert len(server.ours(where)) == 1, "what is over is not shown again"
    server.methods.agent = False
    await channel.show(chat, 8, "other")
    assert len(server.ours(where)) == 1
    assert await channel.send(channel.parts(Outgoing(chat, "two", key="k2"))[0]) != (grown.ts,)


async def test_a_message_that_cannot_be_sent_says_why(server: SlackServer, tmp_path: Path) -> None:
    ann = server.user("Ann")
    general = server.channel("general", ann)
    async with staged(tmp_path, Own(server)) as it, it.up() as bridge:
        await bridge.pair_chat(OWNER, channel="family", chat=general.id)
        await ann.says(general, "hi")
        server.world.channels[general.id].archived = True
        sent = await bridge.send_message(OWNER, f"family/{general.id}", "hello", wait_s=20)
        assert sent.status == "failed"
        assert "is archived" in (await bridge.read_messages(OWNER, f"family/{general.id}")).messages[-1].reason
        assert it.assembly is not None


# -- events as posts -------------------------------------------------------------------------------------------------


class Posted(Own):
    def section(self) -> str:
        tokens = 'bot_token_env = "FAMILY_BOT"\nsigning_secret_env = "FAMILY_SECRET"\n'
        return f'type = "slack"\n{tokens}listen = "127.0.0.1:{self.port}"\napi_base_url = "{self.server.url}"\n'

    port = 0


async def posted(server: SlackServer, port: int, body: bytes, headers: dict[str, str]) -> int:
    known = {"Content-Type": "application/json"} | headers
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"http://127.0.0.1:{port}/slack", data=body, headers=known) as answer,
    ):
        return answer.status


@pytest.mark.shows("chats.slack-signed")
async def test_posts_are_taken_once_if_slack_signed_them_now(
    server: SlackServer, tmp_path: Path, unused_port: int
) -> None:
    ann, platform = server.user("Ann"), Posted(server)
    platform.port, platform.env = unused_port, {"FAMILY_BOT": server.bot_token, "FAMILY_SECRET": SECRET}
    server.deliveries.posts_to = f"http://127.0.0.1:{unused_port}/slack/events"
    async with staged(tmp_path, platform, files=["a.txt"]) as it, it.up() as bridge:
        await bridge.pair_chat(OWNER, channel="family", chat=ann.address, role="approver", name="Ann")
        await ann.says(ann.dm, "delete a.txt")
        (prompt,) = await said(server, ann.dm, 1)
        await ann.presses(ann.dm, prompt, "Approve")
        await server.until(lambda: "Approved by Ann" in shown(prompt), WAIT_S)
        await ann.commands(ann.dm, "whoami")
        await server.until(lambda: any(ann.address in shown(each) for each in server.ours(ann.dm)), WAIT_S)
        body = b'{"type": "event_callback", "event_id": "Ev1", "event": {}}'
        good = signed(SECRET, body)
        assert await posted(server, unused_port, body, good) == 200
        assert await posted(server, unused_port, body, good) == 409, "a replay"
        assert await posted(server, unused_port, body + b" ", good) == 401, "of another body"
        assert await posted(server, unused_port, body, signed("guess", body)) == 401
        assert await posted(server, unused_port, body, signed(SECRET, body, time.time() - 301)) == 401, "too old"
        assert await posted(server, unused_port, body, {}) == 401
        asked = b'{"type": "url_verification", "challenge": "c"}'
        assert await posted(server, unused_port, asked, signed(SECRET, asked)) == 200
        assert await posted(server, unused_port, b"{", signed(SECRET, b"{")) == 400
        form = {"type": "view_submission", "user": {"id": ann.id}}
        for kept in ("[]", "7", '{"channel": "D1"}', "{" * 5000, ""):
            view = {"callback_id": "bridge_form", "private_metadata": kept}
            body = urlencode({"payload": json.dumps(form | {"view": view})}).encode()
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            assert await posted(server, unused_port, body, signed(SECRET, body) | kind) == 200, kept
        body = b"command=%2Fbridge&text=status"
        assert await posted(server, unused_port, body, signed(SECRET, body) | kind) == 200, "nobody's command"


@pytest.fixture
def unused_port() -> int:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


# -- what is wrong with the app --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("which", "words"), [("bot_token", "bot_token"), ("app_token", "app_token")])
async def test_a_token_that_slack_refuses_is_told_with_the_fix(
    server: SlackServer, tmp_path: Path, which: str, words: str
) -> None:
    platform = Own(server)
    setattr(server, which, "another")
    async with staged(tmp_path, platform) as it:
        it.waits = False
        async with it.up() as bridge:
            await asyncio.wait_for(stopped(it), WAIT_S)
            (told,) = [each for each in (await bridge.get_status(OWNER)).warnings if "family is stopped" in each]
            assert words in told
            assert "bridge-mcp init slack" in told


async def stopped(it: Stage) -> None:
    while True:
        found = {each.name: each.state for each in await it.bridge.list_channels(OWNER)}
        if found["family"] == "stopped":
            return
        await asyncio.sleep(0.01)


async def test_a_file_that_slack_does_not_give_is_told(server: SlackServer, tmp_path: Path) -> None:
    ann = server.user("Ann")
    async with staged(tmp_path, Own(server)) as it, it.up() as bridge:
        await bridge.pair_chat(OWNER, channel="family", chat=ann.address)
        file = StoredFile(server.world.id("F"), "a.txt", b"x" * 100, "text/plain", user=ann.id)
        await ann.says(ann.dm, "look", files=[file])
        await said(server, ann.dm, 1)
        heard = (await bridge.read_messages(OWNER, f"family/{ann.address}")).messages[0]
        server.fail("files.info", Fault(error="file_not_found"))
        with pytest.raises(Exception, match="file_not_found"):
            await bridge.fetch_attachment(OWNER, heard.id)
        assert (await bridge.fetch_attachment(OWNER, heard.id)).data == b"x" * 100
        assert it.assembly is not None


async def test_a_file_that_went_out_before_a_crash_is_found_by_what_was_uploaded(server: SlackServer) -> None:
    """A channel that begins anew knows nothing of the first try; a file that is sent again later is another message."""
    ann = server.user("Ann")
    await ann.says(ann.dm, "hi")
    upload = Upload("file", "plan.txt", "text/plain", data=b"the plan")
    first = Outgoing(ann.address, "", (upload,), key="family/x#1", at=time.time())
    assert await sent_by(server, first) == await sent_by(server, first)
    assert len(server.ours(ann.dm)) == 1
    later = Outgoing(ann.address, "", (upload,), key="family/x#2", at=time.time() + 10)
    assert await sent_by(server, later) != await sent_by(server, first)
    other = Upload("file", "plan.txt", "text/plain", data=b"another plan")
    await sent_by(server, Outgoing(ann.address, "", (other,), key="family/x#3", at=time.time()))
    assert len(server.ours(ann.dm)) == 3


async def sent_by(server: SlackServer, action: Outgoing) -> tuple[str, ...]:
    """What a channel that begins anew makes of an action."""
    channel = SlackChannel(
        SlackSettings("here", server.bot_token, server.app_token, api_base_url=server.url), WallClock()
    )
    (part,) = channel.parts(action)
    return await channel.send(part)


async def test_an_answer_that_is_too_long_is_not_read_to_its_end(server: SlackServer) -> None:
    ann = server.user("Ann")
    await ann.says(ann.dm, "x" * (MAX_ANSWER + 1))
    settings = SlackSettings("here", server.bot_token, server.app_token, api_base_url=server.url)
    web = SlackWeb(settings, Patience())
    async with web.open():
        with pytest.raises(SlackFault, match="ClientPayloadError"):
            await web.call(web.client.conversations_history, channel=ann.dm.id, limit=1)


async def test_a_slow_pace_is_no_failure(server: SlackServer) -> None:
    """More messages than a burst: Slack refuses none of them."""
    ann = server.user("Ann")
    await ann.says(ann.dm, "hi")
    server.messages_per_s = 1
    settings = SlackSettings("here", server.bot_token, server.app_token, api_base_url=server.url)
    channel = SlackChannel(settings, WallClock())
    for number in range(5):
        (part,) = channel.parts(Outgoing(ann.address, f"n {number}", key=f"k#{number}"))
        await channel.send(part)
    assert len(server.ours(ann.dm)) == 5
    assert server.refused == 0


@pytest.mark.parametrize("hours", [0, 12])
async def test_what_was_written_before_the_first_start_is_read_where_the_owner_wants(
    server: SlackServer, tmp_path: Path, hours: int
) -> None:
    ann = server.user("Ann")
    await ann.says(ann.dm, "are you there?")
    platform = Own(server)
    platform.more = f"first_h = {hours}\n"
    async with staged(tmp_path, platform) as it:
        it.waits = False
        async with it.up() as bridge:
            await bridge.pair_chat(OWNER, channel="family", chat=ann.address)
            await it.ready()
            await ann.says(ann.dm, "now?")
            await server.until(lambda: any("now?" in shown(each) for each in server.ours(ann.dm)), WAIT_S)
            heard = await it.heard(ann.address)
    assert heard == (["are you there?", "now?"] if hours else ["now?"])
