"""A channel that is told what it hears, and remembers what it sent."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import count

import anyio

from bridge_mcp.core.entries import Attachment, Sender
from bridge_mcp.core.errors import SendFailed
from bridge_mcp.ports import ChannelHealth, ChannelTraits, Clock, Inbox, Incoming, Outgoing
from bridge_mcp.testing.clock import ManualClock

__all__ = ["FakeChannel"]

WAIT_S = 10.0
"""How long its own waits go on before they fail."""


class FakeChannel:
    """A `Channel` without a platform.

    Args:
        name: as in `[channels.NAME]`.
        needs_pairing: see `ChannelTraits`.
        delivered_by_commit: see `ChannelTraits`.
        clock: tells the time of what it hears, and of its last good exchange.
    """

    def __init__(
        self,
        name: str = "fake",
        *,
        needs_pairing: bool = False,
        delivered_by_commit: bool = False,
        clock: Clock | None = None,
    ) -> None:
        self.traits = ChannelTraits(name, "fake", needs_pairing, delivered_by_commit)
        self.sent: list[Outgoing] = []
        """What reached the platform, in order."""
        self.attempts: list[Outgoing] = []
        """Every message that `send` was given."""
        self._clock = clock or ManualClock()
        self._failures: deque[tuple[SendFailed, bool]] = deque()
        self._ids, self._keys = count(1), count(1)
        self._state: ChannelHealth = ChannelHealth("starting")
        self._inbox: Inbox | None = None
        self._changed = anyio.Event()

    def fail(self, error: SendFailed, *, arrived: bool = False) -> None:
        """Make the next `send` raise this, behind those planned before.

        `arrived` says that the message went out all the same, as it may with `SendUncertain`.
        """
        self._failures.append((error, arrived))

    async def receive(
        self,
        text: str,
        *,
        chat: str = "1",
        sender: Sender | None = None,
        key: str = "",
        title: str = "",
        attachments: Sequence[Attachment] = (),
        reply_to: str = "",
        at: float | None = None,
    ) -> str:
        """Hear a message. Waits for `run` to have begun, and returns once the inbox has taken the message.

        Answers what the sender is to be told outside of any log ("" for nothing), which a platform would now show.
        `key` is the platform's id of the message; by default one that was not there before.
        """
        incoming = Incoming(
            channel=self.traits.name,
            chat=chat,
            key=key or f"m{next(self._keys)}",
            sender=sender or Sender("1", "Ann"),
            text=text,
            at=self._clock.now() if at is None else at,
            title=title,
            attachments=tuple(attachments),
            reply_to=reply_to,
        )
        with anyio.fail_after(WAIT_S):
            while self._inbox is None:
                await self._changed.wait()
        return await self._inbox.put(incoming)

    async def wait_for_sent(self, number: int) -> tuple[Outgoing, ...]:
        """Everything that was sent, once it is at least so many messages.

        Raises:
            TimeoutError: they did not come within ten seconds.
        """
        with anyio.fail_after(WAIT_S):
            while len(self.sent) < number:
                await self._changed.wait()
        return tuple(self.sent)

    async def run(self, inbox: Inbox) -> None:
        """See `ports.Channel`."""
        self._inbox = inbox
        self._state = ChannelHealth("ready", last_ok=self._clock.now())
        self._wake()
        try:
            await anyio.sleep_forever()
        finally:
            self._inbox = None
            self._state = ChannelHealth("stopped", last_ok=self._state.last_ok)

    async def send(self, message: Outgoing) -> tuple[str, ...]:
        """See `ports.Channel`.

        Raises:
            SendFailed: it was planned.
            SendUncertain: it was planned.
        """
        self.attempts.append(message)
        error, arrived = self._failures.popleft() if self._failures else (None, True)
        if arrived:
            self.sent.append(message)
        self._wake()
        if error is not None:
            raise error
        return (str(next(self._ids)),)

    def health(self) -> ChannelHealth:
        return self._state

    def _wake(self) -> None:
        """Tell everybody who waits that something changed."""
        self._changed.set()
        self._changed = anyio.Event()
