"""Puts updates into the inbox, however they came, and sends the inbox's answers back to the chat."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

import anyio
from anyio.abc import TaskGroup
from msgspec.structs import replace
from telegram import ReplyParameters
from telegram.error import BadRequest, RetryAfter, TelegramError

from bridge_mcp.channels.telegram.bot.connections import BotConnections
from bridge_mcp.channels.telegram.bot.responses import retry_after_s
from bridge_mcp.channels.telegram.receive.accounts import Accounts
from bridge_mcp.channels.telegram.receive.lenient_updates import readable
from bridge_mcp.channels.telegram.receive.live_locations import LiveLocations
from bridge_mcp.channels.telegram.receive.mentions import Account
from bridge_mcp.channels.telegram.receive.updates import ReadUpdate, read, thread_of
from bridge_mcp.core.errors import BridgeError
from bridge_mcp.ports import Arrival, ButtonPress, Clock, Connected, Deleted, Ignored, Inbox, Incoming, Moved

__all__ = ["Receiver"]

logger = logging.getLogger(__name__)

CALLBACK_TEXT = 200
"""Characters of a callback answer that Telegram shows."""
READ_AT_A_GLANCE = 60
"""A callback answer up to this length is a toast; a longer one is an alert."""
LONGEST_WAIT_S = 60.0
"""An answer that is not part of a log is dropped rather than sent later than this."""


class Receiver:
    """Reads updates and stores them. The inbox's answers are sent in the background, and dropped where that fails.

    Args:
        connections: the bot's connections, open.
        inbox: takes what arrives.
        me: the bot's account.
        clock: dates updates that carry no time.
        tasks: runs the sending of answers while the next update is read.
    """

    def __init__(self, connections: BotConnections, inbox: Inbox, me: Account, clock: Clock, tasks: TaskGroup) -> None:
        self._connections, self._inbox, self._me, self._clock, self._tasks = connections, inbox, me, clock, tasks
        self._name = connections.settings.name
        self._kinds = frozenset(connections.settings.kinds)
        """What is asked for: Telegram goes on for a while with kinds that were asked for before."""
        self._moved: tuple[str, str] | None = None
        self._live = LiveLocations()
        self._accounts = Accounts(connections)
        self._waiting = False

    def read(self, raw: Mapping[str, Any]) -> ReadUpdate:
        """One update. An unreadable one is logged and skipped: it must not hold up those behind it."""
        number = int(raw["update_id"])
        if raw.keys().isdisjoint(self._kinds):
            return ReadUpdate(number, Ignored(self._name, number))
        try:
            return read(readable(raw), self._me, self._name, self._clock.now())
        except Exception:
            logger.exception("channel %s: update %d cannot be read, and is left out", self._name, number)
            return ReadUpdate(number, Ignored(self._name, number))

    async def take(self, reading: ReadUpdate, offset: int | None) -> None:
        """Store one arrival with the next offset; None leaves the offset where it was.

        Raises:
            BridgeError: it is not stored.
        """
        if reading.connection is not None:
            self._accounts.met(reading.connection)
        elif not await self._whose(reading):
            reading = ReadUpdate(reading.update_id, Ignored(self._name, reading.update_id))
        arrival = await self._located(reading)
        if isinstance(arrival, Moved) and (arrival.chat, arrival.to) == self._moved:
            # Both chats report the migration; the first one is enough.
            arrival = Ignored(self._name, reading.update_id)
        reply = await self._put(arrival, offset)
        if isinstance(arrival, Moved):
            self._moved = (arrival.chat, arrival.to)
        if isinstance(arrival, Connected):
            self._tell_owner(arrival, reply)
        if reading.callback:
            self._tasks.start_soon(self._answer, reading.callback, reply)
        elif reply and isinstance(reading.arrival, Incoming):
            self._tasks.start_soon(self._tell, reading.arrival, reply)

    async def _whose(self, reading: ReadUpdate) -> bool:
        """Store whose account a message is of, before the message itself; False where nobody's is."""
        if not isinstance(reading.arrival, Incoming | ButtonPress | Deleted):
            return True
        try:
            account = await self._accounts.unknown(reading.arrival.chat)
        except BadRequest as exc:
            why = self._connections.clean(exc.message)
            logger.warning("channel %s: a message of an unknown account is left out: %s", self._name, why)
            return False
        if account is not None:
            self._tell_owner(account, await self._inbox.put(account))
        return True

    def _tell_owner(self, account: Connected, reply: str) -> None:
        """Tell the owner of an account what the inbox answers to that they connected it."""
        if reply:
            self._tasks.start_soon(self._note, str(self._accounts.owner_chat(account)), reply, "")

    async def _located(self, reading: ReadUpdate) -> Arrival:
        """The arrival; a position may be held back. Anything else first releases the held positions of its chat."""
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
        """Pass held positions on when they are due, until there are none."""
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
        """`answerCallbackQuery`: the button stops spinning, and the person who pressed it sees the outcome."""
        try:
            await self._connections.bot.answer_callback_query(
                callback, text[:CALLBACK_TEXT] or None, show_alert=len(text) > READ_AT_A_GLANCE
            )
        except TelegramError as exc:
            # Telegram accepts answers for some seconds only; the decision holds all the same.
            logger.info("channel %s: a press was not answered: %s", self._name, self._connections.clean(exc.message))

    async def _tell(self, incoming: Incoming, text: str) -> None:
        """Send a text that is not part of the chat's log; in a group as a reply, so that it is clear who is meant."""
        await self._note(incoming.chat, text, incoming.key if incoming.group else "")

    async def _note(self, where: str, text: str, reply_to: str) -> None:
        chat, thread = thread_of(where)
        reply = ReplyParameters(int(reply_to), allow_sending_without_reply=True) if reply_to else None
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
            logger.warning("channel %s: chat %s could not be told something: %s", self._name, where, why)
