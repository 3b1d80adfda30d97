"""What can be seen in a chat, as plain values: messages, their buttons, their files. Nothing here changes anything."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.servers.telegram.state import MessageState
from tests.servers.telegram.texts import Entity, Object

__all__ = ["Button", "Message", "SentFile", "seen"]

KINDS = (
    "text photo animation document voice audio video video_note sticker location venue contact poll dice "
    "new_chat_members left_chat_member migrate_to_chat_id migrate_from_chat_id forum_topic_created"
).split()


@dataclass(frozen=True, slots=True)
class Button:
    """A button under a message. `data` is what comes back when it is pressed; empty for buttons that open something."""

    text: str
    data: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class SentFile:
    """A file in a message, with its bytes."""

    kind: str
    name: str
    mime: str
    file_id: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it stands in the chat now, after all edits."""

    chat_id: int
    message_id: int
    kind: str
    text: str
    """The text, or the caption."""
    entities: tuple[Entity, ...]
    by_bot: bool
    sender_id: int | None
    reply_to: int | None
    """The id of the message it replies to; the message that made a topic does not count."""
    quote: str
    thread: int | None
    """The topic of a forum; None outside topics."""
    silent: bool
    buttons: tuple[tuple[Button, ...], ...]
    keyboard: Object | None
    """A keyboard that is not an inline one, as it was sent."""
    files: tuple[SentFile, ...]
    album: str
    edits: int
    deleted: bool
    protected: bool
    reactions: tuple[str, ...]
    """What the bot reacted with."""
    date: int
    raw: Object = field(repr=False, compare=False)
    """The whole Message of the Bot API."""

    def entity_texts(self, kind: str) -> list[str]:
        """Every stretch marked as this."""
        return [found.of(self.text) for found in self.entities if found.type == kind]

    @property
    def labels(self) -> list[str]:
        """What stands on the buttons, row by row."""
        return [button.text for row in self.buttons for button in row]


def seen(message: MessageState, bot_id: int, raw: Object) -> Message:
    """A message as a value. `raw` is a copy that is nobody else's."""
    reply = raw.get("reply_to_message", {})
    marks: list[Object] = raw.get("entities") or raw.get("caption_entities") or []
    return Message(
        chat_id=message.chat.id,
        message_id=message.id,
        kind=next((name for name in KINDS if name in raw), "other"),
        text=str(raw.get("text") or raw.get("caption") or ""),
        entities=tuple(entity(found) for found in marks),
        by_bot=message.by_bot,
        sender_id=raw["from"]["id"] if "from" in raw else None,
        reply_to=None if "forum_topic_created" in reply else reply.get("message_id"),
        quote=raw.get("quote", {}).get("text", ""),
        thread=message.thread,
        silent=message.silent,
        buttons=tuple(
            tuple(Button(one["text"], one.get("callback_data", ""), one.get("url", "")) for one in row)
            for row in raw.get("reply_markup", {}).get("inline_keyboard", [])
        ),
        keyboard=message.keyboard,
        files=tuple(
            SentFile(one.kind, one.name, one.mime, file_id=one.file_id, data=one.data) for one in message.contents
        ),
        album=message.album,
        edits=message.edits,
        deleted=message.deleted,
        protected=message.protected,
        reactions=tuple(message.reactions.get(bot_id, ())),
        date=raw["date"],
        raw=raw,
    )


def entity(found: Object) -> Entity:
    """An entity read back from the wire."""
    return Entity(
        found["type"],
        found["offset"],
        found["length"],
        url=found.get("url", ""),
        language=found.get("language", ""),
        user_id=found.get("user", {}).get("id", 0),
        custom_emoji_id=found.get("custom_emoji_id", ""),
    )
