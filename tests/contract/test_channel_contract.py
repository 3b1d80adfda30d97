"""What every `Channel` holds to, whatever its platform; each rig says how its platform is reached."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio
import pytest

from bridge_mcp.channels.local import LocalChannel
from bridge_mcp.core.errors import SendFailed
from bridge_mcp.ports import Arrival, Channel, Incoming, Outgoing
from bridge_mcp.testing import FakeChannel


async def send(channel: Channel, text: str) -> tuple[str, ...]:
    """Everything a short message takes."""
    (part,) = channel.parts(Outgoing("1", text))
    return await channel.send(part)


class Box:
    """An `Inbox` that keeps what it is given."""

    def __init__(self) -> None:
        self.heard: list[Incoming] = []

    async def put(self, arrival: Arrival) -> str:
        assert isinstance(arrival, Incoming)
        self.heard.append(arrival)
        return "Who are you?" if arrival.sender.id == "stranger" else ""

    async def offset(self, channel: str) -> int | None:
        return None


@dataclass(frozen=True)
class Rig:
    channel: Channel
    say: Callable[[str], Awaitable[object]] | None = None
    """Lets somebody write on the platform; None: nobody can."""


def local() -> Rig:
    return Rig(LocalChannel("here"))


def fake() -> Rig:
    channel = FakeChannel("here")
    return Rig(channel, channel.receive)


@pytest.fixture(params=[local, fake])
def rig(request: pytest.FixtureRequest) -> Rig:
    return request.param()


def test_says_what_it_is_like(rig: Rig) -> None:
    assert rig.channel.traits.name == "here"
    assert rig.channel.traits.type


async def test_runs_until_cancelled_and_is_ready_meanwhile(rig: Rig) -> None:
    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(rig.channel.run, Box())
            await anyio.wait_all_tasks_blocked()
            assert rig.channel.health().state == "ready"
            assert not rig.channel.health().error
            group.cancel_scope.cancel()
    assert group.cancel_scope.cancelled_caught


async def test_runs_again_after_it_was_cancelled(rig: Rig) -> None:
    for _ in range(2):
        with anyio.fail_after(5):
            async with anyio.create_task_group() as group:
                group.start_soon(rig.channel.run, Box())
                await anyio.wait_all_tasks_blocked()
                assert rig.channel.health().state == "ready"
                group.cancel_scope.cancel()


async def test_what_it_hears_is_in_the_inbox(rig: Rig) -> None:
    box = Box()
    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(rig.channel.run, box)
            if rig.say is not None:
                await rig.say("hello")
                await rig.say("again")
            await anyio.wait_all_tasks_blocked()
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
        first = await send(rig.channel, "hi")
        second = await send(rig.channel, "hi")
        assert first
        assert second
        assert not set(first) & set(second)
