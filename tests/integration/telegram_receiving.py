"""A Telegram channel that receives from the Telegram on loopback into an inbox that remembers."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import anyio
import pytest

from bridge_mcp.channels.telegram.bot.settings import Patience, TelegramSettings
from bridge_mcp.channels.telegram.channel import TelegramChannel
from bridge_mcp.core.errors import BridgeError
from bridge_mcp.ports import Arrival, ButtonPress, Form, Ignored, Incoming, Moved
from tests.servers.telegram import TelegramServer

__all__ = ["QUICK", "Box", "becomes", "channel_on", "receiving", "settings_on"]

WAIT_S = 10.0
QUICK = Patience(
    slack=5.0, first=0.01, most=0.02, first_conflict=0.02, most_conflict=0.05, album_look=0.01, album_quiet=0.05
)
"""No test waits for what an owner would."""


class Box:
    """An `Inbox` that keeps everything, and what it is stored with. It outlives the channels that put into it."""

    def __init__(self) -> None:
        self.stored: list[Arrival] = []
        self.place: int | None = None
        self.says: Callable[[Arrival], str] = lambda arrival: ""
        """What it answers."""
        self.fails: list[BridgeError] = []
        """What the next puts raise instead of storing."""
        self.gate: Callable[[Arrival], anyio.Event | None] = lambda arrival: None
        """Where it waits before it stores."""
        self.waiting: Arrival | None = None
        self._changed = anyio.Event()

    async def put(self, arrival: Arrival) -> str:
        if (gate := self.gate(arrival)) is not None:
            self.waiting = arrival
            self._wake()
            await gate.wait()
            self.waiting = None
        if self.fails:
            raise self.fails.pop(0)
        if arrival.offset is not None:
            self.place = max(arrival.offset, self.place or 0)
        self.stored.append(arrival)
        self._wake()
        return self.says(arrival)

    async def offset(self, channel: str) -> int | None:
        assert channel == "family"
        return self.place

    async def form(self, press: ButtonPress) -> Form | None:
        return None

    async def chats(self, channel: str, at_most: int) -> tuple[str, ...]:
        return ()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait until something holds that changes here."""
        with anyio.fail_after(WAIT_S):
            while not holds():
                await self._changed.wait()

    async def hears(self, count: int) -> list[Incoming]:
        """Wait for so many messages; all of them."""
        await self.until(lambda: len(self.heard) >= count)
        return self.heard

    @property
    def heard(self) -> list[Incoming]:
        return [each for each in self.stored if isinstance(each, Incoming)]

    @property
    def texts(self) -> list[str]:
        return [each.text for each in self.heard]

    @property
    def taps(self) -> list[ButtonPress]:
        return [each for each in self.stored if isinstance(each, ButtonPress)]

    @property
    def moves(self) -> list[Moved]:
        return [each for each in self.stored if isinstance(each, Moved)]

    @property
    def ignored(self) -> list[Ignored]:
        return [each for each in self.stored if isinstance(each, Ignored)]


def settings_on(server: TelegramServer) -> TelegramSettings:
    return TelegramSettings("family", server.token, server.url, poll_timeout_s=20, channel_posts=True)


def channel_on(
    server: TelegramServer, settings: TelegramSettings | None = None, patience: Patience = QUICK
) -> TelegramChannel:
    return TelegramChannel(settings or settings_on(server), server.clock, [("status", "how it is")], patience)


@asynccontextmanager
async def receiving(channel: TelegramChannel, box: Box) -> AsyncGenerator[TelegramChannel]:
    """The channel runs for the time of a block, and then is cut off wherever it is."""
    failure: BaseException | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(channel.run, box)
        try:
            yield channel
        except (Exception, pytest.fail.Exception) as exc:  # not wrapped into a group: it is the test's own
            failure = exc
        tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure


async def becomes(holds: Callable[[], object]) -> None:
    """Wait until something holds that nobody tells of."""
    with anyio.fail_after(WAIT_S):
        while True:
            if holds():
                return
            await anyio.sleep(0.002)
