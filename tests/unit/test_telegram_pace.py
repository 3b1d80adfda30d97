"""The pace of sending: Telegram's limits, kept without waiting long and without a single real second."""

from __future__ import annotations

import itertools

import anyio
import pytest

from bridge_mcp.channels.telegram.send.rate_limit import PATIENCE_S, SWEEP_AT, Pacer, Rates
from bridge_mcp.testing import ManualClock
from tests.servers.telegram import Limiter, Limits

pytestmark = pytest.mark.anyio


class Time:
    """A clock, and a way to wait by it: whoever waits gets on in the order of the times."""

    def __init__(self) -> None:
        self.clock = ManualClock(1000.0)
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.advance(seconds)


def pacer(time: Time, rates: Rates | None = None) -> Pacer:
    return Pacer(time.clock, rates=rates or Rates(), sleep=time.sleep)


async def test_a_short_burst_goes_at_once_and_then_one_a_second() -> None:
    time = Time()
    paced = pacer(time)
    for _ in range(5):
        assert await paced.turn(1) == 0.0
    assert time.slept == pytest.approx([1.05, 1.05])
    time.clock.advance(60)
    assert [await paced.turn(1) for _ in range(3)] == [0.0] * 3
    assert len(time.slept) == 2


async def test_chats_do_not_wait_for_each_other() -> None:
    time = Time()
    paced = pacer(time)
    for chat in range(1, 9):
        for _ in range(3):
            assert await paced.turn(chat) == 0.0
    assert time.slept == []


async def test_a_longer_wait_is_told_and_not_waited() -> None:
    time = Time()
    paced = pacer(time)
    for _ in range(20):
        assert await paced.turn(-5) == 0.0
        time.clock.advance(1.05)
    wait = await paced.turn(-5)
    assert wait == pytest.approx(61.0 - 20 * 1.05)
    assert await paced.turn(-5) == pytest.approx(wait), "asking counts nothing"
    assert await paced.turn(5) == 0.0
    assert time.slept == []
    time.clock.advance(wait)
    assert await paced.turn(-5) == 0.0


async def test_thirty_a_second_in_all() -> None:
    time = Time()
    paced = pacer(time)
    for chat in range(30):
        assert await paced.turn(chat + 1) == 0.0
    assert time.slept == []
    assert await paced.turn(100) == 0.0
    assert time.slept == pytest.approx([1.1])


async def test_who_would_wait_too_long_for_all_gets_its_turn_back() -> None:
    """Concurrent callers stand in line; for whom that is too long is told the time, and its chat is not charged."""
    clock = ManualClock()
    waiting: list[float] = []

    async def sleep(seconds: float) -> None:
        waiting.append(seconds)
        await anyio.sleep_forever()

    paced = Pacer(clock, sleep=sleep)
    async with anyio.create_task_group() as tasks:
        for chat in range(60):
            tasks.start_soon(paced.turn, chat + 1)
        await anyio.wait_all_tasks_blocked()
        assert waiting == pytest.approx([1.1] * 30)
        assert await paced.turn(-7) == pytest.approx(2.2)
        tasks.cancel_scope.cancel()
    clock.advance(10)
    assert [await paced.turn(-7) for _ in range(3)] == [0.0] * 3


async def test_an_album_counts_as_what_is_in_it() -> None:
    time = Time()
    paced = pacer(time)
    assert await paced.turn(1, 10) == 0.0
    wait = await paced.turn(1)
    assert wait == pytest.approx(8 * 1.05)
    time.clock.advance(wait)
    assert await paced.turn(1) == 0.0


async def test_after_a_429_a_chat_rests_and_others_do_not() -> None:
    time = Time()
    paced = pacer(time)
    paced.shut(1, 30)
    assert await paced.turn(1) == pytest.approx(30)
    assert await paced.turn(2) == 0.0
    time.clock.advance(29)
    assert await paced.turn(1) == 0.0
    assert time.slept == pytest.approx([1.0])


async def test_what_may_be_left_out_takes_only_what_is_to_spare() -> None:
    time = Time()
    paced = pacer(time)
    assert [paced.spare() for _ in range(20)] == [True] * 16 + [False] * 4
    for chat in range(14):
        assert await paced.turn(chat + 1) == 0.0
    assert time.slept == []
    time.clock.advance(1.2)
    assert paced.spare()


async def test_a_clock_that_is_set_back_holds_up_nothing() -> None:
    time = Time()
    paced = pacer(time)
    for _ in range(3):
        await paced.turn(-1)
    for chat in range(30):
        await paced.turn(chat + 10)
    paced.shut(2, 5)
    time.clock.advance(-3600)
    for chat in (-1, 3):
        assert await paced.turn(chat) <= PATIENCE_S
    assert await paced.turn(2) <= 5


async def test_chats_that_rested_are_forgotten() -> None:
    time = Time()
    paced = pacer(time, Rates(in_all=1_000_000))
    for chat in range(1, 20 * SWEEP_AT):
        await paced.turn(-chat)
        time.clock.advance(0.5)
        assert paced.chats <= 2 * SWEEP_AT
    paced.shut(4, 1_000_000)
    for chat in range(1, 5 * SWEEP_AT):
        await paced.turn(chat)
        time.clock.advance(5)
    assert await paced.turn(4) > PATIENCE_S


@pytest.mark.parametrize("chats", [[1], [-1], [1, 2, -3, -4], list(range(-20, 60))])
async def test_telegrams_limits_are_never_met(chats: list[int]) -> None:
    """Whoever asks in turn, and comes back when told, is never refused by the loopback Telegram's own limits."""
    time = Time()
    paced = pacer(time)
    limiter = Limiter(time.clock, Limits())
    due = dict.fromkeys(chats, time.clock.now())
    sent = 0
    for chat in itertools.islice(itertools.cycle(chats), 1500):
        if due[chat] > time.clock.now():
            time.clock.advance(0.01)
            continue
        wait = await paced.turn(chat)
        if wait:
            due[chat] = time.clock.now() + wait
            continue
        assert limiter.admit(chat, chat < 0) == 0
        sent += 1
    assert sent >= 20
