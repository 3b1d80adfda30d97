"""Checks addresses and texts from callers, with errors that name the fix."""

from __future__ import annotations

import re

from bridge_mcp.core.address import Address
from bridge_mcp.core.entries import CALLS
from bridge_mcp.core.errors import BadInput

__all__ = ["CALLS", "MAX_TEXT", "check_text", "join", "parse_conversation", "parse_message"]

MAX_TEXT = 100_000
"""Characters of one message; a longer text belongs into a file."""

CONVERSATION = re.compile(r"[A-Za-z0-9_.-]{1,64}/[^/\s#]{1,128}(/[^/\s#]{1,64})?")


def parse_conversation(conversation: str) -> Address:
    """Parse `channel/chat_id` or `channel/chat_id/thread_id`.

    Raises:
        BadInput: it is not of that form.
    """
    check_text(conversation, "conversation", 300)
    if not CONVERSATION.fullmatch(conversation):
        raise BadInput(
            f"'{conversation}' is not a conversation.",
            fix="Write channel/chat_id or channel/chat_id/thread_id, as list_conversations shows them.",
        )
    return Address.of(conversation)


def parse_message(message: str) -> tuple[str, int]:
    """Parse a message id, `conversation#seq`, into conversation and seq.

    Raises:
        BadInput: it is not of that form.
    """
    check_text(message, "message", 320)
    conversation, _, seq = message.rpartition("#")
    if not (seq.isascii() and seq.isdigit() and len(seq) < 16):
        raise BadInput(f"'{message}' is no message id.", fix="Pass an id from read_messages.")
    parse_conversation(conversation)
    return conversation, int(seq)


def join(channel: str, chat: str) -> str:
    """The conversation of a chat on a channel."""
    return f"{channel}/{chat}"


def check_text(text: str, name: str, most: int = MAX_TEXT) -> None:
    """Raise unless a text can be stored and sent.

    Raises:
        BadInput: the text is too long, or no valid Unicode.
    """
    if len(text) > most:
        raise BadInput(
            f"{name} has {len(text):,} characters; at most {most:,} are taken.",
            fix="Send it in several messages, or as a file." if most == MAX_TEXT else "Shorten it.",
        )
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as exc:
            raise BadInput(
                f"{name} is not valid Unicode: a lone surrogate at character {exc.start}.",
                fix="Send characters beyond U+FFFF whole, not as half of a UTF-16 pair.",
            ) from None
