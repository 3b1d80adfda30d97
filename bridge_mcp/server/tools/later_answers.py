"""The results of the tool about messages to be sent later."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from bridge_mcp.core.results import Later
from bridge_mcp.server.tools.answers import Answer

__all__ = ["ScheduledMessage", "ScheduledMessages"]

SCHEDULED_SHOWN, SCHEDULED_CHARS = 50, 200
"""Messages that wait for their time that one answer shows, and characters of each."""


class ScheduledMessage(Answer):
    """A message to be sent later."""

    id: str
    conversation: str
    send_at: float
    text: str
    by: str


class ScheduledMessages(Answer):
    """The messages to be sent later, the next one first."""

    messages: list[ScheduledMessage]
    count: int
    cancelled: bool | None = None
    """Whether the one that was named is not sent; false: its time came first."""

    @classmethod
    def of_all(cls, found: Sequence[Later], cancelled: bool | None) -> Self:
        """The first of them, each with the beginning of its text."""
        shown = [
            ScheduledMessage(
                id=each.id,
                conversation=each.conversation,
                send_at=each.send_at,
                text=each.text[:SCHEDULED_CHARS],
                by=each.by,
            )
            for each in found[:SCHEDULED_SHOWN]
        ]
        return cls(messages=shown, count=len(found), cancelled=cancelled)
