"""Cuts an action into requests of the Bot API, each a frozen value with all its parameters.

The order of a message: its text, part by part, then its files, with the buttons below the last one. The text comes
first because it says what the files are, and because an edit then finds the text in the first messages. A text that
fits into a caption goes there, where all files go out as one message. Knows nothing of the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from bridge_mcp.channels.telegram.send.keyboards import flaw
from bridge_mcp.channels.telegram.send.uploads import Form, form_of
from bridge_mcp.channels.telegram.text.marked_text import Rich
from bridge_mcp.channels.telegram.text.render import Renderer
from bridge_mcp.channels.telegram.text.split import MAX_CAPTION, fits, split
from bridge_mcp.core.entries import Button
from bridge_mcp.ports import Edit, Outgoing, OutgoingAction, Part, Reaction, TopicChange, Upload

__all__ = [
    "Album",
    "Body",
    "ChangeTopic",
    "CloseTopic",
    "Destination",
    "Drop",
    "File",
    "MakeTopic",
    "React",
    "RefusedAction",
    "Rewrite",
    "Text",
    "address",
    "cut",
]

EMPTY = Rich("(empty message)")
"""Replaces a text without a visible character, which Telegram refuses."""
MAX_ALBUM = 10
GENERAL = 1
"""The General topic of a forum; Telegram wants its thread id left out."""


class Destination(Struct, frozen=True):
    """Where a message goes: chat, topic, the message it replies to, and whether it is silent."""

    chat: int
    thread: int | None = None
    reply_to: int | None = None
    silent: bool = False
    business: str = ""
    """The connection on behalf of whose account it goes; then `chat` is the other person's."""
    direct: int | None = None
    """In the chat of a channel's direct messages: the topic, which is one person's."""

    @property
    def group(self) -> bool:
        """Whether the chat is a group or channel: their ids are negative."""
        return self.chat < 0 and self.direct is None

    @property
    def guests(self) -> bool:
        """Whether it is a chat of somebody's account, or of a channel's direct messages."""
        return bool(self.business) or self.direct is not None

    @property
    def key(self) -> tuple[object, ...]:
        """A key for the chat and its topic."""
        return self.chat, self.thread, self.business, self.direct


class Text(Struct, frozen=True):
    """`sendMessage`."""

    place: Destination
    rich: Rich
    buttons: tuple[Button, ...] = ()
    wants_reply: bool = False


class File(Struct, frozen=True):
    """`sendPhoto`, `sendDocument`, and their sisters."""

    place: Destination
    upload: Upload
    form: Form
    caption: Rich = Rich("")
    buttons: tuple[Button, ...] = ()
    wants_reply: bool = False


class Album(Struct, frozen=True):
    """`sendMediaGroup`: two to ten photos and videos. It cannot have buttons."""

    place: Destination
    uploads: tuple[tuple[Upload, Form], ...]
    caption: Rich = Rich("")


class Rewrite(Struct, frozen=True):
    """`editMessageText`, or `editMessageCaption` where the message is a file."""

    place: Destination
    message: int
    rich: Rich
    buttons: tuple[Button, ...] = ()


class Drop(Struct, frozen=True):
    """A message that an edit has no more text for: deleted if it is text; a file stays, without its buttons."""

    place: Destination
    message: int


class React(Struct, frozen=True):
    """`setMessageReaction`."""

    place: Destination
    message: int
    emoji: str


class MakeTopic(Struct, frozen=True):
    """`createForumTopic`."""

    place: Destination
    name: str
    icon: str = ""
    """An emoji."""


class ChangeTopic(Struct, frozen=True):
    """`editForumTopic`; `editGeneralForumTopic` where the place has no thread."""

    place: Destination
    name: str = ""
    icon: str | None = None
    """An emoji; empty: none."""


class CloseTopic(Struct, frozen=True):
    """`closeForumTopic` or `reopenForumTopic`, and their sisters for the general topic."""

    place: Destination
    closed: bool


class RefusedAction(Struct, frozen=True):
    """An action that Telegram would refuse; nothing of it goes out."""

    reason: str
    fix: str


Body: TypeAlias = Text | File | Album | Rewrite | Drop | React | MakeTopic | ChangeTopic | CloseTopic | RefusedAction


def cut(action: OutgoingAction, renderer: Renderer) -> tuple[Part, ...]:
    """The parts of an action, in order. Deterministic."""
    try:
        place = address(action.chat)
        match action:
            case Outgoing():
                bodies = message(action, place, renderer)
            case Edit():
                bodies = edit(action, place, renderer)
            case Reaction():
                if place.business:
                    raise ValueError("Telegram lets bots not react in chats of accounts", "Answer with a message.")
                bodies = [React(place, number(action.message), action.emoji)]
            case TopicChange():
                bodies = topic(action, place)
    except ValueError as exc:
        bodies = [RefusedAction(*exc.args)]
    return tuple(Part(action.chat, body) for body in bodies)


def address(chat: str) -> Destination:
    """`chat_id` or `chat_id/thread_id`. Raises ValueError with a reason and a fix."""
    first, _, second = chat.partition("/")
    if first.startswith("business"):
        return in_account(first, second)
    if second.startswith("dm") and second[2:].isdecimal() and first.removeprefix("-").isdecimal():
        return Destination(int(first), direct=int(second[2:]))
    try:
        chat_id, thread = int(first), int(second) if second else None
    except ValueError:
        fix = "Write it as family/-1001234 or family/-1001234/56."
        raise ValueError(f"'{chat}' is not a chat of Telegram: ids are numbers", fix) from None
    return Destination(chat_id, None if thread == GENERAL and chat_id < 0 else thread)


def in_account(account: str, chat: str) -> Destination:
    """A chat of an account that connected the bot. Raises ValueError with a reason and a fix."""
    connection = account.removeprefix("business:")
    if connection == account:
        fix = "They do that in Telegram, in the settings of their account; [channels.NAME] has to say business = true."
        raise ValueError("its owner has not connected the bot to their account", fix)
    if not chat.removeprefix("-").isdecimal():
        raise ValueError("it is an account, and not a chat of one", "Write it as family/business-123/456.")
    return Destination(int(chat), business=connection)


def number(message: str) -> int:
    """The id of a message. Raises ValueError with a reason and a fix."""
    try:
        return int(message)
    except ValueError:
        raise ValueError(f"'{message}' is not a message of Telegram: ids are numbers", "Name a sent message.") from None


def checked(buttons: Sequence[Button]) -> tuple[Button, ...]:
    if problem := flaw(buttons):
        raise ValueError(problem, "Offer fewer or shorter choices.")
    return tuple(buttons)


def message(action: Outgoing, place: Destination, renderer: Renderer) -> list[Body]:
    """The requests that make up a message."""
    buttons = checked(action.buttons)
    # In a private chat the bot sees every message anyway.
    wants_reply = action.question is not None and not buttons and place.group
    files = bundled(action.uploads, last_alone=bool(buttons) or wants_reply)
    rich = renderer.render(action.text)
    pieces = split(rich) or (() if files else (EMPTY,))
    caption = Rich("")
    if len(files) == 1 and len(pieces) == 1 and fits(pieces[0], MAX_CAPTION):
        pieces, caption = (), pieces[0]
    place = replace(place, silent=action.silent)
    first = replace(place, reply_to=int(action.reply_to)) if action.reply_to.isdecimal() else place
    bodies: list[Body] = [Text(place, piece) for piece in pieces]
    for bundle in files:
        if len(bundle) == 1:
            bodies.append(File(place, *bundle[0], caption=caption))
        else:
            bodies.append(Album(place, tuple(bundle), caption=caption))
    match bodies[-1]:
        case Text() | File() as last:
            bodies[-1] = replace(last, buttons=buttons, wants_reply=wants_reply)
        case _:
            pass
    bodies[0] = at(bodies[0], first)
    return bodies


def topic(action: TopicChange, place: Destination) -> list[Body]:
    """The requests that make or change a topic. Telegram closes topics of groups only."""
    change = action.topic
    if place.guests:
        raise ValueError("such a chat has no topics", "Make it in a group with topics, or a chat of the bot.")
    if change.new:
        return [MakeTopic(place, change.name, change.icon or "")]
    if change.closed is not None and not place.group:
        raise ValueError("Telegram closes no topics of chats with one person", "Give it another name instead.")
    if place.thread is None and change.icon is not None:
        raise ValueError("Telegram's general topic has no other icon", "Change its name alone.")
    bodies: list[Body] = []
    if change.name or change.icon is not None:
        bodies.append(ChangeTopic(place, change.name, change.icon))
    if change.closed is not None:
        bodies.append(CloseTopic(place, change.closed))
    return bodies


def at(body: Body, place: Destination) -> Body:
    """The same at another place."""
    match body:
        case Text() | File() | Album():
            return replace(body, place=place)
        case _:
            return body


def bundled(uploads: Sequence[Upload], *, last_alone: bool) -> list[list[tuple[Upload, Form]]]:
    """Photos and videos that follow each other go as albums; everything else goes alone."""
    bundles: list[list[tuple[Upload, Form]]] = []
    for index, upload in enumerate(uploads):
        form = form_of(upload)
        last = bundles[-1] if bundles else []
        alone = last_alone and index == len(uploads) - 1
        together = form in ("photo", "video") and all(other in ("photo", "video") for _, other in last)
        if last and together and not alone and len(last) < MAX_ALBUM:
            last.append((upload, form))
        else:
            bundles.append([(upload, form)])
    return bundles


def edit(action: Edit, place: Destination, renderer: Renderer) -> list[Body]:
    """Part i of the text goes into message i. More text goes into new messages below, less leaves messages to drop.

    The buttons hang below the last part of the text.
    """
    messages = [number(message) for message in action.messages]
    if not messages:
        raise ValueError("no message to edit is named", "Name the ids of a sent message.")
    buttons = checked(action.buttons)
    pieces = split(renderer.render(action.text)) or (EMPTY,)
    below = replace(place, reply_to=messages[-1], silent=True)
    bodies: list[Body] = []
    for index, piece in enumerate(pieces):
        buttons_below = buttons if index == len(pieces) - 1 else ()
        if index < len(messages):
            bodies.append(Rewrite(place, messages[index], piece, buttons=buttons_below))
        else:
            bodies.append(Text(below, piece, buttons_below))
    return [*bodies, *(Drop(place, message) for message in messages[len(pieces) :])]
