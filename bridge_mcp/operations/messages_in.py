"""What came in, before it is known what becomes of it: its entry, what it continues, whether it was answered."""

from __future__ import annotations

from msgspec import structs

from bridge_mcp.core.entries import Cleared, Edited, Heard, Logged, Replied, Stopped, message_id
from bridge_mcp.core.file_names import plain_attachment
from bridge_mcp.core.gathering import LONGEST_S, goes_on
from bridge_mcp.core.projections import Conversation
from bridge_mcp.ports import Arrival, Capabilities, ChannelOffset, ChannelRules, Incoming, LogStore, Store

__all__ = ["continued_message", "heard_entry", "is_addressed", "offset_after", "unanswered_message"]

RECENT = 12
"""Entries among which the message that another one continues is searched."""
FAR_BACK = 500
"""An edit of a message with more entries behind it changes no decision."""


def heard_entry(
    conversation: str, incoming: Incoming, rules: ChannelRules, can: Capabilities, *, replied: int | None, now: float
) -> Heard:
    """The entry of a message, before it is known who is to answer it."""
    return Heard(
        incoming.text,
        incoming.sender,
        incoming.key,
        to="off",
        answers=None,
        attachments=tuple([plain_attachment(file) for file in incoming.attachments]),
        reply_to="" if replied is None else message_id(conversation, replied),
        late=now - incoming.at > rules.late_after_s,
        title=incoming.title,
        quote=incoming.quote,
        forwarded_from=incoming.forwarded_from,
        group=incoming.group,
        sent_at=incoming.at if rules.gather_s else 0.0,
        gather_s=rules.gather_s,
        paste_chars=can.paste_chars if rules.gather_s else 0,
        followed=incoming.followed,
    )


async def continued_message(
    log: LogStore, conversation: str, stored: Conversation | None, heard: Heard, *, now: float
) -> Logged | None:
    """The message that this one continues; searched only if there was one a moment ago."""
    if not heard.gather_s or stored is None or now - stored.last_at > LONGEST_S:
        return None
    for logged in reversed(await log.load(conversation, last=RECENT)):
        if isinstance(logged.entry, Heard) and logged.entry.sender.id == heard.sender.id:
            return logged if goes_on(logged, heard, now) else None
    return None


async def unanswered_message(store: Store, conversation: str, seq: int) -> Heard | None:
    """A message that no reply has answered, with its current responder; None if one has, or it is too long ago."""
    stored = await store.history.conversation(conversation)
    if stored is None or stored.head - seq > FAR_BACK:
        return None
    log = await store.log.load(conversation, seq - 1)
    heard = log[0].entry if log else None
    if not isinstance(heard, Heard):
        return None
    since = seq
    for logged in log:
        match logged.entry:
            case Replied(upto=upto, calls=()) | Stopped(upto=upto) if upto > since and heard.to == "assistant":
                return None
            case Edited(message=message, to="assistant" | "relay" as to) if message == seq:
                heard, since = structs.replace(heard, to=to), logged.seq
            case Cleared():
                return None
            case _:
                pass
    return heard


def is_addressed(incoming: Incoming, rules: ChannelRules) -> bool:
    """Whether the message is to be answered: in groups, by the group's mode."""
    if not incoming.group:
        return incoming.addressed
    mode = rules.group_mode(incoming.chat)
    return mode == "always" or (mode == "mention" and incoming.addressed)


def offset_after(arrival: Arrival) -> ChannelOffset | None:
    """The channel's offset after this arrival; None if the arrival has none."""
    return None if arrival.offset is None else ChannelOffset(arrival.channel, arrival.offset)
