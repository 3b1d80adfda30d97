"""What every `Channel` holds to, whatever its platform; each rig says how its platform is reached."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
import pytest

from bridge_mcp.channels.local import LocalChannel
from bridge_mcp.channels.telegram.bot.settings import TelegramSettings
from bridge_mcp.channels.telegram.channel import TelegramChannel
from bridge_mcp.core.errors import SendFailed
from bridge_mcp.ports import Arrival, ButtonPress, Channel, Form, Incoming, Outgoing
from bridge_mcp.testing import FakeChannel
from tests.servers.telegram import TelegramServer


async def send(channel: Channel, text: str, chat: str = "1") -> tuple[str, ...]:
    """Everything a short message takes."""
    (part,) = channel.parts(Outgoing(chat, text))
    return await channel.send(part)


class Box:
    """An `Inbox` that keeps what it is given."""

    def __init__(self) -> None:
        self.heard: list[Incoming] = []
        self._more = anyio.Event()

    async def put(self, arrival: Arrival) -> str:
        assert isinstance(arrival, Incoming)
        self.heard.append(arrival)
        self._more.set()
        self._more = anyio.Event()
        return "Who are you?" if arrival.sender.id == "stranger" else ""

    async def offset(self, channel: str) -> int | None:
        return None

    async def form(self, press: ButtonPress) -> Form | None:
        return None

    async def chats(self, channel: str, at_most: int) -> tuple[str, ...]:
        return ()

    async def hears(self, count: int) -> None:
        """Wait for so many messages."""
        while len(self.heard) < count:
            await self._more.wait()


@dataclass(frozen=True)
class Rig:
    channel: Channel
    say: Callable[[str], Awaitable[object]] | None = None
    """Lets somebody write on the platform; None: nobody can."""
    chat: str = "1"
    """Where it may send."""


@asynccontextmanager
async def local() -> AsyncGenerator[Rig]:
    yield Rig(LocalChannel("here"))


@asynccontextmanager
async def fake() -> AsyncGenerator[Rig]:
    channel = FakeChannel("here")
    yield Rig(channel, channel.receive)


@asynccontextmanager
async def telegram() -> AsyncGenerator[Rig]:
    async with TelegramServer() as server:
        ann = server.user("Ann")
        channel = TelegramChannel(TelegramSettings("here", server.token, server.url), server.clock)
        yield Rig(channel, lambda text: ann.sends(ann.dm, text), str(ann.id))


@pytest.fixture(params=[local, fake, telegram])
async def rig(request: pytest.FixtureRequest) -> AsyncGenerator[Rig]:
    async with request.param() as made:
        yield made


async def ready(channel: Channel) -> None:
    """Wait until it says that it is."""
    while True:
        if channel.health().state == "ready":
            return
        await anyio.sleep(0.002)


async def test_says_what_it_is_like(rig: Rig) -> None:
    assert rig.channel.traits.name == "here"
    assert rig.channel.traits.type


async def test_runs_until_cancelled_and_is_ready_meanwhile(rig: Rig) -> None:
    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(rig.channel.run, Box())
            await ready(rig.channel)
            assert not rig.channel.health().error
            group.cancel_scope.cancel()
    assert group.cancel_scope.cancelled_caught


async def test_runs_again_after_it_was_cancelled(rig: Rig) -> None:
    for _ in range(2):
        with anyio.fail_after(5):
            async with anyio.create_task_group() as group:
                group.start_soon(rig.channel.run, Box())
                await ready(rig.channel)
                group.cancel_scope.cancel()


async def test_what_it_hears_is_in_the_inbox(rig: Rig) -> None:
    box = Box()
    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(rig.channel.run, box)
            if rig.say is not None:
                await rig.say("hello")
                await rig.say("again")
                await box.hears(2)
            await ready(rig.channel)
            group.cancel_scope.cancel()
    assert [incoming.text for incoming in box.heard] == (["hello", "again"] if rig.say else [])
    assert len({incoming.key for incoming in box.heard}) == len(box.heard)
    assert {incoming.channel for incoming in box.heard} <= {"here"}


async def test_sends_unless_a_commit_delivers(rig: Rig) -> None:
    if rig.channel.traits.delivered_by_commit:
        with pytest.raises(SendFailed) as failure:
            await send(rig.channel, "hi")
        assert failure.value.retry_after_s is None
        assert failure.value.fix
    else:
        if rig.say is not None:
            async with anyio.create_task_group() as group:  # platforms let nobody write first to people
                group.start_soon(rig.channel.run, Box())
                await rig.say("hello")
                group.cancel_scope.cancel()
        first = await send(rig.channel, "hi", rig.chat)
        second = await send(rig.channel, "hi", rig.chat)
        assert first
        assert second
        assert not set(first) & set(second)
