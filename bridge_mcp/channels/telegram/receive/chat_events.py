"""Updates that are no messages and that the owner asked for: reactions, and members who join or leave.

https://core.telegram.org/bots/api#update. Pure.
"""

from __future__ import annotations

from telegram import ChatMember, ReactionCount, ReactionType, ReactionTypeCustomEmoji, ReactionTypeEmoji, Update

from bridge_mcp.core.entries import Sender
from bridge_mcp.core.tools import JSON
from bridge_mcp.ports import Happening

__all__ = ["happening"]


def happening(update: Update, channel: str) -> Happening | None:
    """The reaction or change of members that an update reports; None for other kinds."""
    return reaction(update, channel) or counted(update, channel) or membership(update, channel)


def reaction(update: Update, channel: str) -> Happening | None:
    """`message_reaction`: a person's reactions to a message, before and after."""
    if (change := update.message_reaction) is None:
        return None
    user, chat = change.user, change.actor_chat
    who = Sender(str(user.id), user.full_name, "bot" if user.is_bot else "person") if user else None
    if who is None and chat is not None:
        who = Sender(str(chat.id), chat.effective_name or "", "bot")
    return Happening(
        channel,
        str(change.chat.id),
        "message.reaction",
        sender=who or Sender("", "", "bot"),
        body={"before": signs(change.old_reaction), "reactions": signs(change.new_reaction)},
        offset=update.update_id,
        message=str(change.message_id),
        at=change.date.timestamp(),
    )


def counted(update: Update, channel: str) -> Happening | None:
    """`message_reaction_count`: how often anonymous people reacted to a message."""
    if (change := update.message_reaction_count) is None:
        return None
    counts: dict[str, JSON] = {sign(each.type): each.total_count for each in change.reactions[:MAX_REACTIONS]}
    return Happening(
        channel,
        str(change.chat.id),
        "message.reaction",
        sender=Sender("", "", "bot"),
        body={"counts": counts},
        offset=update.update_id,
        message=str(change.message_id),
        at=change.date.timestamp(),
    )


def membership(update: Update, channel: str) -> Happening | None:
    """`chat_member` and `chat_join_request`: somebody joined, left, has other rights, or asks to join."""
    if (change := update.chat_member) is not None:
        changed: ChatMember = change.new_chat_member
        body: dict[str, JSON] = {
            "user": {"id": str(changed.user.id), "name": changed.user.full_name},
            "before": str(change.old_chat_member.status),
            "status": str(changed.status),
        }
        chat, actor, at = change.chat, change.from_user, change.date
    elif (join := update.chat_join_request) is not None:
        body = {"user": {"id": str(join.from_user.id), "name": join.from_user.full_name}, "status": "wants to join"}
        chat, actor, at = join.chat, join.from_user, join.date
    else:
        return None
    who = Sender(str(actor.id), actor.full_name, "bot" if actor.is_bot else "person")
    return Happening(
        channel,
        str(chat.id),
        "chat.member",
        sender=who,
        body=body,
        offset=update.update_id,
        message="",
        at=at.timestamp(),
    )


MAX_REACTIONS = 20
"""Reactions that are kept of one update; Telegram allows far fewer."""


def signs(reactions: tuple[ReactionType, ...]) -> list[JSON]:
    return [sign(each) for each in reactions[:MAX_REACTIONS]]


def sign(reaction: ReactionType | ReactionCount) -> str:
    """The emoji; for a custom one, its id."""
    match reaction:
        case ReactionTypeEmoji(emoji=emoji):
            return emoji
        case ReactionTypeCustomEmoji(custom_emoji_id=number):
            return f"custom:{number}"
        case _:
            return "paid"
