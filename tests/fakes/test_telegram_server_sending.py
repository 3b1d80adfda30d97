"""Sending and editing: https://core.telegram.org/bots/api#sendmessage and #updating-messages."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from telegram import (
    Bot,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    Message,
    MessageEntity,
    ReplyKeyboardMarkup,
    ReplyParameters,
)
from telegram.error import Forbidden

from bridge_mcp.testing import ManualClock
from tests.fakes.telegram_bots import raw, received, refused
from tests.servers.telegram import TelegramServer, User

pytestmark = pytest.mark.anyio

NOT_MODIFIED = (
    "Bad Request: message is not modified: specified new message content and reply markup are exactly the same as a "
    "current content and reply markup of the message"
)
TOO_OLD = "Bad Request: query is too old and response timeout expired or query ID is invalid"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def server(clock: ManualClock) -> AsyncGenerator[TelegramServer]:
    async with TelegramServer(clock=clock) as made:
        yield made


@pytest.fixture
async def alice(server: TelegramServer) -> User:
    made = server.user("Alice", username="alice")
    await made.sends(made.dm, "/start")
    return made


def keyboard(*data: str) -> InlineKeyboardMarkup:
    return InlineKeyboardMarkup([[InlineKeyboardButton(one, callback_data=one) for one in data]])


async def test_a_message_stands_in_the_chat_as_it_was_sent(bot: Bot, alice: User) -> None:
    sent = await bot.send_message(
        alice.id,
        "Hi @alice",
        entities=[MessageEntity("bold", 0, 2)],
        disable_notification=True,
        protect_content=True,
    )
    (seen,) = alice.dm.bot_messages
    assert (seen.text, seen.silent, seen.protected, seen.kind) == ("Hi @alice", True, True, "text")
    assert seen.entity_texts("bold") == ["Hi"]
    assert seen.entity_texts("mention") == ["@alice"]
    assert sent.message_id == seen.message_id
    assert sent.date.timestamp() == seen.date


@pytest.mark.parametrize(
    ("text", "fits"), [("a" * 4096, True), ("a" * 4097, False), ("😀" * 2048, True), ("😀" * 2049, False)]
)
async def test_a_text_has_4096_utf16_units_at_most(
    server: TelegramServer, bot: Bot, alice: User, text: str, fits: bool
) -> None:
    if fits:
        await bot.send_message(alice.id, text)
        assert alice.dm.bot_messages[0].text == text
        return
    with refused(server, "Bad Request: message is too long"):
        await bot.send_message(alice.id, text)
    assert alice.dm.bot_messages == []


async def test_the_limit_counts_what_stays(bot: Bot, alice: User) -> None:
    await bot.send_message(alice.id, f"  {'a' * 4096}  ")
    assert len(alice.dm.bot_messages[0].text) == 4096


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ({"text": ""}, "Bad Request: message text is empty"),
        ({"text": "  \n"}, "Bad Request: text must be non-empty"),
        ({"text": "x", "parse_mode": "HTML"}, "Bad Request: unsupported parse_mode"),
        ({"text": "x" * 40_000}, "Bad Request: text is too long"),
        ({"text": "x", "chat_id": ""}, "Bad Request: chat_id is empty"),
        ({"text": "x", "chat_id": 4711}, "Bad Request: chat not found"),
        ({"text": "x", "chat_id": "@nobody"}, "Bad Request: chat not found"),
        ({"text": "x", "reply_parameters": "{"}, "Bad Request: can't parse reply parameters JSON object"),
        (
            {"text": "x", "reply_parameters": {"message_id": "y"}},
            'Bad Request: field "message_id" must be a valid Number',
        ),
        ({"text": "x", "reply_markup": "{"}, "Bad Request: can't parse reply keyboard markup JSON object"),
        ({"text": "x", "reply_markup": "[]"}, "Bad Request: object expected as reply markup"),
    ],
)
async def test_what_is_refused(server: TelegramServer, bot: Bot, alice: User, args: dict[str, Any], text: str) -> None:
    with refused(server, text):
        await raw(bot, "sendMessage", **({"chat_id": alice.id} | args))


async def test_a_person_who_never_wrote_is_no_chat(server: TelegramServer, bot: Bot) -> None:
    """Bots cannot start a conversation: https://core.telegram.org/bots/features."""
    bob = server.user("Bob")
    for chat in (bob.id, bob.dm.id):
        with refused(server, "Bad Request: chat not found"):
            await bot.send_message(chat, "hello")


@pytest.mark.parametrize(
    ("entity", "text"),
    [
        ((1, 1), "Bad Request: entity begins in a middle of a UTF-16 symbol at byte offset 4"),
        (
            (0, 1),
            "Bad Request: entity beginning at UTF-16 offset 0 ends in a middle of a UTF-16 symbol at byte offset 4",
        ),
        ((0, 9), "Bad Request: entity beginning at UTF-16 offset 0 ends after the end of the text at UTF-16 offset 9"),
        ((7, 1), "Bad Request: entity begins after the end of the text at UTF-16 offset 7"),
    ],
)
async def test_entities_lie_inside_the_text(
    server: TelegramServer, bot: Bot, alice: User, entity: tuple[int, int], text: str
) -> None:
    with refused(server, text):
        await bot.send_message(alice.id, "😀ab", entities=[MessageEntity("bold", *entity)])


async def test_entities_move_with_what_is_trimmed(bot: Bot, alice: User) -> None:
    entities = [MessageEntity("italic", 2, 4), MessageEntity("code", 7, 5)]
    await bot.send_message(alice.id, "  ab😀 code  \n", entities=entities)
    (seen,) = alice.dm.bot_messages
    assert seen.text == "ab😀 code"
    assert (seen.entity_texts("italic"), seen.entity_texts("code")) == (["ab😀"], ["code"])


async def test_a_reply_names_a_message_that_is_there(server: TelegramServer, bot: Bot, alice: User) -> None:
    asked = await alice.sends(alice.dm, "two words")
    await bot.send_message(alice.id, "a", reply_parameters=ReplyParameters(asked.message_id, quote="words"))
    await raw(bot, "sendMessage", chat_id=alice.id, text="b", reply_to_message_id=asked.message_id)
    first, second = alice.dm.bot_messages
    assert (first.reply_to, first.quote) == (asked.message_id, "words")
    assert second.reply_to == asked.message_id
    await alice.dm.deletes(asked)
    with refused(server, "Bad Request: message to be replied not found"):
        await bot.send_message(alice.id, "c", reply_parameters=ReplyParameters(asked.message_id))
    may = ReplyParameters(asked.message_id, allow_sending_without_reply=True)
    await bot.send_message(alice.id, "d", reply_parameters=may)
    assert alice.dm.bot_messages[-1].reply_to is None
    with refused(server, "Bad Request: QUOTE_TEXT_INVALID"):
        kept = alice.dm.bot_messages[0].message_id
        await bot.send_message(alice.id, "e", reply_parameters=ReplyParameters(kept, quote="elsewhere"))


@pytest.mark.parametrize(
    ("button", "text"),
    [
        ({"text": "x", "callback_data": "é" * 33}, "Bad Request: BUTTON_DATA_INVALID"),
        (
            {"text": "x", "callback_data": ""},
            "Bad Request: can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard",
        ),
        ({"callback_data": "x"}, "Bad Request: can't parse inline keyboard button: Can't find field \"text\""),
        ("x", "Bad Request: can't parse inline keyboard button: InlineKeyboardButton must be an Object"),
    ],
)
async def test_a_button_carries_1_to_64_bytes(
    server: TelegramServer, bot: Bot, alice: User, button: object, text: str
) -> None:
    """https://core.telegram.org/bots/api#inlinekeyboardbutton."""
    with refused(server, text):
        await raw(bot, "sendMessage", chat_id=alice.id, text="x", reply_markup={"inline_keyboard": [[button]]})
    await bot.send_message(alice.id, "x", reply_markup=keyboard("é" * 32))
    assert alice.dm.bot_messages[0].buttons[0][0].data == "é" * 32


async def test_other_keyboards_are_no_part_of_the_message(bot: Bot, alice: User) -> None:
    sent = await bot.send_message(alice.id, "x", reply_markup=ReplyKeyboardMarkup([["a", "b"]]))
    assert sent.reply_markup is None
    assert (alice.dm.bot_messages[0].keyboard or {})["keyboard"][0][0]["text"] == "a"


async def test_a_press_is_answered_once_and_in_time(
    server: TelegramServer, bot: Bot, alice: User, clock: ManualClock
) -> None:
    await bot.send_message(alice.id, "Well?", reply_markup=keyboard("yes", "no"))
    (asked,) = alice.dm.bot_messages
    press = await alice.presses(asked, "yes")
    query = (await received(bot, 2))[-1].callback_query
    assert query
    assert (query.data, query.from_user.id, query.id) == ("yes", alice.id, press.id)
    assert query.message
    assert query.message.message_id == asked.message_id
    await bot.answer_callback_query(query.id, "Fine", show_alert=True)
    answer = await press.answered()
    assert (answer.text, answer.alert) == ("Fine", True)
    with refused(server, TOO_OLD):
        await bot.answer_callback_query(query.id)
    late = await alice.presses(asked, "no")
    clock.advance(16)
    with refused(server, TOO_OLD):
        await bot.answer_callback_query(late.id)
    assert late.answer is None


async def test_a_press_on_a_message_that_is_gone_comes_with_a_stub(bot: Bot, alice: User) -> None:
    """https://core.telegram.org/bots/api#inaccessiblemessage; a changed program can also send any data."""
    await bot.send_message(alice.id, "Well?", reply_markup=keyboard("yes"))
    (asked,) = alice.dm.bot_messages
    await bot.delete_message(alice.id, asked.message_id)
    await alice.sends_press(asked, "forged")
    query = (await received(bot, 2))[-1].callback_query
    assert query
    assert query.data == "forged"
    assert query.message
    assert not query.message.is_accessible


async def test_an_edit_changes_what_is_seen_and_takes_the_keyboard_away(bot: Bot, alice: User) -> None:
    sent = await bot.send_message(alice.id, "one", reply_markup=keyboard("x"))
    edited = await bot.edit_message_text("two", alice.id, sent.message_id, entities=[MessageEntity("bold", 0, 3)])
    assert isinstance(edited, Message)
    assert edited.edit_date
    (seen,) = alice.dm.bot_messages
    assert (seen.text, seen.buttons, seen.edits, seen.entity_texts("bold")) == ("two", (), 1, ["two"])
    await bot.edit_message_reply_markup(alice.id, sent.message_id, reply_markup=keyboard("y"))
    assert alice.dm.bot_messages[0].labels == ["y"]


async def test_an_edit_that_changes_nothing_is_refused(server: TelegramServer, bot: Bot, alice: User) -> None:
    sent = await bot.send_message(alice.id, "one", reply_markup=keyboard("x"))
    with refused(server, NOT_MODIFIED):
        await bot.edit_message_text(" one", alice.id, sent.message_id, reply_markup=keyboard("x"))
    with refused(server, NOT_MODIFIED):
        await bot.edit_message_reply_markup(alice.id, sent.message_id, reply_markup=keyboard("x"))
    assert alice.dm.bot_messages[0].edits == 0


async def test_only_own_messages_that_are_there_can_be_edited(server: TelegramServer, bot: Bot, alice: User) -> None:
    theirs = await alice.sends(alice.dm, "mine")
    with refused(server, "Bad Request: message can't be edited"):
        await bot.edit_message_text("yours", alice.id, theirs.message_id)
    with refused(server, "Bad Request: message to edit not found"):
        await bot.edit_message_text("x", alice.id, 4711)
    sent = await bot.send_message(alice.id, "one")
    with refused(server, "Bad Request: message is too long"):
        await bot.edit_message_text("a" * 4097, alice.id, sent.message_id)
    with refused(server, "Bad Request: there is no caption in the message to edit"):
        await bot.edit_message_caption(alice.id, sent.message_id, caption="x")
    await bot.delete_message(alice.id, sent.message_id)
    with refused(server, "Bad Request: message to edit not found"):
        await bot.edit_message_text("two", alice.id, sent.message_id)
    with refused(server, "Bad Request: message to delete not found"):
        await bot.delete_message(alice.id, sent.message_id)


async def test_messages_can_be_deleted_for_two_days(
    server: TelegramServer, bot: Bot, alice: User, clock: ManualClock
) -> None:
    """https://core.telegram.org/bots/api#deletemessage."""
    sent = await bot.send_message(alice.id, "one")
    clock.advance(172_801)
    with refused(server, "Bad Request: message can't be deleted for everyone"):
        await bot.delete_message(alice.id, sent.message_id)


async def test_who_blocked_the_bot_gets_nothing(server: TelegramServer, bot: Bot, alice: User) -> None:
    await alice.blocks()
    changed = (await received(bot, 2))[-1].my_chat_member
    assert changed
    assert (changed.old_chat_member.status, changed.new_chat_member.status) == ("member", "kicked")
    with refused(server, "Forbidden: bot was blocked by the user", Forbidden):
        await bot.send_message(alice.id, "hello")
    with refused(server, "Bad Request: message is too long"):
        await bot.send_message(alice.id, "a" * 5000)
    await alice.unblocks()
    await bot.send_message(alice.id, "hello")
    await alice.deletes_account()
    with refused(server, "Forbidden: user is deactivated", Forbidden):
        await bot.send_message(alice.id, "hello")
