"""What people do in chats of all kinds, and what the bridge tells them outside of any log."""

from __future__ import annotations

import anyio
import pytest
from telegram import InlineKeyboardButton, InlineKeyboardMarkup

from bridge_mcp.core.entries import Sender
from bridge_mcp.ports import Arrival, ButtonPress, Incoming, Moved
from tests.fakes.telegram_bots import bot_on
from tests.integration.telegram_receiving import Box, channel_on, receiving
from tests.servers.telegram import Entity, Fault, TelegramServer, bad_request

CODE = "This bot does not know you yet. Have its owner run: bridge-mcp pair add ABCD2345"


async def settled(server: TelegramServer) -> None:
    await server.until(lambda: server.pending == 0 and server.polling, "everything acknowledged")


def strangers(arrival: Arrival) -> str:
    return CODE if isinstance(arrival, Incoming) else ""


# -- groups and topics -----------------------------------------------------------------------------------------


@pytest.mark.shows("chats.groups")
async def test_in_a_group_it_knows_what_is_meant_for_it() -> None:
    async with TelegramServer(privacy=False) as server, bot_on(server) as bot:
        ann, box = server.user("Ann"), Box()
        crew = server.supergroup("Crew", [ann])
        ours = await bot.send_message(crew.id, "hello")
        await ann.sends(crew, "hi all")
        await ann.sends(crew, "@loopback_test_bot hi")
        await ann.sends(crew, "yes", reply_to=crew.message(ours.message_id))
        await ann.sends(crew, "/status@loopback_test_bot")
        await ann.sends(crew, "/status")
        await ann.sends(crew, "you there", entities=[Entity("text_mention", 0, 3, user_id=server.world.bot.id)])
        async with receiving(channel_on(server), box):
            await settled(server)
        assert [(each.text, each.addressed) for each in box.heard] == [
            ("hi all", False),
            ("@loopback_test_bot hi", True),
            ("yes", True),
            ("/status", True),
            ("/status", True),
            ("you there", True),
        ]
        assert {(each.chat, each.title, each.group) for each in box.heard} == {(str(crew.id), "Crew", True)}
        assert box.heard[2].reply_to == str(ours.message_id)


@pytest.mark.shows("chats.kinds")
async def test_each_topic_is_a_chat_of_its_own() -> None:
    async with TelegramServer(privacy=False) as server:
        ann, box = server.user("Ann"), Box()
        forum = server.supergroup("Forum", [ann], forum=True)
        trips = await forum.topic("Trips", ann)
        await ann.sends(forum, "general")
        await ann.sends(forum, "to the sea", thread=trips)
        async with receiving(channel_on(server), box):
            await settled(server)
        assert [(each.chat, each.text, each.addressed) for each in box.heard] == [
            (str(forum.id), "general", False),
            (f"{forum.id}/{trips}", "to the sea", False),
        ]


@pytest.mark.shows("chats.moved")
async def test_a_group_that_becomes_a_supergroup_moves_once() -> None:
    async with TelegramServer() as server:
        ann, box = server.user("Ann"), Box()
        crew = server.group("Crew", [ann])
        new = await crew.migrates(ann)
        async with receiving(channel_on(server), box):
            await settled(server)
        assert [(move.chat, move.to) for move in box.moves] == [(str(crew.id), str(new.id))]
        assert isinstance(box.moves[0], Moved)


@pytest.mark.shows("chats.no-person")
async def test_who_writes_as_a_chat_is_no_person() -> None:
    async with TelegramServer(privacy=False) as server:
        ann, box = server.user("Ann"), Box()
        crew, news = server.supergroup("Crew", [ann]), server.channel("News")
        await ann.sends(crew, "/approve x", anonymous=True)
        await ann.sends(crew, "/approve x", as_channel=news)
        post = await news.posts("/approve x")
        await news.passes_on(post, crew)
        async with receiving(channel_on(server), box):
            await settled(server)
        assert [each.sender for each in box.heard] == [
            Sender(str(crew.id), "Crew", "bot"),
            Sender(str(news.id), "News", "bot"),
            Sender(str(news.id), "News", "bot"),
            Sender(str(news.id), "News", "bot"),
        ]


@pytest.mark.shows("chats.kinds")
async def test_files_replies_quotes_edits_and_forwards() -> None:
    async with TelegramServer() as server:
        ann, box = server.user("Ann", last_name="Lee"), Box()
        first = await ann.sends(ann.dm, "the long story")
        await ann.sends(ann.dm, "which?", reply_to=first, quote="long")
        await ann.sends_file(ann.dm, "voice")
        await ann.sends_file(ann.dm, "sticker", emoji="👍")
        await ann.sends_location(ann.dm, 52.5, 13.4)
        await ann.forwards(first, ann.dm)
        await ann.edits(first, "the short story")
        async with receiving(channel_on(server), box):
            await settled(server)
        story, which, voice, sticker, place, forward, edit = box.heard
        assert (which.reply_to, which.quote) == (story.key, "long")
        assert (voice.attachments[0].kind, voice.attachments[0].mime) == ("audio", "audio/ogg")
        assert (sticker.text, sticker.attachments[0].kind) == ("👍", "image")
        assert place.text.startswith("Location: 52.5")
        assert (forward.forwarded_from, forward.text) == ("Ann Lee", "the long story")
        assert (edit.key, edit.text, bool(edit.edit), bool(story.edit)) == (story.key, "the short story", True, False)


# -- what is told outside of any log ---------------------------------------------------------------------------


async def test_a_stranger_is_told_in_their_own_chat() -> None:
    async with TelegramServer() as server:
        ann, box = server.user("Ann"), Box()
        box.says = strangers
        async with receiving(channel_on(server), box):
            await ann.sends(ann.dm, "hello_*[")
            (told,) = await ann.dm.bot_says()
        assert (told.text, told.entities, told.reply_to) == (CODE, (), None)


async def test_in_a_group_and_in_a_topic_it_is_a_reply() -> None:
    async with TelegramServer(privacy=False) as server:
        ann, box = server.user("Ann"), Box()
        box.says = strangers
        forum = server.supergroup("Forum", [ann], forum=True)
        trips = await forum.topic("Trips", ann)
        async with receiving(channel_on(server), box):
            asked = await ann.sends(forum, "hello", thread=trips)
            (told,) = await forum.bot_says()
        assert (told.text, told.reply_to, told.thread) == (CODE, asked.message_id, trips)


@pytest.mark.parametrize("fault", [Fault.blocked(), Fault.gateway(), Fault.flood(3600)])
async def test_what_cannot_be_told_is_dropped_and_holds_nothing_up(fault: Fault) -> None:
    async with TelegramServer() as server:
        ann, bob, box = server.user("Ann"), server.user("Bob"), Box()
        box.says = strangers
        server.fault(fault, "sendMessage")
        async with receiving(channel_on(server), box):
            await ann.sends(ann.dm, "hello")
            await server.until(lambda: bool(server.calls("sendMessage")))
            await bob.sends(bob.dm, "hello")
            await bob.dm.bot_says()
        assert not ann.dm.bot_messages


async def test_what_flood_control_holds_back_for_a_moment_is_told_then() -> None:
    async with TelegramServer() as server:
        ann, box = server.user("Ann"), Box()
        box.says = strangers
        server.fault(Fault.flood(1), "sendMessage")
        async with receiving(channel_on(server), box):
            await ann.sends(ann.dm, "hello")
            await ann.dm.bot_says()


# -- buttons ---------------------------------------------------------------------------------------------------

KEYBOARD = InlineKeyboardMarkup([[InlineKeyboardButton("Yes", callback_data="token-1")]])


async def test_a_press_is_a_tap_and_its_answer_is_shown() -> None:
    async with TelegramServer(privacy=False) as server, bot_on(server) as bot:
        ann, box = server.user("Ann"), Box()
        forum = server.supergroup("Forum", [ann], forum=True)
        trips = await forum.topic("Trips", ann)
        box.says = lambda arrival: "Approved." if isinstance(arrival, ButtonPress) else ""
        asked = await bot.send_message(forum.id, "Delete?", message_thread_id=trips, reply_markup=KEYBOARD)
        async with receiving(channel_on(server), box):
            pressed = await ann.presses(forum.message(asked.message_id), "Yes")
            answer = await pressed.answered()
        (tap,) = box.taps
        assert (tap.chat, tap.message, tap.token) == (f"{forum.id}/{trips}", str(asked.message_id), "token-1")
        assert tap.sender == Sender(str(ann.id), "Ann")
        assert (answer.text, answer.alert) == ("Approved.", False)


@pytest.mark.parametrize(("length", "alert"), [(0, False), (60, False), (61, True), (300, True)])
async def test_a_button_always_comes_to_rest(length: int, alert: bool) -> None:
    async with TelegramServer() as server, bot_on(server) as bot:
        ann, box = server.user("Ann"), Box()
        box.says = lambda arrival: "a" * length if isinstance(arrival, ButtonPress) else ""
        await ann.sends(ann.dm, "hello")
        asked = await bot.send_message(ann.id, "?", reply_markup=KEYBOARD)
        async with receiving(channel_on(server), box):
            answer = await (await ann.presses(ann.dm.message(asked.message_id), "Yes")).answered()
        assert (answer.text, answer.alert) == ("a" * min(length, 200), alert)


async def test_a_press_below_a_message_that_was_deleted() -> None:
    async with TelegramServer() as server, bot_on(server) as bot:
        ann, box = server.user("Ann"), Box()
        await ann.sends(ann.dm, "hello")
        asked = await bot.send_message(ann.id, "?", reply_markup=KEYBOARD)
        message = ann.dm.message(asked.message_id)
        await ann.dm.deletes(message)
        async with receiving(channel_on(server), box):
            await (await ann.sends_press(message, "token-1")).answered()
        (tap,) = box.taps
        assert (tap.chat, tap.message) == (str(ann.id), str(asked.message_id))


async def test_an_answer_that_comes_too_late_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    async with TelegramServer() as server, bot_on(server) as bot:
        ann, box = server.user("Ann"), Box()
        await ann.sends(ann.dm, "hello")
        asked = await bot.send_message(ann.id, "?", reply_markup=KEYBOARD)
        late = "query is too old and response timeout expired or query ID is invalid"
        server.fault(Fault.refused(bad_request(late)), "answerCallbackQuery")
        async with receiving(channel_on(server), box):
            message = ann.dm.message(asked.message_id)
            await ann.presses(message, "Yes")
            await box.until(lambda: box.taps)
            await (await ann.presses(message, "Yes")).answered()
        assert len(box.taps) == 2
        assert "query is too old" in caplog.text.lower()


async def test_a_press_does_not_wait_for_what_is_told_elsewhere() -> None:
    async with TelegramServer() as server, bot_on(server) as bot:
        ann, bob, box = server.user("Ann"), server.user("Bob"), Box()
        box.says = strangers
        await ann.sends(ann.dm, "hello")
        asked = await bot.send_message(ann.id, "?", reply_markup=KEYBOARD)
        server.fault(Fault.hanging(), "sendMessage", times=None)
        async with receiving(channel_on(server), box):
            for _ in range(5):
                await bob.sends(bob.dm, "hello")
            with anyio.fail_after(5):
                await (await ann.presses(ann.dm.message(asked.message_id), "Yes")).answered()
