"""Messages on their way out: one at a time per conversation, in order and part by part, beside the turns.

What is written: `sending` before the effect, each part that went out, then what came of the whole. What surely did not
go out is tried again when the platform allows, from the part where it stopped; a part that may have gone out is
reported as uncertain and not sent again, and the parts behind it follow.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

import anyio

from bridge_mcp.core.entries import Delivered, Failed
from bridge_mcp.core.errors import SendFailed, SendUncertain
from bridge_mcp.core.views import Message
from bridge_mcp.engine import moves
from bridge_mcp.engine.addresses import parse_message
from bridge_mcp.engine.parcels import Parcels
from bridge_mcp.engine.presses import PRESSED
from bridge_mcp.engine.signal import Signal
from bridge_mcp.ports import Channel, Clock, Edit, Errand, Files, Outgoing, Reaction, Store

__all__ = ["OutboxLane"]

logger = logging.getLogger(__name__)

UNCONFIGURED_S = 300.0
"""How long a message waits whose channel is not in the config (any more)."""

LONGEST_PAUSE_S = 60.0
"""Between two attempts at what surely did not go out, where the platform names no time."""

MAX_SENDS = 32

LOST = ""
"""Stands for the platform's id of a part whose fate is unknown."""


class OutboxLane:
    """Sends what is queued, at most one message per conversation at a time."""

    def __init__(
        self,
        store: Store,
        channels: Mapping[str, Channel],
        clock: Clock,
        folders: Sequence[Path] = (),
        files: Files | None = None,
    ) -> None:
        self._store = store
        self._channels = channels
        self._clock = clock
        self._parcels = Parcels(folders, channels, store.approvals, files)
        self._sending: set[str] = set()
        self._wake = Signal()

    async def run(self) -> None:
        """Until cancelled. A part that a dead engine was sending has an unknown fate, and is said to have."""
        for message in await self._store.outbox.stranded():
            sent = (*message.platform_ids, LOST)
            await self._store.outbox.progress(message.conversation, message.seq, message.parts + 1, sent)
            await self._store.outbox.postpone(message.conversation, message.seq, 0.0, "the bridge was interrupted")
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
                await self._postpone(message, UNCONFIGURED_S, "its channel is not in the config")
            elif await self._store.outbox.begin(message.conversation, message.seq) is not None:
                await self._send(channel, message)
        except Exception:
            logger.exception("%s: could not be sent on", message.id)
        finally:
            self._sending.discard(message.conversation)
            self._wake.set()

    async def _postpone(self, message: Message, pause_s: float, reason: str) -> None:
        until = self._clock.now() + pause_s
        await self._store.outbox.postpone(message.conversation, message.seq, until, reason)

    async def _send(self, channel: Channel, message: Message) -> None:
        try:
            errand = await self._errand(message)
            sent = await self._send_parts(channel, errand, message)
        except SendFailed as exc:
            if exc.retry_after_s is None:
                await self._store.log.record(message.conversation, Failed("deliver", message.seq, str(exc)))
            else:
                growing = min(2.0 ** min(message.attempts, 16), LONGEST_PAUSE_S)
                await self._postpone(message, exc.retry_after_s or growing, str(exc))
        else:
            status = "uncertain" if LOST in sent else "sent"
            await self._store.log.record(message.conversation, Delivered(message.seq, status, sent))

    async def _send_parts(self, channel: Channel, errand: Errand, message: Message) -> tuple[str, ...]:
        """Send the parts that are left; the platform's ids of all of them.

        Raises:
            SendFailed: a part surely did not go out; those before it are noted.
        """
        sent = message.platform_ids
        parts = channel.parts(errand)
        for number, part in enumerate(parts[message.parts :], start=message.parts + 1):
            try:
                sent += await channel.send(part)
            except SendUncertain as exc:
                logger.warning("%s, part %d of %d: %s", message.id, number, len(parts), exc)
                sent += (LOST,)
            except SendFailed:
                raise
            except Exception:
                logger.exception("%s, part %d of %d: the channel failed unexpectedly", message.id, number, len(parts))
                sent += (LOST,)
            if number < len(parts):
                await self._store.outbox.progress(message.conversation, message.seq, number, sent)
        return sent

    async def _errand(self, message: Message) -> Errand:
        """A stored message, edit or reaction as the platform's adapter takes it.

        Raises:
            SendFailed: the message it is for never went out, or a file of it cannot be sent.
        """
        channel, _, chat = message.conversation.partition("/")
        chat = await moves.current(self._store.board, channel, chat)
        if message.kind != "message":
            target = await self._target(message)
            if message.kind == "edit":
                return Edit(chat, target, message.text, message.buttons)
            return Reaction(chat, target[-1], message.text)
        return Outgoing(
            chat,
            message.text,
            await self._parcels.uploads(channel, message.attachments),
            message.buttons,
            await self._replied_to(message),
            message.silent,
            message.question,
        )

    async def _target(self, message: Message) -> tuple[str, ...]:
        """The platform's ids of the message that an edit or a reaction is for."""
        found = await self._store.history.message(message.conversation, message.target or 0)
        ids = await self._platform_ids(message.conversation, found) if found else ()
        if not ids:
            raise SendFailed("The message it is for has not gone out, as far as is known.")
        return ids

    async def _replied_to(self, message: Message) -> str:
        """The platform's id of the message that this one replies to; "" where there is none."""
        if not message.reply_to.startswith(f"{message.conversation}#"):
            return ""
        found = await self._store.history.message(message.conversation, parse_message(message.reply_to)[1])
        return next(iter(await self._platform_ids(message.conversation, found)), "") if found else ""

    async def _platform_ids(self, conversation: str, found: Message) -> tuple[str, ...]:
        if found.direction == "out":
            return tuple(filter(None, found.platform_ids))
        if found.author.kind in ("client", "owner"):
            return ()  # said over MCP: it never was on the platform
        key = await self._store.traces.platform_id(conversation, found.seq)
        return () if not key or key.startswith(PRESSED) else (key,)
