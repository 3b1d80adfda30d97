"""The port of a chat platform, and of the time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from bridge_mcp.core.entries import (
    Attachment,
    Button,
    Question,
    Sender,
)

__all__ = ["Channel", "ChannelHealth", "ChannelTraits", "Clock", "Inbox", "Incoming", "Outgoing"]


class Clock(Protocol):
    """Tells the time. Wall-clock epoch seconds, because times are stored and compared across processes."""

    def now(self) -> float: ...


@dataclass(frozen=True, slots=True)
class ChannelTraits:
    """What a channel is like."""

    name: str
    type: str
    needs_pairing: bool = True
    delivered_by_commit: bool = False
    """Its readers read the store: a committed message is a delivered one, and `send` is never called."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message as the platform gave it. `chat` is `chat_id` or `chat_id/thread_id`."""

    channel: str
    chat: str
    key: str
    sender: Sender
    text: str
    at: float
    title: str = ""
    attachments: tuple[Attachment, ...] = ()
    reply_to: str = ""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message for the platform."""

    chat: str
    text: str
    attachments: tuple[Attachment, ...] = ()
    buttons: tuple[Button, ...] = ()
    reply_to: str = ""
    silent: bool = False
    question: Question | None = None


@dataclass(frozen=True, slots=True)
class ChannelHealth:
    """How a channel is. `last_ok` is the epoch second of its last good exchange with the platform."""

    state: Literal["starting", "ready", "degraded", "stopped"]
    error: str = ""
    last_ok: float = 0.0


class Inbox(Protocol):
    """Where a channel puts what came in."""

    async def put(self, incoming: Incoming) -> str:
        """Returns once it is stored, or refused by the gate: only then may the channel acknowledge it.

        Answers what a refused sender is to be told ("" for nothing); that has no place in any conversation's log.
        """
        ...


class Channel(Protocol):
    """One account on one platform."""

    traits: ChannelTraits

    async def run(self, inbox: Inbox) -> None:
        """Receive until cancelled. Reconnects by itself; raises only when it can never work (a wrong token)."""
        ...

    async def send(self, message: Outgoing) -> tuple[str, ...]:
        """Send it, in parts where the platform wants that; the platform's id of each part.

        Raises:
            SendFailed: it surely did not go out; `retry_after_s` says when trying again is safe, None: never.
            SendUncertain: it may have gone out.
        """
        ...

    def health(self) -> ChannelHealth: ...
