"""What is shown while a reply is being made: typing everywhere, drafts in private chats."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import anyio
import pytest

from bridge_mcp.channels.telegram.send.rate_limit import Rates
from bridge_mcp.ports import Outgoing
from tests.integration.telegram_chats import Rig, rig
from tests.servers.telegram import Fault, Hold, Refusal, TelegramServer

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _durations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it the library warns at every 429 that seconds will be durations one day."""
    monkeypatch.setenv("PTB_TIMEDELTA", "true")


@pytest.fixture
async def chats() -> AsyncGenerator[Rig]:
    async with TelegramServer() as server, rig(server) as made:
        yield made


def drafts(chats: Rig) -> list[tuple[int, str]]:
    return [(draft.draft, draft.text) for draft in chats.server.drafts]


async def test_typing_at_most_every_four_seconds(chats: Rig) -> None:
    for _ in range(17):
        await chats.sender.show(chats.dm, 1, "")
        chats.clock.advance(0.5)
    assert [(action.chat, action.action) for action in chats.server.actions] == [(chats.alice.id, "typing")] * 3
    assert drafts(chats) == []


async def test_each_chat_and_topic_by_itself(chats: Rig) -> None:
    forum = chats.server.supergroup("Forum", [chats.alice], forum=True)
    topic = await forum.topic("Plans", chats.alice)
    for chat in (chats.dm, str(forum.id), f"{forum.id}/{topic}", f"{forum.id}/{topic}", "main"):
        await chats.sender.show(chat, 1, "")
    assert [(action.chat, action.thread) for action in chats.server.actions] == [
        (chats.alice.id, None),
        (forum.id, None),
        (forum.id, topic),
    ]


@pytest.mark.shows("chats.typing")
async def test_the_text_so_far_at_most_once_a_second(chats: Rig) -> None:
    for number in range(8):
        await chats.sender.show(chats.dm, 7, f"so far {number}")
        chats.clock.advance(0.25)
    assert drafts(chats) == [(7, "so far 0"), (7, "so far 4")]


async def test_a_draft_is_rendered_and_its_end_is_shown(chats: Rig) -> None:
    await chats.sender.show(chats.dm, 7, "word " * 1000 + "**and so on")
    ((_, text),) = drafts(chats)
    assert text.endswith("**and so on")
    chats.clock.advance(2)
    await chats.sender.show(chats.dm, 7, "a **bold** word")
    assert drafts(chats)[-1] == (7, "a bold word")
    assert "bold" in chats.server.calls("sendMessageDraft")[-1].args["entities"]


async def test_an_unchanged_draft_is_shown_again_before_it_vanishes(chats: Rig) -> None:
    for _ in range(50):
        await chats.sender.show(chats.dm, 7, "waiting")
        chats.clock.advance(1)
    assert drafts(chats) == [(7, "waiting")] * 3


async def test_groups_see_typing_only(chats: Rig) -> None:
    await chats.sender.show(str(chats.group.id), 7, "so far")
    assert drafts(chats) == []
    assert len(chats.server.actions) == 1
    assert chats.server.calls("sendMessageDraft") == []


async def test_a_server_without_drafts_is_asked_once(chats: Rig) -> None:
    missing = Fault.refused(Refusal(404, "Not Found: method not found"))
    chats.server.fault(missing, "sendMessageDraft", times=None)
    bob = chats.server.user("Bob")
    await bob.sends(bob.dm, "/start")
    for chat in (chats.dm, str(bob.id), chats.dm):
        await chats.sender.show(chat, 7, "so far")
        chats.clock.advance(5)
    assert len(chats.server.calls("sendMessageDraft")) == 1
    assert len(chats.server.actions) == 3


async def test_a_chat_that_takes_no_drafts_is_asked_once(chats: Rig) -> None:
    chats.server.fault(Fault.bad("TEXTDRAFT_PEER_INVALID"), "sendMessageDraft", chat=chats.alice.dm)
    bob = chats.server.user("Bob")
    await bob.sends(bob.dm, "/start")
    for chat in (chats.dm, str(bob.id), chats.dm):
        await chats.sender.show(chat, 7, "so far")
        chats.clock.advance(5)
    assert [draft.chat for draft in chats.server.drafts] == [bob.id]


async def test_a_429_for_drafts_is_kept_and_holds_up_no_message(chats: Rig) -> None:
    chats.server.fault(Fault.flood(30), "sendMessageDraft")
    for number in range(10):
        await chats.sender.show(chats.dm, 7, f"so far {number}")
        chats.clock.advance(5)
    assert drafts(chats) == [(7, f"so far {number}") for number in (6, 7, 8, 9)]
    await chats.send(Outgoing(chats.dm, "done"))
    assert chats.texts == ["done"]


@pytest.mark.parametrize("fault", [Fault.lost_before(), Fault.gateway(502), Fault.blocked(), Fault.flood(9)])
async def test_what_fails_is_dropped(chats: Rig, fault: Fault) -> None:
    chats.server.fault(fault, "sendChatAction")
    await chats.sender.show(chats.dm, 7, "")
    chats.clock.advance(5)
    await chats.sender.show(chats.dm, 7, "")
    assert len(chats.server.actions) == 1


async def test_a_message_ends_the_draft_that_is_on_its_way(chats: Rig) -> None:
    hold = Hold()
    chats.server.fault(Fault.held(before=hold), "sendMessageDraft")
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(chats.sender.show, chats.dm, 7, "so far")
            await hold.reached()
            await chats.sender.show(chats.dm, 7, "so far and on")
            await chats.send(Outgoing(chats.dm, "done"))
        hold.release()
    assert chats.texts == ["done"]
    assert len(chats.server.calls("sendMessageDraft")) == 1


async def test_showing_takes_only_what_messages_leave() -> None:
    async with TelegramServer() as server, rig(server, rates=Rates()) as chats:
        people = [server.user(f"P{number}") for number in range(40)]
        for person in people:
            await person.sends(person.dm, "/start")
            await chats.sender.show(str(person.id), 1, "")
        assert len(server.actions) == 16
        for person in people[:14]:
            await chats.send(Outgoing(str(person.id), "x"))
        assert chats.clock.now() == 1_700_000_000.0, "nobody waited"


async def test_memory_stays_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge_mcp.channels.telegram.send.drafts.REMEMBERED", 3)
    async with TelegramServer() as server, rig(server) as chats:
        for number in (1, 2, 3, 1, 4, 1, 2):
            await chats.sender.show(str(number), 1, "")
    asked = [call.args["chat_id"] for call in server.calls("sendChatAction")]
    assert asked == ["1", "2", "3", "4", "2"], "2 was forgotten for 4, as the one not shown for longest"


async def test_what_a_message_has_told_is_not_shown_again_and_what_grows_is(chats: Rig) -> None:
    await chats.sender.show(chats.dm, 4, "Dinner is at seven.")
    await chats.send(Outgoing(chats.dm, "Dinner is at seven."))
    for _ in range(8):
        chats.clock.advance(4)
        await chats.sender.show(chats.dm, 4, "Dinner is at seven.")
        await chats.sender.show(chats.dm, 4, "Dinner is")
    assert drafts(chats) == [(4, "Dinner is at seven.")]
    # A message of an agent went out meanwhile: the reply goes on growing.
    await chats.sender.show(chats.dm, 4, "Dinner is at seven. And then")
    chats.clock.advance(4)
    await chats.sender.show(chats.dm, 9, "Dinner is at seven.")
    assert drafts(chats)[1:] == [(4, "Dinner is at seven. And then"), (9, "Dinner is at seven.")]
