"""What the bot does to chats: a message comes into being, or changes. All methods that send or edit end here.

https://core.telegram.org/bots/api#sendmessage and #updating-messages. Knows the state and the parameters of requests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.servers.telegram.access import check_blocked, found_message, pick_topic, replied, reply_fields, writable
from tests.servers.telegram.call import Call
from tests.servers.telegram.formatting import MAX_CAPTION, MAX_TEXT, cleaned, formatted
from tests.servers.telegram.incoming import text_fields
from tests.servers.telegram.keyboards import checked_markup
from tests.servers.telegram.refusals import NOT_MODIFIED, bad_request
from tests.servers.telegram.state import ChatState, Content, MessageState
from tests.servers.telegram.texts import Object, Rich
from tests.servers.telegram.world import World

__all__ = ["Target", "caption_of", "edit_caption", "edit_markup", "edit_text", "send", "send_text", "target"]


@dataclass(frozen=True, slots=True)
class Target:
    """Where a message goes and how, read from the parameters that all sending methods share."""

    chat: ChatState
    placed: Object
    markup: Object | None
    silent: bool
    protected: bool


def text_of(call: Call) -> Rich:
    """The parsed text of a request. Raises `Refusal`."""
    if not call.text("text"):
        raise bad_request("message text is empty")
    return formatted(call.text("text"), call.text("parse_mode"), call.json("entities"))


def caption_of(text: str, parse_mode: str, entities: object) -> Rich:
    """The caption as it will stand; empty for none. Raises `Refusal`."""
    rich = cleaned(formatted(text, parse_mode, entities), may_be_empty=True)
    if rich.units > MAX_CAPTION:
        raise bad_request("message caption is too long")
    return rich


def standing(rich: Rich) -> Rich:
    """The text as it will stand, within the limit. Raises `Refusal`."""
    rich = cleaned(rich)
    if rich.units > MAX_TEXT:
        raise bad_request("message is too long")
    return rich


def target(world: World, call: Call) -> Target:
    """Read and check where a message is meant to go. Raises `Refusal`."""
    fields, markup = reply_fields(call), checked_markup(call.text("reply_markup"))
    chat = writable(world, call, blocked_too=False)
    topic = pick_topic(chat, call)
    placed = replied(world, chat, fields) | in_direct_messages(chat, call)
    if topic:
        placed |= {"message_thread_id": topic.id, "is_topic_message": True}
        if topic.id in chat.messages:
            placed.setdefault("reply_to_message", world.shown(chat.messages[topic.id], with_reply=False))
    elif "reply_to_message" in placed:
        above = placed["reply_to_message"]
        if above.get("is_topic_message"):
            placed |= {"message_thread_id": above["message_thread_id"], "is_topic_message": True}
        elif chat.kind == "supergroup" and not chat.is_forum:
            placed["message_thread_id"] = above.get("message_thread_id", above["message_id"])
    return Target(
        chat, placed, markup, silent=call.flag("disable_notification"), protected=call.flag("protect_content")
    )


def in_direct_messages(chat: ChatState, call: Call) -> Object:
    """Whose topic a message to a channel's direct messages stands in. Raises `Refusal`."""
    if chat.parent is None:
        return {}
    user = chat.direct_topics.get(call.integer("direct_messages_topic_id"))
    if user is None:
        raise bad_request("direct messages topic must be specified")
    return {"direct_messages_topic": {"topic_id": user.id, "user": user.wire()}}


def send(world: World, where: Target, body: Object, contents: Sequence[Content] = (), album: str = "") -> MessageState:
    """A message of the bot. A user who blocked the bot is found out only here, after everything else was checked."""
    chat = where.chat
    if not chat.connection:
        check_blocked(chat)
    wire = dict(body) | where.placed
    if chat.kind == "channel":
        wire["sender_chat"] = chat.wire()
    else:
        wire["from"] = world.bot.wire()
    if chat.connection:
        wire["from"] = world.connections[chat.connection].user.wire()
        wire |= {"business_connection_id": chat.connection, "sender_business_bot": world.bot.wire()}
    if where.markup and "inline_keyboard" in where.markup:
        wire["reply_markup"] = where.markup
    if where.protected:
        wire["has_protected_content"] = True
    if album:
        wire["media_group_id"] = album
    message = world.add_message(chat, wire)
    message.by_bot, message.silent, message.protected = True, where.silent, where.protected
    message.contents, message.album = list(contents), album
    message.keyboard = None if "reply_markup" in wire else where.markup
    chat.last_bot = world.bot.id
    return message


def send_text(world: World, call: Call) -> Object:
    """`sendMessage`."""
    rich = text_of(call)
    where = target(world, call)
    body = text_fields(world, standing(rich))
    return world.shown(send(world, where, body))


def editable(world: World, call: Call) -> MessageState:
    """The message a request names, if it is one the bot may edit. Raises `Refusal`."""
    if call.text("inline_message_id"):
        raise bad_request("MESSAGE_ID_INVALID")
    if not call.text("message_id"):
        raise bad_request("message identifier is not specified")
    chat = writable(world, call)
    message = found_message(chat, call.integer("message_id"), "message to edit")
    if not message.by_bot:
        raise bad_request("message can't be edited")
    return message


def change(world: World, message: MessageState, names: Sequence[str], fields: Object, markup: Object | None) -> Object:
    """Put new fields in the place of those named, and a new keyboard in the place of the old one (None: none).

    Raises `Refusal` when the message would stay as it is.
    """
    names = [*names, "reply_markup"]
    fields = fields | ({"reply_markup": markup} if markup else {})
    if {name: message.wire[name] for name in names if name in message.wire} == fields:
        raise bad_request(NOT_MODIFIED)
    for name in names:
        message.wire.pop(name, None)
    message.wire |= fields | {"edit_date": int(world.clock.now())}
    message.edits += 1
    return world.shown(message)


def edit_text(world: World, call: Call) -> Object:
    """`editMessageText`. Without a keyboard the one that was there goes."""
    rich, markup = text_of(call), checked_markup(call.text("reply_markup"), inline_only=True)
    message = editable(world, call)
    if "text" not in message.wire:
        raise bad_request("there is no text in the message to edit")
    return change(world, message, ("text", "entities"), text_fields(world, standing(rich)), markup)


def edit_caption(world: World, call: Call) -> Object:
    """`editMessageCaption`."""
    markup = checked_markup(call.text("reply_markup"), inline_only=True)
    rich = caption_of(call.text("caption"), call.text("parse_mode"), call.json("caption_entities"))
    message = editable(world, call)
    if not message.contents:
        raise bad_request("there is no caption in the message to edit")
    return change(world, message, ("caption", "caption_entities"), text_fields(world, rich, caption=True), markup)


def edit_markup(world: World, call: Call) -> Object:
    """`editMessageReplyMarkup`."""
    markup = checked_markup(call.text("reply_markup"), inline_only=True)
    return change(world, editable(world, call), (), {}, markup)
