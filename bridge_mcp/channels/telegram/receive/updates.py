"""Reads a Telegram update as a message, button press or change of a chat. Pure: no request, no clock, no state.

https://core.telegram.org/bots/api#update. Knows neither access rules nor how updates arrive.
"""

from __future__ import annotations

import hashlib

from msgspec import Struct
from msgspec.structs import replace
from telegram import (
    BusinessConnection,
    CallbackQuery,
    InaccessibleMessage,
    Message,
    MessageOrigin,
    MessageOriginChannel,
    MessageOriginChat,
    MessageOriginHiddenUser,
    MessageOriginUser,
    Update,
)

from bridge_mcp.channels.telegram.receive.chat_events import happening
from bridge_mcp.channels.telegram.receive.contents import attachments, quoted_attachments
from bridge_mcp.channels.telegram.receive.descriptions import in_words, unknown_kinds, with_words
from bridge_mcp.channels.telegram.receive.mentions import (
    Account,
    bare_text,
    is_addressed,
    is_reply_to_us,
    is_topic_root,
    plain_text,
    wording,
)
from bridge_mcp.core.entries import Sender
from bridge_mcp.ports import Arrival, ButtonPress, Connected, Deleted, Ignored, Incoming, Moved, Named

__all__ = ["BUSINESS", "ReadUpdate", "connected", "read", "thread_of"]

BUSINESS = "business:"
"""Stands before the id of a connection, in the place of a chat's id: the chats of that account are its threads."""

SOMEBODY = "somebody"
"""The name of an unknown sender; a forwarded message always names one."""

QUOTED = 200
"""Characters that are quoted of a message that somebody replied to and that is not the bot's."""


class ReadUpdate(Struct, frozen=True):
    """One update, read."""

    update_id: int
    arrival: Arrival
    album: str = ""
    """The `media_group_id`; empty: no album."""
    live: bool = False
    """Whether it is a live location, or its new position."""
    connection: BusinessConnection | None = None
    """The connection that came, changed or ended."""
    callback: str = ""
    """The id of the callback query to answer; until then the button spins."""


def read(update: Update, me: Account, channel: str, now: float) -> ReadUpdate:
    """Read an update. `now` dates a button press, which carries no time."""
    number = update.update_id
    nothing = ReadUpdate(number, Ignored(channel, number))
    if (query := update.callback_query) is not None:
        press = press_of(query, channel, number, now)
        return ReadUpdate(number, press, callback=query.id) if press else replace(nothing, callback=query.id)
    if (connection := update.business_connection) is not None:
        return ReadUpdate(number, connected(connection, channel, number), connection=connection)
    if (gone := update.deleted_business_messages) is not None:
        chat = f"{BUSINESS}{gone.business_connection_id}/{gone.chat.id}"
        return ReadUpdate(number, Deleted(channel, chat, tuple(str(each) for each in gone.message_ids), offset=number))
    message = update.message or update.channel_post or update.business_message
    edited = update.edited_message or update.edited_channel_post or update.edited_business_message
    if edited is not None:
        incoming = incoming_of(edited, me, channel, number)
        return ReadUpdate(number, replace(incoming, edit=stamp(edited)), live=is_live(edited)) if incoming else nothing
    if message is None:
        happened = happening(update, channel)
        return ReadUpdate(number, happened) if happened else nothing
    if named := named_of(message, channel, number):
        return ReadUpdate(number, named)
    if moved := moved_of(message, channel, number):
        return ReadUpdate(number, moved)
    incoming = incoming_of(message, me, channel, number)
    if incoming is None:
        return nothing
    album = f"{message.chat.id}:{message.media_group_id}" if message.media_group_id else ""
    return ReadUpdate(number, incoming, album, live=is_live(message))


def is_live(message: Message) -> bool:
    return message.location is not None and bool(message.location.live_period)


def press_of(query: CallbackQuery, channel: str, number: int, now: float) -> ButtonPress | None:
    """A button press (callback query). Of an old message Telegram tells chat and id only; then its topic is unknown."""
    message = query.message
    if message is None or query.data is None:
        return None
    chat = str(message.chat.id) if isinstance(message, InaccessibleMessage) else chat_of(message)  # type: ignore[arg-type]
    user = query.from_user
    who = Sender(str(user.id), user.full_name, "bot" if user.is_bot else "person")
    return ButtonPress(
        channel,
        chat,
        str(message.message_id),
        sender=who,
        token=query.data,
        at=now,
        offset=number,
        outsider="guest" if "/dm" in chat or chat.startswith(BUSINESS) else "",
    )


def moved_of(message: Message, channel: str, number: int) -> Moved | None:
    """A group that became a supergroup (chat migration); both chats report it."""
    chat = str(message.chat.id)
    if message.migrate_to_chat_id is not None:
        return Moved(channel, chat, str(message.migrate_to_chat_id), offset=number)
    if message.migrate_from_chat_id is not None:
        return Moved(channel, str(message.migrate_from_chat_id), chat, offset=number)
    return None


def named_of(message: Message, channel: str, number: int) -> Named | None:
    """A topic that was created or renamed."""
    name = topic_name(message) if message.message_thread_id is not None else ""
    return Named(channel, chat_of(message), name, offset=number) if name else None


def topic_name(message: Message) -> str:
    """The topic's name, where a service message creates or renames it."""
    if (created := message.forum_topic_created) is not None:
        return created.name
    return (message.forum_topic_edited.name or "") if message.forum_topic_edited is not None else ""


def incoming_of(message: Message, me: Account, channel: str, number: int) -> Incoming | None:
    """A message that somebody wrote; None for a service message."""
    guest = guest_of(message)
    if message.direct_messages_topic is not None and not me.direct_messages:
        return None
    bot = message.sender_business_bot
    if bot is not None and bot.id == me.id:
        return None
    files = attachments(message)
    text = with_words(message, plain_text(message, me))
    if not files and not text:
        text = unknown_kinds(message)
        if not text:
            return None
    sender = sender_of(message)
    if sender.id == str(me.id):
        return None
    reply_to, quote = reply_of(message, me)
    return Incoming(
        channel=channel,
        chat=chat_of(message),
        key=str(message.message_id),
        sender=sender,
        text=text,
        at=(message.edit_date or message.date).timestamp(),
        title=message.chat.effective_name or "",
        topic=topic_of(message),
        attachments=files if is_topic_root(message) else (*files, *quoted_attachments(message)),
        reply_to=reply_to,
        quote=quote,
        forwarded_from=(origin_name(message.forward_origin) or SOMEBODY) if message.forward_origin else "",
        group=message.chat.type != "private" and not guest,
        outsider="bot" if is_bots_own(message) or bot is not None else "guest" if guest else "",
        post=message.chat.type == "channel",
        addressed=sender.id == guest if guest else is_addressed(message, me),
        bare=bare_text(message, me),
        offset=number,
    )


def topic_of(message: Message) -> str:
    """The name of the topic that a message stands in, where it tells it; of direct messages, who writes them."""
    if (direct := message.direct_messages_topic) is not None:
        return direct.user.full_name if direct.user is not None else ""
    return topic_name(message.reply_to_message) if message.reply_to_message else ""


def guest_of(message: Message) -> str:
    """The id of the person who writes to somebody else's account, or to a channel; "" in chats of the bot itself."""
    if message.business_connection_id is not None:
        return str(message.chat.id)
    direct = message.direct_messages_topic
    return "" if direct is None else str(direct.user.id if direct.user is not None else direct.topic_id)


def connected(connection: BusinessConnection, channel: str, number: int | None) -> Connected:
    """A connection with somebody's account. Their chats are named by them, however often they connect anew."""
    return Connected(
        channel,
        f"business-{connection.user.id}",
        f"{BUSINESS}{connection.id}",
        name=connection.user.full_name,
        active=bool(connection.is_enabled),
        offset=number,
    )


def chat_of(message: Message) -> str:
    """`chat_id`, or `chat_id/thread_id` in a topic. Replies in groups without topics have a thread id too: no topic."""
    if message.business_connection_id is not None:
        return f"{BUSINESS}{message.business_connection_id}/{message.chat.id}"
    if message.direct_messages_topic is not None:
        return f"{message.chat.id}/dm{message.direct_messages_topic.topic_id}"
    if message.is_topic_message and message.message_thread_id is not None:
        return f"{message.chat.id}/{message.message_thread_id}"
    return str(message.chat.id)


def thread_of(chat: str) -> tuple[int, int | None]:
    """Chat and topic of what `chat_of` gave."""
    chat_id, _, thread = chat.partition("/")
    return int(chat_id), int(thread) if thread else None


def sender_of(message: Message) -> Sender:
    """The sender of a message.

    One who writes as a chat (an anonymous administrator, a channel) is no person, whatever `from` says; a message that
    a person sends through another bot is that bot's.
    """
    if (chat := message.sender_chat) is not None:
        return Sender(str(chat.id), chat.effective_name or "", "bot")
    user = message.from_user
    if user is None:
        return Sender(str(message.chat.id), message.chat.effective_name or "", "bot")
    if (via := message.via_bot) is not None:
        return Sender(str(via.id), f"{user.full_name} via @{via.username}", "bot")
    return Sender(str(user.id), user.full_name, "bot" if user.is_bot else "person")


def is_bots_own(message: Message) -> bool:
    """Whether another bot wrote it itself: not somebody through that bot, nor in the name of a chat.

    Telegram delivers such messages where one of both bots has Bot-to-Bot Communication Mode on:
    https://core.telegram.org/bots/features#bot-to-bot-communication.
    """
    user = message.from_user
    return user is not None and user.is_bot and message.sender_chat is None and message.via_bot is None


def reply_of(message: Message, me: Account) -> tuple[str, str]:
    """The id of the message that it replies to, and the quoted text, or its beginning if it is not the bot's own."""
    marked = message.quote.text if message.quote is not None else ""
    replied = message.reply_to_message
    if replied is None and message.reply_to_story is not None:
        return "", "(a story)"
    if replied is None or is_topic_root(message):
        # A reply to a message of another chat: its id means nothing here.
        return "", marked or (f"(a message of {outside_author(message)})" if message.external_reply is not None else "")
    quote = marked or ("" if is_reply_to_us(message, me) else beginning(replied))
    return str(replied.message_id), quote


def outside_author(message: Message) -> str:
    """Who wrote a message of another chat."""
    reply = message.external_reply
    return origin_name(reply.origin) if reply is not None else ""


def beginning(message: Message) -> str:
    """The first characters of a message, as plain text."""
    text = wording(message)[0] or in_words(message)
    if not text and (files := attachments(message)):
        return f"({files[0].kind})"
    return text if len(text) <= QUOTED else f"{text[: QUOTED - 1]}…"


def origin_name(origin: MessageOrigin) -> str:
    """Who wrote a forwarded message first."""
    match origin:
        case MessageOriginUser(sender_user=user):
            return user.full_name
        case MessageOriginHiddenUser(sender_user_name=name):
            return name
        case MessageOriginChat(sender_chat=chat) | MessageOriginChannel(chat=chat):
            return chat.effective_name or str(chat.id)
        case _:
            return SOMEBODY


def stamp(message: Message) -> str:
    """A key for this version of a message: two edits may have the same `edit_date`, which counts seconds."""
    at = int(message.edit_date.timestamp()) if message.edit_date else 0
    text = f"{message.text or ''}\0{message.caption or ''}\0{in_words(message)}"
    return f"{at}.{hashlib.sha256(text.encode()).hexdigest()[:8]}"
