"""Reads messages and reactions as arrivals. Pure: no request, no clock, no state."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from msgspec import Struct

from bridge_mcp.channels.discord.ids import digits, snowflake_time
from bridge_mcp.channels.discord.receive.payloads import File, Message, ReactionEvent, User
from bridge_mcp.channels.discord.receive.places import Place
from bridge_mcp.core.entries import Attachment, Sender
from bridge_mcp.core.safe_text import name_within
from bridge_mcp.core.tools import JSON
from bridge_mcp.ports import Happening, Incoming

__all__ = ["Account", "happened", "incoming"]

SAID = frozenset({0, 19})
"""Types of messages that somebody wrote: plain ones and replies. All others tell of events, or are a bot's answers."""
QUOTED = 200
KINDS: dict[str, Literal["image", "audio", "video", "file"]] = {"image": "image", "audio": "audio", "video": "video"}
SOMEBODY = "somebody"
MENTION = re.compile(r"<@!?([0-9]{1,20})>")
EMOJI = re.compile(r"<a?:([A-Za-z0-9_]{1,64}):[0-9]{1,20}>")
BEHIND_NAME = " ,:;\n\t\u00a0"


class Account(Struct, frozen=True):
    """The bot's own account."""

    id: str
    name: str
    application: str = ""


def incoming(message: Message, place: Place, me: Account, channel: str) -> Incoming | None:
    """A message that somebody wrote; None for service messages, for our own, and for messages without content.

    Without the message content intent other people's messages in guilds come empty, but for mentions of the bot.
    """
    if message.type not in SAID or message.author.id == me.id or not digits(message.id):
        return None
    snapshot = message.message_snapshots[0].message if message.message_snapshots else None
    files = attachments(message, snapshot.attachments if snapshot else ())
    text = worded(snapshot.content if snapshot else message.content, message.mentions, me) or in_words(message)
    if not text and not files:
        return None
    edit, bot = message.edited_timestamp or "", message.author.bot or bool(message.webhook_id)
    reply_to, quote = reply_of(message, me) if snapshot is None else ("", "")
    return Incoming(
        channel=channel,
        chat=place.chat,
        key=message.id,
        sender=Sender(message.author.id, name_of(message), "bot" if bot else "person"),
        text=text,
        at=epoch(edit or message.timestamp, int(message.id)),
        title=place.title if place.group else name_of(message),
        topic=place.topic,
        attachments=files,
        reply_to=reply_to,
        quote=quote,
        forwarded_from=SOMEBODY if snapshot is not None else "",
        group=place.group,
        addressed=not place.group or is_addressed(message, me),
        outsider="bot" if bot else "",
        bare=bare(message, me) if snapshot is None else "",
        edit=edit[:40],
    )


def name_of(message: Message) -> str:
    nick = message.member.nick if message.member is not None else None
    return (nick or message.author.name)[:100]


def epoch(stamp: str, number: int) -> float:
    try:
        return datetime.fromisoformat(stamp).timestamp()
    except ValueError:
        return snowflake_time(number)


def is_addressed(message: Message, me: Account) -> bool:
    """Whether a message of a guild mentions the bot, or replies to it."""
    replied = message.referenced_message
    return any(each.id == me.id for each in message.mentions) or (replied is not None and replied.author.id == me.id)


def worded(content: str, mentions: Sequence[User], me: Account) -> str:
    """The text with names in the place of ids. It is Markdown already."""
    names = {each.id: each.name for each in mentions} | {me.id: me.name}
    with_names = MENTION.sub(lambda match: f"@{name_within(names.get(match[1], match[1]))}", content)
    return EMOJI.sub(lambda match: f":{match[1]}:", with_names)


def bare(message: Message, me: Account) -> str:
    """The text without the bot's name in front; empty where it does not begin with it."""
    match = MENTION.match(message.content.lstrip())
    if match is None or match[1] != me.id:
        return ""
    return worded(message.content.lstrip()[match.end() :].lstrip(BEHIND_NAME), message.mentions, me)


def in_words(message: Message) -> str:
    """The words for a message without text."""
    if message.sticker_items:
        return f"(a sticker: {message.sticker_items[0].name[:100]})"
    if message.poll is not None:
        return f"(a poll: {message.poll.question.text[:300]})"
    return ""


def reply_of(message: Message, me: Account) -> tuple[str, str]:
    """The id of the message that it replies to, and the beginning of it where it is not the bot's own."""
    reference, replied = message.message_reference, message.referenced_message
    if reference is None or reference.type != 0 or not reference.message_id:
        return "", ""
    if replied is None or replied.author.id == me.id:
        return reference.message_id, ""
    text = worded(replied.content, replied.mentions, me) or in_words(replied)
    if not text and replied.attachments:
        text = f"({attachment(replied, replied.attachments[0]).kind})"
    return reference.message_id, text if len(text) <= QUOTED else f"{text[: QUOTED - 1]}…"


def attachments(message: Message, forwarded: Sequence[File]) -> tuple[Attachment, ...]:
    return tuple(attachment(message, each) for each in (*message.attachments, *forwarded)[:10])


def attachment(message: Message, file: File) -> Attachment:
    """A file of a message. Its address expires, so the reference names where it stands."""
    mime = (file.content_type or "").partition(";")[0].strip()
    kind = KINDS.get(mime.partition("/")[0], "file")
    ref = f"{message.channel_id}/{message.id}/{file.id}"
    return Attachment(ref, kind, mime[:100], name=file.filename[:200], size=file.size)


def happened(reacted: ReactionEvent, place: Place, channel: str, now: float, *, added: bool) -> Happening:
    """A reaction that somebody added or took back."""
    emoji = reacted.emoji.name or "" if not reacted.emoji.id else f"custom:{reacted.emoji.id}"
    person = reacted.member.user if reacted.member is not None else None
    who = Sender(reacted.user_id, "") if person is None else Sender(person.id, person.name, kind_of(person))
    sign: list[JSON] = [emoji[:100]]
    none: list[JSON] = []
    body: dict[str, JSON] = {"before": none if added else sign, "reactions": sign if added else none}
    return Happening(channel, place.chat, "message.reaction", sender=who, body=body, message=reacted.message_id, at=now)


def kind_of(user: User) -> Literal["person", "bot"]:
    return "bot" if user.bot else "person"
