"""Slack's rates are kept: bursts at once, then a request at a time, and what would wait for long is sent back."""

from __future__ import annotations

import pytest

from bridge_mcp.channels.slack.rates import MESSAGE, METHODS, TIERS, Pace


class Time:
    """Goes on by sleeping alone."""

    def __init__(self) -> None:
        self.at, self.slept = 100.0, list[float]()

    def now(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds


async def test_a_channel_takes_a_burst_and_then_a_message_a_second() -> None:
    time = Time()
    pace = Pace(time.now, time.sleep)
    for _ in range(MESSAGE.burst + 2):
        assert await pace.turn("chat_postMessage", {"channel": "C1"}) == 0.0
    assert time.slept == [pytest.approx(1.0), pytest.approx(1.0)]
    assert await pace.turn("chat_postMessage", {"channel": "C2"}) == 0.0, "another channel has a pace of its own"
    assert len(time.slept) == 2
    time.at += 60
    for _ in range(MESSAGE.burst):
        assert await pace.turn("chat_postMessage", {"channel": "C1"}) == 0.0
    assert len(time.slept) == 2, "after a rest the burst is there again"


async def test_what_would_wait_for_long_is_sent_back_with_the_time_and_not_counted() -> None:
    time = Time()
    pace = Pace(time.now, time.sleep, patience_s=0.5)
    for _ in range(MESSAGE.burst):
        await pace.turn("chat_postMessage", {"channel": "C1"})
    for _ in range(3):
        assert await pace.turn("chat_postMessage", {"channel": "C1"}) == pytest.approx(1.0)
    assert time.slept == []
    time.at += 1.0
    assert await pace.turn("chat_postMessage", {"channel": "C1"}) == 0.0


@pytest.mark.parametrize(("method", "tier"), METHODS.items())
async def test_a_minute_holds_no_more_requests_than_the_tier_and_one_burst(method: str, tier: int) -> None:
    time, asked = Time(), 0
    pace = Pace(time.now, time.sleep, patience_s=1e9)
    end = time.at + 60
    while time.at < end:
        await pace.turn(method, {})
        asked += 1
    assert asked <= 60 / TIERS[tier].every_s + TIERS[tier].burst + 1
    assert await pace.turn("views_open", {}) == 0.0, "interactions are never held back"
