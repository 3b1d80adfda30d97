"""Messages on their way out: one at a time per conversation, in order, beside the turns.

What is written: `sending` before the effect, then what came of it. What surely did not go out is tried again when the
platform allows; what may have gone out is reported as uncertain and not sent again.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import closing

import anyio

from bridge_mcp.core.entries import Delivered, Failed
from bridge_mcp.core.errors import SendFailed, SendUncertain
from bridge_mcp.core.views import Message
from bridge_mcp.engine.signal import Signal
from bridge_mcp.ports import Channel, Clock, Outgoing, Store

__all__ = ["OutboxLane"]

logger = logging.getLogger(__name__)

UNCONFIGURED_S = 300.0
"""How long a message waits whose channel is not in the config (any more)."""

MAX_SENDS = 32


class OutboxLane:
    """Sends what is queued, at most one message per conversation at a time."""

    def __init__(self, store: Store, channels: Mapping[str, Channel], clock: Clock) -> None:
        self._store = store
        self._channels = channels
        self._clock = clock
        self._sending: set[str] = set()
        self._wake = Signal()

    async def run(self) -> None:
        """Until cancelled. What a dead engine was sending has an unknown fate, and is said to have."""
        for message in await self._store.outbox.stranded():
            await self._store.log.record(message.conversation, Delivered(message.seq, "uncertain"))
        if all(channel.traits.delivered_by_commit for channel in self._channels.values()):
            await anyio.sleep_forever()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._follow)
            while True:
                now = self._clock.now()
                free = MAX_SENDS - len(self._sending)
                due = await self._store.outbox.due(now, free, frozenset(self._sending)) if free > 0 else ()
                for message in due:
                    self._sending.add(message.conversation)
                    tasks.start_soon(self._deliver, message)
                following = await self._store.agenda.next_due(now)
                await self._wake.wait(None if following is None else max(0.0, following - self._clock.now()))

    async def _follow(self) -> None:
        with closing(self._store.agenda.watch()) as changes:
            self._wake.set()
            while True:
                await changes.wait()
                self._wake.set()

    async def _deliver(self, message: Message) -> None:
        try:
            channel = self._channels.get(message.conversation.partition("/")[0])
            if channel is None:
                await self._store.outbox.postpone(
                    message.conversation,
                    message.seq,
                    self._clock.now() + UNCONFIGURED_S,
                    "its channel is not in the config",
                )
            elif await self._store.outbox.begin(message.conversation, message.seq) is not None:
                await self._send(channel, message)
        except Exception:
            logger.exception("%s: could not be sent on", message.id)
        finally:
            self._sending.discard(message.conversation)
            self._wake.set()

    async def _send(self, channel: Channel, message: Message) -> None:
        conversation, seq = message.conversation, message.seq
        try:
            sent: list[str] = []
            for part in channel.parts(outgoing(message)):
                sent += await channel.send(part)
        except SendUncertain as exc:
            logger.warning("%s: %s", message.id, exc)
            await self._store.log.record(conversation, Delivered(seq, "uncertain"))
        except SendFailed as exc:
            if exc.retry_after_s is None:
                await self._store.log.record(conversation, Failed("deliver", seq, str(exc)))
            else:
                until = self._clock.now() + exc.retry_after_s
                await self._store.outbox.postpone(conversation, seq, until, str(exc))
        except Exception:
            logger.exception("%s: the channel failed unexpectedly", message.id)
            await self._store.log.record(conversation, Delivered(seq, "uncertain"))
        else:
            await self._store.log.record(conversation, Delivered(seq, "sent", tuple(sent)))


def outgoing(message: Message) -> Outgoing:
    """A stored message as the platform's adapter takes it."""
    return Outgoing(
        message.conversation.partition("/")[2],
        message.text,
        buttons=message.buttons,
        reply_to=message.reply_to,
        silent=message.silent,
        question=message.question,
    )
