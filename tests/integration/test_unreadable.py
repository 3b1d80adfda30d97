"""One entry that this version cannot read: it costs its own row, which is shown as such, and nobody else's."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from bridge_mcp.core.entries import Asked, Call, Heard, Posted, Replied, Sender
from bridge_mcp.core.errors import Unreadable
from bridge_mcp.core.unreadable import UnreadableEntry
from bridge_mcp.ports import ChannelRules, Pairing
from bridge_mcp.testing import FakeModel, says
from tests.integration.setup import ANN, OWNER, WallClock, World, open_store, rules_for, run_statement, world

pytestmark = pytest.mark.either_store

NEWER = """UPDATE log SET body = replace(body, '{"v":1,', '{"v":2,')"""
MINOR = """UPDATE log SET body = replace(body, '{"v":1,', '{"v":1,"language":"de",')"""
DAMAGED = "UPDATE log SET body = substr(body, 1, 20)"

HOST = Sender("host", "host", "client")


async def prepare(folder: Path, change: str) -> None:
    """A store with a queued message, an approval that waits, and something heard; then all of it is changed."""
    store = await open_store(folder, WallClock())
    for chat in ("1", "2"):
        await store.access.pair(Pairing("family", chat))
    await store.log.record("family/1", Posted("hello", HOST, "k"))
    await store.log.record("family/3", Heard("before", ANN, "b", to="relay"))
    asked = Asked("0.0", "files", "files__delete", arguments="{}", digest="digest")
    await store.log.intend("local/gate", 0, asked, wake=None)
    await store.close()
    run_statement(folder, change)


RELAYED = rules_for(channels={"local": ChannelRules("local", "relay"), "family": ChannelRules("family", "relay")})


@pytest.mark.parametrize("change", [NEWER, MINOR, DAMAGED])
async def test_the_engine_starts_and_serves_everybody_else(tmp_path: Path, change: str) -> None:
    await prepare(tmp_path, change)
    async with world(tmp_path, rules=RELAYED, prompts=True) as it:
        sent = await it.bridge.send_message(OWNER, "family/2", "elsewhere", wait_s=10)
        assert sent.status == "sent"
        await it.store.log.record("local/main", Heard("news", ANN, "m", to="relay"))
        page = await it.bridge.wait_for_events(OWNER, after=0)
        assert {each.type for each in page.events} >= {"message.queued", "approval.requested", "message.received"}
        assert [each for each in page.events if "unreadable" in each.body]
        (found,) = [m for m in await it.bridge.search_messages(OWNER, "news")]
        assert found.text == "news"
        assert len((await it.bridge.list_conversations(OWNER)).conversations) >= 3


@pytest.mark.parametrize("change", [NEWER, MINOR, DAMAGED])
async def test_a_row_that_cannot_be_shown_is_shown_as_such(tmp_path: Path, change: str) -> None:
    await prepare(tmp_path, change)
    async with world(tmp_path, rules=RELAYED, engine=False) as it:
        (approval,) = await it.bridge.list_approvals(OWNER)
        assert approval.status == "waiting"
        assert approval.tool == "files__delete"
        assert "cannot be read" in approval.reason
        with pytest.raises(Unreadable) as caught:
            await it.bridge.approve_call(OWNER, approval.id)
        assert ("Upgrade mcp-chat-bridge" in str(caught.value)) == (change != DAMAGED)
        (message,) = (await it.bridge.read_messages(OWNER, "family/3")).messages
        assert "cannot be read" in message.text
        assert message.unreadable


async def test_a_queued_message_of_a_newer_version_waits_for_it_and_is_told(tmp_path: Path) -> None:
    await prepare(tmp_path, MINOR)
    async with world(tmp_path, rules=RELAYED) as it:
        await warned(it, "Upgrade mcp-chat-bridge")
        (message,) = (await it.bridge.read_messages(OWNER, "family/1")).messages
        assert message.status == "queued"
        assert it.family.attempts == []


async def test_a_damaged_message_fails_and_its_chat_goes_on(tmp_path: Path) -> None:
    await prepare(tmp_path, DAMAGED)
    async with world(tmp_path, rules=RELAYED) as it:
        sent = await it.bridge.send_message(OWNER, "family/1", "the next one", wait_s=10)
        assert sent.status == "sent"
        first, second = (await it.bridge.read_messages(OWNER, "family/1")).messages
        assert (first.status, second.status) == ("failed", "sent")
        assert [each.text for each in it.family.sent] == ["the next one"]


async def warned(it: World, word: str) -> None:
    with anyio.fail_after(15):
        while not any(word in each for each in (await it.bridge.get_status(OWNER)).warnings):  # noqa: ASYNC110
            await anyio.sleep(0.05)


@pytest.mark.shows("store.unreadable")
async def test_a_log_that_cannot_be_read_costs_its_own_conversation_and_is_told(tmp_path: Path) -> None:
    store = await open_store(tmp_path, WallClock())
    await store.log.record("local/poisoned", Heard("hi", ANN, "m"))
    await store.close()
    run_statement(tmp_path, NEWER)
    async with world(tmp_path, FakeModel([says("yes")])) as it:
        assert await it.settled("and here?", "local/other")
        await warned(it, "Conversation local/poisoned")


@pytest.mark.parametrize("change", [NEWER, MINOR, DAMAGED])
async def test_a_log_is_read_around_the_entry_that_cannot_be(tmp_path: Path, change: str) -> None:
    store = await open_store(tmp_path, WallClock())
    asking = Replied("looking", (Call("c", "files__look", "{}"),), 1, turn=0)
    for entry in (Heard("hi", ANN, "m"), asking, Heard("still there?", ANN, "n"), Heard("hello?", ANN, "o")):
        await store.log.record("local/main", entry)
    await store.close()
    run_statement(tmp_path, f"{change} WHERE seq IN (1, 2)")
    async with world(tmp_path, engine=False) as it:
        log = await it.bridge.read_log(OWNER, "local/main")
        assert [each.seq for each in log] == [0, 1, 2, 3]
        assert [type(each.entry).__name__ for each in log] == ["Heard", "NoneType", "NoneType", "Heard"]
        second = log[1]
        assert isinstance(second, UnreadableEntry)
        assert second.kind == ("" if change == DAMAGED else "Replied")
        assert ("Upgrade mcp-chat-bridge" in second.why) == (change != DAMAGED)
        page = await it.bridge.read_messages(OWNER, "local/main", calls=True)
        assert [bool(each.unreadable) for each in page.messages] == [False, True, True, False]
        assert page.calls
        call = page.calls[0]
        assert (call.seq, call.outcome) == (1, "unreadable")
        assert "cannot be read" in call.result
