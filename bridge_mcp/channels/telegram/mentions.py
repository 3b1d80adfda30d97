"""Whether a message of a group is meant for the bot. By Telegram's entities alone: a name inside a word is none."""

from __future__ import annotations

from dataclasses import dataclass

from telegram import Message, MessageEntity

__all__ = ["Account", "is_addressed", "is_reply_to_us", "is_topic_root", "plain_text"]


@dataclass(frozen=True, slots=True)
class Account:
    """Who we are on Telegram."""

    id: int
    username: str
    commands: frozenset[str] = frozenset()
    """Commands we answer: in a group they are meant for us also without our name behind them."""

    def is_name(self, text: str) -> bool:
        """Whether this is our `@name`; Telegram's names have no case."""
        return text.casefold() == f"@{self.username}".casefold()


def is_addressed(message: Message, me: Account) -> bool:
    """Whether it names us, calls a command of ours, replies to us, or nobody else is there."""
    if message.chat.type == "private":
        return True
    return is_reply_to_us(message, me) or any(
        names_us(entity, stretch, me) for entity, stretch in marked(message).items()
    )


def names_us(entity: MessageEntity, stretch: str, me: Account) -> bool:
    """Whether one marked stretch of a text is for us."""
    match entity.type:
        case "mention":
            return me.is_name(stretch)
        case "text_mention":
            return entity.user is not None and entity.user.id == me.id
        case "bot_command":
            command, at, name = stretch.partition("@")
            if at:
                return me.is_name(f"@{name}")
            return entity.offset == 0 and command.removeprefix("/") in me.commands
        case _:
            return False


def is_reply_to_us(message: Message, me: Account) -> bool:
    """Whether it replies to a message of ours. The message that opened its topic does not count, whose ever it is."""
    replied = message.reply_to_message
    if replied is None or is_topic_root(message):
        return False
    return replied.from_user is not None and replied.from_user.id == me.id and replied.sender_chat is None


def is_topic_root(message: Message) -> bool:
    """Whether what it replies to is only the message that opened its topic, as Telegram puts it everywhere there."""
    replied = message.reply_to_message
    return replied is not None and (
        replied.forum_topic_created is not None
        or (bool(message.is_topic_message) and replied.message_id == message.message_thread_id)
    )


def marked(message: Message) -> dict[MessageEntity, str]:
    """The entities of its text, or of its caption, each with the stretch it marks."""
    if message.text is not None:
        return message.parse_entities()
    return message.parse_caption_entities() if message.caption is not None else {}


def plain_text(message: Message, me: Account) -> str:
    """Its text or caption: a command without our name behind it, a link that only its words show with its address."""
    text = message.text if message.text is not None else message.caption or ""
    # Telegram counts in UTF-16 units; from the end, so that what comes before stays where it is.
    units = text.encode("utf-16-le")
    for entity, stretch in sorted(marked(message).items(), key=lambda item: -item[0].offset):
        start, end = entity.offset * 2, (entity.offset + entity.length) * 2
        if entity.type == "bot_command" and entity.offset == 0:
            command, at, name = stretch.partition("@")
            if at and me.is_name(f"@{name}"):
                units = command.encode("utf-16-le") + units[end:]
        elif entity.type == "text_link" and entity.url and entity.url != stretch:
            units = units[start:end].join((units[:start], f" ({entity.url})".encode("utf-16-le") + units[end:]))
    return units.decode("utf-16-le", "replace")
