"""Where messages are, as words of the full-text index."""

from __future__ import annotations

__all__ = ["channel_term", "conversation_term"]


def conversation_term(conversation: int) -> str:
    """The term that the index holds for each message of this conversation."""
    return f"c{conversation}"


def channel_term(channel: str) -> str:
    """The term of a channel: one word for the index, whatever characters the channel's name has."""
    return f"h{channel.encode().hex()}"
