"""Whether a message of a group is meant for the bot.

By Telegram's entities alone: a name inside a word does not count.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from telegram import Message, MessageEntity

from bridge_mcp.channels.telegram.receive.markdown_of_entities import as_markdown

__all__ = ["Account", "bare_text", "is_addressed", "is_reply_to_us", "is_topic_root", "plain_text", "wording"]


BEHIND_NAME = " ,:;\n\t\u00a0"
"""What separates the bot's name from the text behind it."""


class Account(Struct, frozen=True):
    """The bot's own account."""

    id: int
    username: str
    commands: frozenset[str] = frozenset()
    """Commands of this bot: in a group they are meant for it also without `@name` behind them."""
    direct_messages: bool = False
    """Whether direct messages of channels are read."""

    def is_name(self, text: str) -> bool:
        """Whether this is the bot's `@name`; Telegram's names ignore case."""
        return text.casefold() == f"@{self.username}".casefold()


def is_addressed(message: Message, me: Account) -> bool:
    """Whether a message mentions the bot, calls its command, replies to it, or stands in a private chat."""
    if message.chat.type == "private":
        return True
    return is_reply_to_us(message, me) or any(
        names_us(entity, stretch, me) for entity, stretch in marked(message).items()
    )


def names_us(entity: MessageEntity, stretch: str, me: Account) -> bool:
    """Whether one entity mentions the bot or is a command for it."""
    match entity.type:
        case "mention":
            return me.is_name(stretch)
        case "text_mention":
            return entity.user is not None and entity.user.id == me.id
        case "bot_command":
            command, at, name = stretch.partition("@")
            if at:
                return me.is_name(f"@{name}")
            return entity.offset == 0 and command.removeprefix("/").casefold() in me.commands
        case _:
            return False


def is_reply_to_us(message: Message, me: Account) -> bool:
    """Whether it replies to a message of the bot. The message that opened its topic does not count."""
    replied = message.reply_to_message
    if replied is None or is_topic_root(message):
        return False
    return replied.from_user is not None and replied.from_user.id == me.id and replied.sender_chat is None


def is_topic_root(message: Message) -> bool:
    """Whether it only seems to reply: Telegram makes every message of a topic a reply to the one that opened it."""
    replied = message.reply_to_message
    return replied is not None and (
        replied.forum_topic_created is not None
        or (bool(message.is_topic_message) and replied.message_id == message.message_thread_id)
    )


def marked(message: Message) -> dict[MessageEntity, str]:
    """The entities of its text, or of its caption, each with the text it covers."""
    if message.text is not None:
        return message.parse_entities()
    return message.parse_caption_entities() if message.caption is not None else {}


def plain_text(message: Message, me: Account) -> str:
    """Its text or caption as Markdown; a command loses the bot's name behind it, a link keeps its URL."""
    return worded(*wording(message), me)


def bare_text(message: Message, me: Account) -> str:
    """The same without the bot's name in front; empty where the text does not begin with it."""
    text, entities = wording(message)
    first = next((each for each in entities if each.offset == 0 and each.type in ("mention", "text_mention")), None)
    if first is None or not names_us(first, stretch(text, first), me):
        return ""
    rest = text.encode("utf-16-le")[2 * first.length :].decode("utf-16-le", "replace").lstrip(BEHIND_NAME)
    gone = (len(text.encode("utf-16-le")) - len(rest.encode("utf-16-le"))) // 2
    return worded(rest, [moved(each, gone) for each in entities if each.offset >= gone], me).rstrip()


def worded(text: str, entities: Sequence[MessageEntity], me: Account) -> str:
    command, name = command_in_front(text, entities, me)
    if not command:
        return as_markdown(text, entities, me.id)
    white = text[: len(text) - len(text.lstrip())]
    return f"{white}{command}{text[len(white) + len(command) + len(name) :]}"


def moved(entity: MessageEntity, back: int) -> MessageEntity:
    return MessageEntity(
        entity.type, entity.offset - back, entity.length, url=entity.url, user=entity.user, language=entity.language
    )


def wording(message: Message) -> tuple[str, Sequence[MessageEntity]]:
    """Its text and entities, or those of its caption."""
    if message.text is not None:
        return message.text, message.entities
    return message.caption or "", message.caption_entities


def stretch(text: str, entity: MessageEntity) -> str:
    """The text that an entity covers. Telegram counts in UTF-16 code units."""
    units = text.encode("utf-16-le")
    return units[2 * entity.offset : 2 * (entity.offset + entity.length)].decode("utf-16-le", "replace")


def command_in_front(text: str, entities: Sequence[MessageEntity], me: Account) -> tuple[str, str]:
    """The command that a text begins with, and the bot's name behind it; empty for none, or another bot's."""
    first = next((each for each in entities if each.type == "bot_command"), None)
    if first is None or text.encode("utf-16-le")[: 2 * first.offset].decode("utf-16-le", "replace").strip():
        return "", ""
    command, at, name = stretch(text, first).partition("@")
    if at and not me.is_name(f"@{name}"):
        return "", ""
    return command, at + name
