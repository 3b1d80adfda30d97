"""The smaller methods: reactions, commands, drafts, actions, forwards. https://core.telegram.org/bots/api."""

from __future__ import annotations

import pytest
from telegram import Bot, BotCommand, BotCommandScopeChat, ForceReply, MessageEntity
from telegram.error import BadRequest

from tests.fakes.telegram_bots import raw, refused
from tests.servers.telegram import TelegramServer, User

pytestmark = pytest.mark.anyio


@pytest.fixture
async def alice(server: TelegramServer) -> User:
    made = server.user("Alice", username="alice")
    await made.sends(made.dm, "/start")
    return made


async def test_a_reaction_is_one_of_telegram_s(server: TelegramServer, bot: Bot, alice: User) -> None:
    """https://core.telegram.org/bots/api#setmessagereaction."""
    message = await alice.sends(alice.dm, "done")
    await bot.set_message_reaction(alice.id, message.message_id, "👍")
    assert alice.dm.message(message.message_id).reactions == ("👍",)
    with refused(server, "Bad Request: REACTION_INVALID"):
        await bot.set_message_reaction(alice.id, message.message_id, "🥦")
    with refused(server, "Bad Request: REACTIONS_TOO_MANY"):
        await bot.set_message_reaction(alice.id, message.message_id, ["👍", "❤"])
    with refused(server, "Bad Request: message to react not found"):
        await bot.set_message_reaction(alice.id, 4711, "👍")
    await bot.set_message_reaction(alice.id, message.message_id)
    assert alice.dm.message(message.message_id).reactions == ()


async def test_a_chat_may_allow_some_reactions_only(server: TelegramServer, bot: Bot, alice: User) -> None:
    group = server.supergroup("Crew", [alice], bot="administrator")
    message = await alice.sends(group, "done")
    group.allows_reactions("👍")
    await bot.set_message_reaction(group.id, message.message_id, "👍")
    with refused(server, "Bad Request: REACTION_INVALID"):
        await bot.set_message_reaction(group.id, message.message_id, "❤")
    allowed = (await bot.get_chat(group.id)).available_reactions
    assert [each.to_dict()["emoji"] for each in allowed or ()] == ["👍"]


async def test_nobody_types_in_a_topic_that_is_not_there(server: TelegramServer, bot: Bot, alice: User) -> None:
    group = server.supergroup("Crew", [alice], bot="administrator", forum=True)
    topic = await group.topic("Plans", alice)
    await bot.send_chat_action(group.id, "typing", message_thread_id=topic)
    with refused(server, "Bad Request: message thread not found"):
        await bot.send_chat_action(group.id, "typing", message_thread_id=4711)


async def test_a_text_keeps_a_hundred_marks(bot: Bot, alice: User) -> None:
    marks = [MessageEntity("bold", offset=2 * number, length=1) for number in range(120)]
    sent = await bot.send_message(alice.id, "a " * 120, entities=marks)
    assert len(sent.entities) == 100


async def test_the_words_in_an_empty_field_are_short(server: TelegramServer, bot: Bot, alice: User) -> None:
    await bot.send_message(alice.id, "say", reply_markup=ForceReply(input_field_placeholder="x" * 64))
    with refused(server, "Bad Request: input field placeholder is too long"):
        await bot.send_message(alice.id, "say", reply_markup=ForceReply(input_field_placeholder="x" * 65))


async def test_commands_are_kept_by_scope_and_language(server: TelegramServer, bot: Bot, alice: User) -> None:
    """https://core.telegram.org/bots/api#setmycommands."""
    await bot.set_my_commands([("start", "Begin"), ("stop", "End")])
    await bot.set_my_commands([BotCommand("hilfe", "Hilfe")], BotCommandScopeChat(alice.id), "de")
    assert server.commands() == [("start", "Begin"), ("stop", "End")]
    assert server.commands({"type": "chat", "chat_id": alice.id}, "de") == [("hilfe", "Hilfe")]
    assert await bot.get_my_commands() == (BotCommand("start", "Begin"), BotCommand("stop", "End"))
    await bot.delete_my_commands()
    assert server.commands() == []
    for commands, text in (
        ([("Start", "x")], "BOT_COMMAND_INVALID"),
        ([("x" * 33, "x")], "command length must not exceed 32"),
        ([("x", " ")], "command description must be non-empty"),
        ([(f"x{number}", "x") for number in range(101)], "BOT_COMMANDS_TOO_MUCH"),
    ):
        with refused(server, f"Bad Request: {text}"):
            await bot.set_my_commands(commands)


async def test_a_draft_is_shown_in_private_chats_only_and_does_not_stay(
    server: TelegramServer, bot: Bot, alice: User
) -> None:
    """https://core.telegram.org/bots/api#sendmessagedraft."""
    await bot.send_message_draft(alice.id, 7, "Thin")
    await bot.send_message_draft(alice.id, 7, "Thinking")
    assert [(one.draft, one.text) for one in server.drafts] == [(7, "Thin"), (7, "Thinking")]
    assert alice.dm.bot_messages == []
    group = server.group("Family", [alice])
    with refused(server, "Bad Request: TEXTDRAFT_PEER_INVALID"):
        await bot.send_message_draft(group.id, 7, "x")


async def test_actions_are_seen_where_they_were_shown(server: TelegramServer, bot: Bot, alice: User) -> None:
    await bot.send_chat_action(alice.id, "typing")
    assert [(one.chat, one.action) for one in server.actions] == [(alice.id, "typing")]
    with refused(server, "Bad Request: wrong parameter action in request"):
        await raw(bot, "sendChatAction", chat_id=alice.id, action="dancing")


async def test_a_forward_names_its_author(bot: Bot, alice: User, server: TelegramServer) -> None:
    bob = server.user("Bob")
    await bob.sends(bob.dm, "/start")
    message = await alice.sends(alice.dm, "news")
    sent = await bot.forward_message(bob.id, alice.id, message.message_id)
    assert sent.forward_origin
    assert sent.forward_origin.to_dict()["sender_user"]["id"] == alice.id
    secret = await bot.send_message(alice.id, "secret", protect_content=True)
    with pytest.raises(BadRequest, match="protected content"):
        await bot.forward_message(bob.id, alice.id, secret.message_id)
