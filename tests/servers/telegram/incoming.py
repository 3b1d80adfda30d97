"""What people do, turned into messages and updates: who sees it, in which topic it stands, what it replies to.

https://core.telegram.org/bots/features#privacy-mode. Knows the state; the handles of `people` and `places` call it.
"""

from __future__ import annotations

from dataclasses import dataclass

from bridge_mcp.core.errors import BadInput, Denied, NotFound
from tests.servers.telegram.formatting import cleaned
from tests.servers.telegram.state import ChatState, Content, MessageState, UserState
from tests.servers.telegram.texts import Entity, Object, Rich
from tests.servers.telegram.world import World

__all__ = ["ANONYMOUS", "CHANNEL_BOT", "TELEGRAM", "Sending", "announce", "edit", "post", "text_fields", "user_text"]

TELEGRAM = UserState(777000, "Telegram")
"""Forwards the posts of a channel into its group."""
ANONYMOUS = UserState(1087968824, "Group", username="GroupAnonymousBot", is_bot=True)
"""Stands for an administrator who stays anonymous."""
CHANNEL_BOT = UserState(136817688, "Channel", username="Channel_Bot", is_bot=True)
"""Stands for somebody who writes as a channel."""


@dataclass(frozen=True, slots=True)
class Sending:
    """How something is sent, beside what is in it."""

    sender: UserState | None = None
    """None: a post of a channel, or a service message of the chat itself."""
    as_chat: ChatState | None = None
    """In whose name it is sent; then `sender` is one of the stand-ins above."""
    signature: str = ""
    reply_to: MessageState | None = None
    quote: str = ""
    thread: int = 0
    """A topic's id; 0 for none."""
    contents: tuple[Content, ...] = ()
    album: str = ""
    service: bool = False
    """The chat tells what happened; nobody needs to be there for it."""


def text_fields(world: World, rich: Rich, caption: bool = False) -> Object:
    """The text of a message, or its caption, with its entities. Nothing for an empty one."""
    if not rich.text:
        return {}
    found: Object = {"caption" if caption else "text": rich.text}
    if rich.entities:
        people = world.people() if any(entity.user_id for entity in rich.entities) else {}
        found["caption_entities" if caption else "entities"] = [entity.wire(people) for entity in rich.entities]
    return found


def user_text(text: str, entities: tuple[Entity, ...] = ()) -> Rich:
    """What a person typed, as Telegram keeps it."""
    return cleaned(Rich(text, entities), may_be_empty=True)


def post(world: World, chat: ChatState, body: Object, how: Sending) -> MessageState:
    """A message of a person, a channel or the chat itself comes into being, and the bot is told if it may see it."""
    check_sender(world, chat, how)
    wire = dict(body)
    if how.sender:
        wire["from"] = how.sender.wire()
    author = how.as_chat or (chat if chat.kind == "channel" else None)
    if author:
        wire["sender_chat"] = author.wire()
    if how.signature:
        wire["author_signature"] = how.signature
    if how.album:
        wire["media_group_id"] = how.album
    if chat.connection:
        wire["business_connection_id"] = chat.connection
    wire |= placed(world, chat, how)
    message = world.add_message(chat, wire)
    if by_another_bot(message):
        chat.last_bot = wire["from"]["id"]
    message.contents, message.album = list(how.contents), how.album
    if chat.person and not chat.connection:
        chat.person.started = True
    announce(world, message)
    return message


def check_sender(world: World, chat: ChatState, how: Sending) -> None:
    """People cannot write where they are not, nor to a bot they blocked."""
    who = how.sender
    if chat.migrated_to:
        raise Denied(f"{chat.title} has become a supergroup.", fix=f"Use chat {chat.migrated_to}.")
    if chat.person and chat.person.blocked and not chat.connection:
        raise Denied(f"{chat.person.first_name} has blocked the bot.", fix="Let them unblock it first.")
    if who and not how.service and not how.as_chat and chat.is_group and not chat.has(who.id):
        raise Denied(f"{who.first_name} is not in {chat.title}.", fix="Let them join first.")


def placed(world: World, chat: ChatState, how: Sending) -> Object:
    """Where a message stands: its topic, and what it replies to.

    In a forum a message that replies to nothing carries the message that made the topic as what it replies to. In other
    supergroups a reply carries the id of the message its thread began with, without being in a topic.
    """
    found: Object = {}
    if how.reply_to:
        found["reply_to_message"] = world.shown(how.reply_to, with_reply=False)
        if how.quote:
            at = str(how.reply_to.wire.get("text") or how.reply_to.wire.get("caption") or "").find(how.quote)
            found["quote"] = {"text": how.quote, "position": max(0, at), "is_manual": True}
    if how.thread:
        topic = chat.topics.get(how.thread)
        if topic is None:
            raise NotFound(f"{chat.title} has no topic {how.thread}.", fix="Make one with `chat.topic(name)`.")
        found |= {"message_thread_id": topic.id, "is_topic_message": True}
        found.setdefault("reply_to_message", world.shown(chat.messages[topic.id], with_reply=False))
    elif how.reply_to and chat.kind == "supergroup" and not chat.is_forum:
        found["message_thread_id"] = how.reply_to.wire.get("message_thread_id", how.reply_to.id)
    return found


def announce(world: World, message: MessageState, *, edited: bool = False) -> None:
    """Tell the bot of a message, if it may see it."""
    if not visible(world, message):
        return
    message.for_bot = True
    kind = "channel_post" if message.chat.kind == "channel" else "message"
    if message.chat.connection:
        kind = "business_message"
    world.queue.push(f"edited_{kind}" if edited else kind, world.shown(message))


SERVICE = (
    "new_chat_members left_chat_member new_chat_title group_chat_created migrate_to_chat_id migrate_from_chat_id "
    "forum_topic_created forum_topic_closed forum_topic_reopened forum_topic_edited pinned_message"
).split()


def visible(world: World, message: MessageState) -> bool:
    """Whether the bot gets to see a message."""
    chat, bot = message.chat, world.bot
    if chat.connection:
        return world.connections[chat.connection].enabled
    if chat.parent is not None:
        return chat.members.get(bot.id) == "administrator"
    if chat.person:
        return not chat.person.is_bot or (bot.talks_to_bots and chat.person.talks_to_bots)
    if by_another_bot(message) and not heard_from_bot(world, message):
        return False
    if not chat.has(bot.id) and not message.wire.get("migrate_to_chat_id"):
        return False
    everything = world.reads_all or chat.kind == "channel" or chat.members[bot.id] == "administrator"
    if everything or any(name in message.wire for name in SERVICE):
        return True
    replied = chat.messages.get(message.wire.get("reply_to_message", {}).get("message_id", 0))
    return bool(replied and (replied.by_bot or replied.for_bot)) or addressed(world, message)


def heard_from_bot(world: World, message: MessageState) -> bool:
    """Whether another bot's message in a group may reach this one.

    https://core.telegram.org/api/bots/bot-to-bot: a command with its name or a reply to it, where one of both is in
    the mode; anything else where it is itself, as an administrator or without privacy mode.
    """
    bot, theirs = world.bot, world.users.get(message.wire["from"]["id"])
    if bot.talks_to_bots and (world.reads_all or message.chat.members.get(bot.id) == "administrator"):
        return True
    replied = message.chat.messages.get(message.wire.get("reply_to_message", {}).get("message_id", 0))
    named = any(
        Entity(each["type"], each["offset"], each["length"])
        .of(str(message.wire.get("text", "")))
        .lower()
        .endswith(f"@{world.bot.username}".lower())
        for each in message.wire.get("entities", [])
        if each["type"] == "bot_command"
    )
    return (named or bool(replied and replied.by_bot)) and (bot.talks_to_bots or bool(theirs and theirs.talks_to_bots))


def by_another_bot(message: MessageState) -> bool:
    """The stand-ins for chats are bots in name only."""
    return bool(message.wire.get("from", {}).get("is_bot")) and "sender_chat" not in message.wire


def addressed(world: World, message: MessageState) -> bool:
    """Whether a message of a group is meant for the bot by what it says: its name, or a command that may be its own."""
    wire, name = message.wire, f"@{world.bot.username}".lower()
    text = str(wire.get("text") or wire.get("caption") or "")
    for found in wire.get("entities", []) + wire.get("caption_entities", []):
        entity = Entity(found["type"], found["offset"], found["length"])
        stretch = entity.of(text).lower()
        if entity.type == "mention" and stretch == name:
            return True
        if entity.type == "text_mention" and found["user"]["id"] == world.bot.id:
            return True
        if entity.type == "bot_command":
            _, at, whose = stretch.partition("@")
            if (at and f"@{whose}" == name) or (not at and message.chat.last_bot in (0, world.bot.id)):
                return True
    return False


def edit(world: World, message: MessageState, rich: Rich) -> None:
    """A person changes what they wrote."""
    if message.deleted:
        raise BadInput("A deleted message cannot be edited.")
    caption = "text" not in message.wire
    for name in ("caption", "caption_entities") if caption else ("text", "entities"):
        message.wire.pop(name, None)
    message.wire |= text_fields(world, rich, caption) | {"edit_date": int(world.clock.now())}
    message.edits += 1
    announce(world, message, edited=True)
