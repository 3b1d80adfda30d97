"""Reads what was said while no session listened: `GET /channels/{id}/messages?after=`, in the chats that are known.

A session that is resumed brings it by itself; a new one does not. Discord keeps it for ever: what is older than a day
is left, and so is what goes beyond two thousand messages of one chat.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol, TypeVar, cast

import msgspec
from discord.http import Route

from bridge_mcp.channels.discord.bot.requests import Requests
from bridge_mcp.channels.discord.bot.settings import DiscordSettings
from bridge_mcp.channels.discord.ids import digits, snowflake_at
from bridge_mcp.channels.discord.receive.events import Account
from bridge_mcp.channels.discord.receive.payloads import Message, parse
from bridge_mcp.channels.discord.receive.places import NoPlace, Place, Places
from bridge_mcp.channels.discord.send.messages import drop_quietly, is_draft
from bridge_mcp.ports import Clock, Inbox

__all__ = ["Backlog"]

logger = logging.getLogger(__name__)

T = TypeVar("T")
MAX_CHATS = 500
PAGE, MAX_PAGES = 100, 20
MAX_AGE_S = 86_400.0
OVERLAP = 60_000 << 22
"""A minute of snowflakes: messages of different channels do not come in the order of their numbers."""


class Patiently(Protocol):
    """Repeats a request until it is answered; raises `NoPlace` where it never will be."""

    async def __call__(self, request: Callable[[], Awaitable[T]]) -> T: ...


class Backlog:
    """One reading of what was missed."""

    def __init__(
        self, requests: Requests, settings: DiscordSettings, places: Places, inbox: Inbox, me: Account, clock: Clock
    ) -> None:
        self._requests, self._settings, self._places = requests, settings, places
        self._inbox, self._me, self._clock = inbox, me, clock

    async def read(
        self, stored: int | None, heard: Callable[[Message, Place], Awaitable[None]], patiently: Patiently
    ) -> int:
        """Hand on every message since the one that was stored last; the highest number, or at first: now.

        A clock that is ahead must not set the place in the stream: messages up to its time would count as read.
        """
        now = self._clock.now()
        if stored is None:
            return snowflake_at(now)
        top, since = stored, max(stored - OVERLAP, snowflake_at(now - MAX_AGE_S))
        chats = await self._inbox.chats(self._settings.name, MAX_CHATS)
        for place in await self._written_in(chats, since, patiently):
            top = max(top, await self._chat(place, since, heard, patiently))
        return top

    async def _written_in(self, chats: tuple[str, ...], since: int, patiently: Patiently) -> list[Place]:
        """The known chats in which something may have been said since."""
        places: dict[str, Place] = {}
        for chat in chats:
            try:
                place = await patiently(partial(self._place, chat))
            except NoPlace:
                continue
            if place.last > since:
                places[place.id] = place
        channels = frozenset(chat.partition("/")[0] for chat in chats)
        return [*places.values(), *(p for p in self._places.threads_below(channels, since) if p.id not in places)]

    async def _place(self, chat: str) -> Place:
        first, _, thread = chat.partition("/")
        if not digits(first) or (thread and not digits(thread)):
            raise NoPlace(chat)
        return await self._places.now(first, thread)

    async def _chat(
        self,
        place: Place,
        since: int,
        heard: Callable[[Message, Place], Awaitable[None]],
        patiently: Patiently,
    ) -> int:
        top = since
        for _ in range(MAX_PAGES):
            route = Route("GET", "/channels/{channel_id}/messages", channel_id=place.id)
            params = {"after": str(top), "limit": str(PAGE)}
            try:
                payloads: Any = await patiently(partial(self._requests.request, route, params=params))
            except NoPlace:
                return top
            page = sorted((each for each in map(read, cast("list[Any]", payloads)) if each), key=lambda m: int(m.id))
            for message in page:
                if message.author.id == self._me.id and is_draft(message.content):
                    await drop_quietly(self._requests, place.id, message.id)
                await heard(message, place)
            top = max([top, *(int(message.id) for message in page)])
            if len(page) < PAGE:
                return top
        logger.warning("channel %s: %s has more than was read", self._settings.name, place.chat)
        return top


def read(payload: Any) -> Message | None:
    """A message; None for one that cannot be read."""
    try:
        message = parse(Message, payload)
    except msgspec.ValidationError:
        return None
    return message if digits(message.id) else None
