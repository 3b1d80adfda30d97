"""From what Telegram gave, in whatever way, into the inbox, and what the inbox says back to the chat."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import anyio
from anyio.abc import TaskGroup
from telegram import ReplyParameters
from telegram.error import RetryAfter, TelegramError

from bridge_mcp.channels.telegram.bot.connections import BotConnections
from bridge_mcp.channels.telegram.bot.responses import retry_after_s
from bridge_mcp.channels.telegram.receive.lenient_updates import readable
from bridge_mcp.channels.telegram.receive.live_locations import LiveLocations
from bridge_mcp.channels.telegram.receive.mentions import Account
from bridge_mcp.channels.telegram.receive.updates import Reading, read, thread_of
from bridge_mcp.core.errors import BridgeError
from bridge_mcp.ports import Arrival, Clock, Ignored, Inbox, Incoming, Moved

__all__ = ["Receiver"]

logger = logging.getLogger(__name__)

CALLBACK_TEXT = 200
"""Characters that Telegram shows to who pressed a button."""
READ_AT_A_GLANCE = 60
"""Characters up to which it shows them for a moment only."""
LONGEST_WAIT_S = 60.0
"""What is told outside of any log is dropped rather than told later than this."""


class Receiver:
    """Reads updates and puts them. What the inbox answers is told in the background, and dropped where that fails.

    Args:
        connections: the bot's connections, open.
        inbox: where everything goes.
        me: who we are.
        clock: for what has no time of its own.
        tasks: where telling goes on while the next update is read.
    """

    def __init__(self, connections: BotConnections, inbox: Inbox, me: Account, clock: Clock, tasks: TaskGroup) -> None:
        self._connections, self._inbox, self._me, self._clock, self._tasks = connections, inbox, me, clock, tasks
        self._name = connections.settings.name
        self._moved: tuple[str, str] | None = None
        self._live = LiveLocations()
        self._waiting = False

    def read(self, raw: Mapping[str, Any]) -> Reading:
        """One update. What cannot be read is logged and passed over: it must not hold up what comes after it."""
        number = int(raw["update_id"])
        try:
            return read(readable(raw), self._me, self._name, self._clock.now())
        except Exception:
            logger.exception("channel %s: update %d cannot be read, and is left out", self._name, number)
            return Reading(number, Ignored(self._name, number))

    async def take(self, reading: Reading, offset: int | None) -> None:
        """Put one arrival; `offset` is where the stream stands after it, None: where it stood.

        Raises:
            BridgeError: it is not stored.
        """
        arrival = await self._located(reading)
        if isinstance(arrival, Moved) and (arrival.chat, arrival.to) == self._moved:
            # Both chats tell of it; the first one is enough.
            arrival = Ignored(self._name, reading.update_id)
        said = await self._put(arrival, offset)
        if isinstance(arrival, Moved):
            self._moved = (arrival.chat, arrival.to)
        if reading.callback:
            self._tasks.start_soon(self._answer, reading.callback, said)
        elif said and isinstance(reading.arrival, Incoming):
            self._tasks.start_soon(self._tell, reading.arrival, said)

    async def _located(self, reading: Reading) -> Arrival:
        """The arrival, or nothing where it is a position that is held back. Before others go those of their chat."""
        arrival, now = reading.arrival, time.monotonic()
        if not isinstance(arrival, Incoming):
            return arrival
        if not reading.live:
            await self._pass_on(self._live.release(now, arrival.chat))
        elif not arrival.edit:
            self._live.begin(arrival, now)
        elif self._live.hold(arrival, now):
            if not self._waiting:
                self._waiting = True
                self._tasks.start_soon(self._later)
            return Ignored(self._name, reading.update_id)
        return arrival

    async def _pass_on(self, positions: Sequence[Incoming]) -> None:
        for position in positions:
            await self._inbox.put(replace(position, offset=None))

    async def _later(self) -> None:
        """Pass positions on when their time has come, while there are any."""
        try:
            while (wait := self._live.next_due(time.monotonic())) is not None:
                await anyio.sleep(wait)
                await self._pass_on(self._live.release(time.monotonic()))
        except BridgeError as exc:
            logger.warning("channel %s: a position could not be stored; the next one is: %s", self._name, exc)
        finally:
            self._waiting = False

    async def _put(self, arrival: Arrival, offset: int | None) -> str:
        if isinstance(arrival, Ignored):
            return "" if offset is None else await self._inbox.put(Ignored(self._name, offset))
        return await self._inbox.put(replace(arrival, offset=offset))

    async def _answer(self, callback: str, text: str) -> None:
        """Let a button come to rest, and show who pressed it what came of it."""
        try:
            await self._connections.bot.answer_callback_query(
                callback, text[:CALLBACK_TEXT] or None, show_alert=len(text) > READ_AT_A_GLANCE
            )
        except TelegramError as exc:
            # Telegram takes answers for some seconds only; what was decided is decided all the same.
            logger.info("channel %s: a press was not answered: %s", self._name, self._connections.clean(exc.message))

    async def _tell(self, incoming: Incoming, text: str) -> None:
        """Tell a chat something outside of its log. In a group it replies, so that it is clear who is meant."""
        chat, thread = thread_of(incoming.chat)
        reply = ReplyParameters(int(incoming.key), allow_sending_without_reply=True) if incoming.group else None
        try:
            try:
                await self._connections.bot.send_message(chat, text, message_thread_id=thread, reply_parameters=reply)
            except RetryAfter as exc:
                if (wait := retry_after_s(exc)) > LONGEST_WAIT_S:
                    raise
                await anyio.sleep(wait)
                await self._connections.bot.send_message(chat, text, message_thread_id=thread, reply_parameters=reply)
        except TelegramError as exc:
            why = self._connections.clean(exc.message)
            logger.warning("channel %s: chat %s could not be told something: %s", self._name, incoming.chat, why)
