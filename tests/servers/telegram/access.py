"""May the bot do this in that chat? The checks every method makes, in Telegram's order and words.

Knows the state and the parameters of a request, not what the methods do.
"""

from __future__ import annotations

from typing import Any, cast

from tests.servers.telegram.call import Call
from tests.servers.telegram.refusals import Refusal, bad_request, forbidden
from tests.servers.telegram.state import ChatState, MessageState, TopicState
from tests.servers.telegram.texts import Object
from tests.servers.telegram.world import World

__all__ = ["found_message", "pick_topic", "readable", "replied", "reply_fields", "writable"]


def readable(world: World, call: Call, name: str = "chat_id") -> ChatState:
    """The chat a request names, if the bot ever met it. Raises `Refusal`."""
    given = call.text(name)
    if not given:
        raise bad_request(f"{name} is empty")
    if call.text("business_connection_id") and name == "chat_id":
        return of_account(world, call.text("business_connection_id"), given)
    chat = world.find_chat(given)
    if chat is None or (chat.person and not chat.person.started):
        raise bad_request("chat not found")
    if chat.kind in ("supergroup", "channel") and (refusal := absent(world, chat)):
        raise refusal
    return chat


DAY_S = 86_400.0


def of_account(world: World, connection: str, given: str) -> ChatState:
    """A chat of an account that connected the bot. Raises `Refusal`."""
    found = world.connections.get(connection)
    if found is None or not found.enabled:
        raise bad_request("business connection not found")
    chat = found.chats.get(int(given)) if given.isdecimal() else None
    if chat is None or not found.can_reply:
        raise bad_request("BUSINESS_PEER_INVALID")
    if world.clock.now() - chat.heard_at > DAY_S:
        raise bad_request("BUSINESS_PEER_USAGE_MISSING")
    return chat


def writable(world: World, call: Call, *, blocked_too: bool = True) -> ChatState:
    """The chat a request names, if the bot may write there. Raises `Refusal`.

    `blocked_too`: whether a user who blocked the bot is found out already; of messages Telegram finds it out last.
    """
    chat = readable(world, call)
    if chat.connection:
        return chat
    if chat.person:
        if chat.person.deactivated:
            raise forbidden("user is deactivated")
        if blocked_too:
            check_blocked(chat)
    elif chat.migrated_to:
        raise bad_request("group chat was upgraded to a supergroup chat", migrate_to_chat_id=chat.migrated_to)
    elif refusal := absent(world, chat):
        raise refusal
    if chat.kind == "channel" and chat.members.get(world.bot.id) == "member":
        raise bad_request("need administrator rights in the channel chat")
    return chat


def check_blocked(chat: ChatState) -> None:
    if chat.person and chat.person.blocked:
        raise forbidden("bot was blocked by the user")


def absent(world: World, chat: ChatState) -> Refusal | None:
    """What Telegram says when the bot is not in a group or a channel."""
    if chat.has(world.bot.id) or chat.migrated_to:
        return None
    if chat.members.get(world.bot.id) == "kicked":
        return forbidden(f"bot was kicked from the {chat.kind} chat")
    return forbidden(f"bot is not a member of the {chat.kind} chat")


def pick_topic(chat: ChatState, call: Call) -> TopicState | None:
    """The topic a message is meant for; None: none, or the general one. Raises `Refusal`.

    In a supergroup without topics the parameter means nothing; the general topic of a forum cannot be named.
    """
    wanted = call.integer("message_thread_id")
    if wanted <= 0 or (not chat.is_forum and chat.kind != "private"):
        if chat.is_forum and chat.general_closed:
            raise bad_request("TOPIC_CLOSED")
        return None
    topic = chat.topics.get(wanted)
    if topic is None or topic.deleted:
        raise bad_request("message thread not found")
    if topic.closed:
        raise bad_request("TOPIC_CLOSED")
    return topic


def found_message(chat: ChatState, number: int, what: str) -> MessageState:
    """A message that is there and not deleted; `what` names it in the refusal."""
    message = chat.messages.get(number)
    if message is None or message.deleted:
        raise bad_request(f"{what} not found")
    return message


def reply_fields(call: Call) -> Object:
    """The ReplyParameters of a request; the older two parameters mean the same."""
    if not call.text("reply_parameters"):
        number = call.integer("reply_to_message_id")
        if number <= 0:
            return {}
        return {"message_id": number, "allow_sending_without_reply": call.flag("allow_sending_without_reply")}
    read = call.json("reply_parameters")
    if read is None:
        raise bad_request("can't parse reply parameters JSON object")
    if not isinstance(read, dict):
        raise bad_request("object expected as reply parameters")
    fields = cast("dict[str, Any]", read)
    if fields and "message_id" not in fields:
        raise bad_request('can\'t find field "message_id"')
    if fields and not isinstance(fields["message_id"], int):
        raise bad_request('field "message_id" must be a valid Number')
    return fields


def replied(world: World, chat: ChatState, fields: Object) -> Object:
    """What a message carries that is a reply: the message replied to, and the quoted part. Empty for no reply."""
    if not fields:
        return {}
    other = str(fields.get("chat_id") or "")
    message = chat.messages.get(fields["message_id"])
    if message is None or message.deleted or (other and world.find_chat(other) is not chat):
        if fields.get("allow_sending_without_reply"):
            return {}
        raise bad_request("message to be replied not found")
    found: Object = {"reply_to_message": world.shown(message, with_reply=False)}
    if quote := str(fields.get("quote") or ""):
        whole = str(message.wire.get("text") or message.wire.get("caption") or "")
        if quote not in whole:
            raise bad_request("QUOTE_TEXT_INVALID")
        found["quote"] = {"text": quote, "position": len(whole[: whole.index(quote)].encode("utf-16-le")) // 2}
    return found
