"""Cuts an action into requests, each a frozen value with all its parameters. Pure.

The order of a message: its text, piece by piece; its files go with the last piece, ten to a message; its buttons are
below the very last one. Discord puts files and buttons into one message with the text, so that nobody can press what
they were not shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from bridge_mcp.channels.discord.ids import digits
from bridge_mcp.channels.discord.send.components import flaw
from bridge_mcp.channels.discord.text.markdown import as_discord
from bridge_mcp.channels.discord.text.split import split
from bridge_mcp.core.entries import Button
from bridge_mcp.ports import Edit, Outgoing, OutgoingAction, Part, Reaction, TopicChange, Upload

__all__ = ["Body", "ChangeThread", "Drop", "MakeThread", "React", "RefusedAction", "Rewrite", "Say", "cut"]

EMPTY = "(empty message)"
MAX_FILES = 10
NONCE = 25
MAX_NAME = 100
"""Characters of a thread's name."""


class Say(Struct, frozen=True):
    """`POST /channels/{channel}/messages`."""

    chat: str
    text: str
    nonce: str
    """Discord makes no second message with the same one for a few minutes. Empty: none."""
    uploads: tuple[Upload, ...] = ()
    buttons: tuple[Button, ...] = ()
    reply_to: str = ""
    silent: bool = False


class Rewrite(Struct, frozen=True):
    """`PATCH /channels/{channel}/messages/{message}`; files stay."""

    chat: str
    message: str
    text: str
    buttons: tuple[Button, ...] = ()


class Drop(Struct, frozen=True):
    """A message that an edit has no more text for."""

    chat: str
    message: str


class React(Struct, frozen=True):
    """A reaction of the bot, or (with an empty emoji) the end of all it made there."""

    chat: str
    message: str
    emoji: str


class MakeThread(Struct, frozen=True):
    """`POST /channels/{channel}/threads`: a public thread that begins with no message."""

    chat: str
    name: str


class ChangeThread(Struct, frozen=True):
    """`PATCH /channels/{thread}`. A closed thread is archived, and locked: only moderators open it again."""

    chat: str
    name: str = ""
    closed: bool | None = None


class RefusedAction(Struct, frozen=True):
    """An action that Discord would refuse; nothing of it goes out."""

    chat: str
    reason: str
    fix: str


Body: TypeAlias = Say | Rewrite | Drop | React | MakeThread | ChangeThread | RefusedAction


def cut(action: OutgoingAction) -> tuple[Part, ...]:
    """The parts of an action, in order. Deterministic."""
    bodies: Sequence[Body]
    try:
        check_chat(action.chat)
        match action:
            case Outgoing():
                bodies = message(action)
            case Edit():
                bodies = edit(action)
            case Reaction():
                bodies = [React(action.chat, number(action.message), action.emoji)]
            case TopicChange(topic=topic):
                if len(topic.name) > MAX_NAME:
                    raise ValueError(f"the name has more than {MAX_NAME} characters", "Shorten it.")
                changed = ChangeThread(action.chat, topic.name, topic.closed)
                bodies = [MakeThread(action.chat, topic.name) if topic.new else changed]
    except ValueError as exc:
        bodies = [RefusedAction(action.chat, *exc.args)]
    return tuple(Part(action.chat, body) for body in bodies)


def check_chat(chat: str) -> None:
    """Raises ValueError with a reason and a fix."""
    first, slash, thread = chat.partition("/")
    if not digits(first) or (slash and not digits(thread)):
        fix = "Write it as home/123456789012345678 (a channel or a person), or home/CHANNEL/THREAD."
        raise ValueError(f"'{chat}' is not a chat of Discord: ids are numbers", fix)


def number(message: str) -> str:
    """The id of a message. Raises ValueError with a reason and a fix."""
    if not digits(message):
        raise ValueError(f"'{message}' is not a message of Discord: ids are numbers", "Name a sent message.")
    return message


def checked(buttons: Sequence[Button]) -> tuple[Button, ...]:
    if problem := flaw(buttons):
        raise ValueError(problem, "Offer fewer or shorter choices.")
    return tuple(buttons)


def nonce(key: str, index: int) -> str:
    """The nonce of one part of a message: the same at every attempt."""
    return sha256(f"{key}\0{index}".encode()).hexdigest()[:NONCE] if key else ""


def message(action: Outgoing) -> list[Body]:
    """The requests that make up a message."""
    buttons = checked(action.buttons)
    pieces = list(split(as_discord(action.text)))
    bundles = [action.uploads[first : first + MAX_FILES] for first in range(0, len(action.uploads), MAX_FILES)]
    if not pieces:
        pieces = [""] if bundles else [EMPTY]
    contents = [(piece, tuple[Upload, ...]()) for piece in pieces[:-1]]
    contents += [(pieces[-1], bundles[0] if bundles else ()), *(("", more) for more in bundles[1:])]
    bodies = [
        Say(action.chat, text, nonce(action.key, index), uploads=files, silent=action.silent)
        for index, (text, files) in enumerate(contents)
    ]
    bodies[-1] = replace(bodies[-1], buttons=buttons)
    bodies[0] = replace(bodies[0], reply_to=action.reply_to if digits(action.reply_to) else "")
    return [*bodies]


def edit(action: Edit) -> list[Body]:
    """Piece i of the text goes into message i. More text goes into new messages below, less leaves messages to drop."""
    messages = [number(each) for each in action.messages]
    if not messages:
        raise ValueError("no message to edit is named", "Name the ids of a sent message.")
    buttons = checked(action.buttons)
    pieces = split(as_discord(action.text)) or (EMPTY,)
    bodies: list[Body] = []
    for index, piece in enumerate(pieces):
        buttons_below = buttons if index == len(pieces) - 1 else ()
        if index < len(messages):
            bodies.append(Rewrite(action.chat, messages[index], piece, buttons=buttons_below))
        else:
            bodies.append(Say(action.chat, piece, "", buttons=buttons_below, reply_to=messages[-1], silent=True))
    return [*bodies, *(Drop(action.chat, each) for each in messages[len(pieces) :])]
