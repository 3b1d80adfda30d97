"""Topics of forums, and threads that are none: https://core.telegram.org/bots/api#message."""

from __future__ import annotations

import pytest
from telegram import Bot, ReplyParameters

from bridge_mcp.core.errors import NotFound
from tests.fakes.telegram_bots import received, refused
from tests.servers.telegram import Chat, TelegramServer, User

pytestmark = pytest.mark.anyio


@pytest.fixture
def alice(server: TelegramServer) -> User:
    return server.user("Alice")


async def forum(server: TelegramServer, alice: User) -> tuple[Chat, int]:
    chat = server.supergroup("Team", [alice], forum=True)
    return chat, await chat.topic("Deploys", alice)


async def test_a_topic_gets_what_is_meant_for_it(server: TelegramServer, bot: Bot, alice: User) -> None:
    """A topic that is unknown, deleted or closed takes nothing, and the general topic has no number."""
    chat, topic = await forum(server, alice)
    await bot.send_message(chat.id, "in the topic", message_thread_id=topic)
    await bot.send_message(chat.id, "in general")
    first, second = chat.bot_messages
    assert (first.thread, first.reply_to, second.thread) == (topic, None, None)
    for thread in (4711, 1):
        with refused(server, "Bad Request: message thread not found"):
            await bot.send_message(chat.id, "x", message_thread_id=thread)
    await chat.closes_topic(topic)
    with refused(server, "Bad Request: TOPIC_CLOSED"):
        await bot.send_message(chat.id, "x", message_thread_id=topic)
    await chat.deletes_topic(topic)
    with refused(server, "Bad Request: message thread not found"):
        await bot.send_message(chat.id, "x", message_thread_id=topic)


async def test_a_reply_in_a_topic_stands_in_the_topic(server: TelegramServer, bot: Bot, alice: User) -> None:
    chat, topic = await forum(server, alice)
    asked = await alice.sends(chat, "hello", thread=topic)
    await bot.send_message(chat.id, "hi", reply_parameters=ReplyParameters(asked.message_id))
    (reply,) = chat.bot_messages
    assert (reply.thread, reply.reply_to) == (topic, asked.message_id)


async def test_a_message_in_a_topic_seems_to_reply_to_its_beginning(
    server: TelegramServer, bot: Bot, alice: User
) -> None:
    """https://core.telegram.org/bots/api#message, message_thread_id and is_topic_message."""
    forum = server.supergroup("Team", [alice], bot="administrator", forum=True)
    topic = await forum.topic("Deploys", alice)
    plain = await alice.sends(forum, "in the topic", thread=topic)
    await alice.sends(forum, "in general")
    made, first, general = [update.message for update in await received(bot, 3)]
    assert made
    assert made.forum_topic_created
    assert first
    assert (first.message_thread_id, first.is_topic_message) == (topic, True)
    assert first.reply_to_message
    assert first.reply_to_message.message_id == topic
    assert first.reply_to_message.forum_topic_created
    assert plain.reply_to is None
    assert general
    assert (general.message_thread_id, general.is_topic_message, general.reply_to_message) == (None, None, None)
    with pytest.raises(NotFound, match="no topic 99"):
        await alice.sends(forum, "lost", thread=99)


async def test_a_reply_in_a_supergroup_carries_a_thread_that_is_no_topic(
    server: TelegramServer, bot: Bot, alice: User
) -> None:
    team = server.supergroup("Team", [alice], bot="administrator")
    root = await alice.sends(team, "root")
    middle = await alice.sends(team, "middle", reply_to=root)
    await alice.sends(team, "leaf", reply_to=middle)
    leaf = (await received(bot, 3))[-1].message
    assert leaf
    assert (leaf.message_thread_id, leaf.is_topic_message) == (root.message_id, None)
    await bot.send_message(team.id, "x", message_thread_id=root.message_id)
    assert team.bot_messages[0].thread is None
