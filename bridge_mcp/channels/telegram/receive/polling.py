"""Long polling that loses nothing: an update is acknowledged by the next poll, once it is stored.

https://core.telegram.org/bots/api#getupdates. The inbox stores each update with the next offset in one transaction, so
that the next poller, in this process or another, begins right there. While the parts of an album come in, the offset
stays at its first part; other updates are stored without moving it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import anyio
from msgspec.structs import replace
from telegram.error import TelegramError

from bridge_mcp.channels.telegram.bot.connections import BotConnections
from bridge_mcp.channels.telegram.bot.settings import Patience
from bridge_mcp.channels.telegram.receive.albums import Album, Albums, joined
from bridge_mcp.channels.telegram.receive.receiver import Receiver
from bridge_mcp.channels.telegram.receive.retry import Retry, jitter
from bridge_mcp.channels.telegram.receive.updates import ReadUpdate
from bridge_mcp.core.backoff import Backoff
from bridge_mcp.core.errors import BridgeError
from bridge_mcp.ports import Inbox, Incoming

__all__ = ["Polling"]

logger = logging.getLogger(__name__)

PAGE = 100
"""Updates of one poll."""
MAX_HURRIED_S = 5.0
"""The longest pause after a poll that brought nothing and did not wait for anything."""


class Polling:
    """Polls until cancelled.

    Args:
        connections: the bot's connections, open.
        inbox: holds the offset.
        receiver: where updates go.
        retry: what to do when a poll fails.
        patience: time-outs and pauses.
    """

    def __init__(
        self, connections: BotConnections, inbox: Inbox, receiver: Receiver, retry: Retry, patience: Patience
    ) -> None:
        self._connections, self._inbox, self._receiver = connections, inbox, receiver
        self._retry, self._patience = retry, patience
        self._name = connections.settings.name
        self._next: int | None = None
        """The first update that is not acknowledged yet; None: the oldest that Telegram has."""
        self._done: set[int] = set()
        """Updates from `_next` on that are stored."""
        self._albums = Albums(patience.album_quiet)
        self._hurried = Backoff(patience.first, min(patience.most, MAX_HURRIED_S), jitter)

    async def run(self) -> None:
        """Until cancelled.

        Raises:
            ConfigError: the token was revoked.
        """
        offset = await self._inbox.offset(self._name)
        self._next = None if offset is None else offset + 1
        # The first poll does not wait, nor the first one after an error: it shows at once whether polling works.
        wait_s = 0
        while True:
            try:
                await self._round(wait_s)
                wait_s = self._connections.settings.poll_timeout_s
            except (TelegramError, TimeoutError, BridgeError) as exc:
                wait_s = 0
                if isinstance(exc, TimeoutError):
                    await self._connections.renew_polls()
                await self._retry.after(exc)

    async def _round(self, wait_s: int) -> None:
        """One poll, and all updates that it brought."""
        if self._albums:
            await anyio.sleep(self._patience.album_look)
            wait_s = 0
        asked_at = time.monotonic()
        readings = [self._receiver.read(raw) for raw in await self._poll(wait_s)]
        if readings or time.monotonic() - asked_at >= wait_s / 2:
            self._hurried.reset()
        else:  # nothing, and at once: the server ignores `timeout`
            await anyio.sleep(self._hurried.next())
        for reading in followed(readings):
            await self._take(reading)
        for album in self._albums.complete(time.monotonic()):
            await self._put_album(album)
        self._retry.good()

    async def _poll(self, wait_s: int) -> Sequence[Mapping[str, Any]]:
        """`getUpdates`, which acknowledges all updates before its offset.

        Not by the library's own method: it fails for all updates if one cannot be read.
        """
        query: dict[str, Any] = {
            "timeout": wait_s,
            "limit": PAGE,
            "allowed_updates": self._connections.settings.kinds,
        }
        if self._next is not None:
            query["offset"] = self._next
        longest = wait_s + self._patience.slack
        with anyio.fail_after(longest):
            # In lower case: the library warns of names that it has methods for, and Telegram ignores case.
            answer: Any = await self._connections.poller.do_api_request(
                "getupdates", api_kwargs=query, read_timeout=longest
            )
        return updates_in(answer)

    # -- what came in ------------------------------------------------------------------------------------------

    async def _take(self, reading: ReadUpdate) -> None:
        """Store one update, or hold it as a part of an album."""
        if reading.update_id in self._done or self._albums.holds(reading.update_id):
            return
        for album in self._albums.followed_by(reading):
            await self._put_album(album)
        if reading.album and isinstance(reading.arrival, Incoming):
            self._albums.add(reading, reading.arrival, time.monotonic())
            return
        await self._put(reading, {reading.update_id})

    async def _put_album(self, album: Album) -> None:
        reading = ReadUpdate(album.first, joined(list(album.parts.values())))
        await self._put(reading, set(album.parts), album)
        self._albums.let_go(album)

    async def _put(self, reading: ReadUpdate, covers: set[int], album: Album | None = None) -> None:
        """Store what these updates say, with the offset up to which everything is stored then."""
        done = self._done | covers
        first_held = self._albums.first_beside(album)
        before = {number for number in done if first_held is None or number < first_held}
        highest = max(before, default=None)
        await self._receiver.take(reading, highest)
        self._done = done - before
        if highest is not None:
            self._next = highest + 1


def updates_in(answer: Any) -> list[Mapping[str, Any]]:
    """The updates of a response; anything else in its list is skipped.

    Raises:
        TelegramError: the list is not empty, but holds no update: another poll would bring the same.
    """
    if not isinstance(answer, list):
        raise TelegramError("no list of updates")
    items = cast("list[Any]", answer)
    updates = [cast("Mapping[str, Any]", each) for each in items if is_update(each)]
    if items and not updates:
        raise TelegramError("a list of what are no updates")
    return updates


def is_update(item: Any) -> bool:
    return isinstance(item, dict) and isinstance(cast("dict[str, Any]", item).get("update_id"), int)


def followed(readings: Sequence[ReadUpdate]) -> Iterator[ReadUpdate]:
    """The same readings; those whose sender sent another message in the same poll are marked."""
    behind: set[tuple[str, str]] = set()
    noted: list[ReadUpdate] = []
    for reading in reversed(readings):
        arrival = reading.arrival
        if isinstance(arrival, Incoming) and not arrival.edit:
            author = (arrival.chat, arrival.sender.id)
            if author in behind:
                reading = replace(reading, arrival=replace(arrival, followed=True))
            behind.add(author)
        noted.append(reading)
    return reversed(noted)
