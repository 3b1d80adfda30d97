"""What a channel can do, as it declares it: all that the rest of the bridge knows of a platform.

Nothing is tried out to learn it. A request for something that is not declared is refused before anything is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

from msgspec import Struct

from bridge_mcp.core.entries import Attachment, Topic
from bridge_mcp.core.errors import Unsupported

__all__ = [
    "EVERY_MARKUP",
    "MAX_FILE",
    "Capabilities",
    "Markup",
    "TopicAct",
    "check_edit",
    "check_post",
    "check_reaction",
    "check_topic",
]

MAX_FILE = 50 * 1024 * 1024
"""Bytes of one file, in or out, whatever the platform would take: some are held in memory as a whole."""
PROMPT_CHARS = 3_000
"""UTF-16 code units of a call's arguments in a message, at most: more is read better as a file."""
PROMPT_REST = 1_000
"""UTF-16 code units that a prompt's other text has at most; every platform takes them beside a file, too."""

Markup: TypeAlias = Literal["bold", "italic", "strike", "code", "blocks", "links", "lists", "quotes", "headings"]
"""A part of Markdown. `blocks` are fenced blocks of code."""
TopicAct: TypeAlias = Literal["make", "name", "icon", "close"]
EVERY_MARKUP: tuple[Markup, ...] = get_args(Markup)


TOPIC_WORDS: dict[TopicAct, str] = {
    "make": "be made",
    "name": "get another name",
    "icon": "have an icon",
    "close": "be closed",
}


class Capabilities(Struct, frozen=True, kw_only=True):
    """What a channel can do. What is not named it cannot."""

    text_chars: int = 0
    """UTF-16 code units of a plain text that goes out as one message; a longer one is cut into several. 0: no limit."""
    markdown: tuple[Markup, ...] = ()
    """The parts of Markdown that people see formatted; what is not named here they read as plain words or signs."""
    edits: bool = False
    """Whether a message that was sent can get another text."""
    reactions: bool = False
    """Whether it can put an emoji below a message."""
    buttons: int = 0
    """How many buttons one message can have."""
    forms: bool = False
    """Whether a button can open a form (`Inbox.form`), and come back with what was written into it."""
    file_bytes: int = 0
    """Bytes of the largest file that it sends, at most `MAX_FILE`. 0: it sends none."""
    files_in: bool = False
    """Whether people can send files there."""
    albums: bool = False
    """Whether several files that somebody sends together are one message."""
    edits_in: bool = False
    """Whether it hears of a message that its author changed."""
    groups: bool = False
    """Whether several people can write in one chat."""
    bots: bool = False
    """Whether it hears other bots, and tells them from people."""
    threads: bool = False
    """Whether a chat can have several conversations (`chat_id/thread_id`)."""
    topics: tuple[TopicAct, ...] = ()
    """What can be done to the topics (threads) of its chats: a new one, another name or icon, closing and opening."""
    typing: bool = False
    """Whether it can show that a reply is being made."""
    drafts: bool = False
    """Whether it can show a reply's text while it grows."""
    history: bool = False
    """Whether what people wrote while the bridge did not run is heard once it runs again."""
    prompts: bool = False
    """Whether approvals are asked in its chats by messages. Where not, its readers look at the store."""
    settles_s: float = 0.0
    """For so many seconds after a message was written, `send` may repeat a part whose fate is unknown, and makes no
    second one: its platform knows the repeat, or the channel looks for `Outgoing.key` in the chat. 0: never."""
    paste_chars: int = 0
    """From so many characters on a text may be one of several that an app made of one paste. 0: apps cut nothing."""

    @property
    def shows(self) -> bool:
        """Whether `Channel.show` does anything."""
        return self.typing or self.drafts

    @property
    def prompt_chars(self) -> int:
        """UTF-16 code units of a call's arguments that stand in its prompt; longer ones are a file beside it.

        A prompt is one message, so that its buttons are below all of it.
        """
        return min(PROMPT_CHARS, max(0, self.text_chars - PROMPT_REST)) if self.text_chars else PROMPT_CHARS


def check_post(channel: str, can: Capabilities, *, buttons: int = 0, files: Sequence[Attachment] = ()) -> None:
    """Raise Unsupported unless a message with these buttons and files can go out on a channel."""
    if buttons > can.buttons:
        has = f"has at most {can.buttons} buttons below a message" if can.buttons else "has no buttons"
        raise Unsupported(f"The channel '{channel}' {has}.", fix="Put the choices into the text.")
    if files and not can.file_bytes:
        raise Unsupported(f"The channel '{channel}' sends no files.", fix="Put what matters into the text, or a link.")
    for file in files:
        if file.size is not None and file.size > can.file_bytes:
            raise Unsupported(
                f"The channel '{channel}' sends files of at most {can.file_bytes:,} bytes; '{file.name}' has "
                f"{file.size:,}.",
                fix="Send a smaller file, or a link.",
            )


def check_edit(channel: str, can: Capabilities, *, buttons: int = 0) -> None:
    """Raise Unsupported unless a message that was sent can get another text and these buttons."""
    if not can.edits:
        raise Unsupported(f"The channel '{channel}' cannot change a message that was sent.", fix="Send a new one.")
    check_post(channel, can, buttons=buttons)


def check_reaction(channel: str, can: Capabilities) -> None:
    """Raise Unsupported unless an emoji can be put below a message."""
    if not can.reactions:
        raise Unsupported(f"The channel '{channel}' has no reactions.", fix="Answer with a message.")


def check_topic(channel: str, can: Capabilities, topic: Topic) -> None:
    """Raise Unsupported unless a topic can be made, or changed, like this."""
    requested: dict[TopicAct, bool] = {
        "make": topic.new,
        "name": bool(topic.name) and not topic.new,
        "icon": topic.icon is not None,
        "close": topic.closed is not None,
    }
    for act, wanted in requested.items():
        if not wanted or act in can.topics:
            continue
        if not can.topics:
            raise Unsupported(f"The channel '{channel}' makes no topics.", fix="Send to the chat itself.")
        able = ", ".join(TOPIC_WORDS[topic_change] for topic_change in can.topics)
        raise Unsupported(f"A topic of the channel '{channel}' cannot {TOPIC_WORDS[act]}.", fix=f"It can {able}.")
