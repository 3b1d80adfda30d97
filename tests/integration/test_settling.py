"""Where a platform knows a repeat, what may have gone out is sent again, and nobody reads it twice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest

from bridge_mcp.core.errors import SendFailed, SendUncertain
from bridge_mcp.core.spans import Span
from bridge_mcp.ports import Outgoing
from bridge_mcp.telemetry.lane import SpanLane
from bridge_mcp.testing import ManualClock
from tests.integration.setup import HOST, OWNER, WallClock, World, world

pytestmark = pytest.mark.either_store

CHAT = "family/7"


async def left_sending(it: World) -> None:
    """A message that an engine was sending when it died."""
    await it.bridge.pair_chat(OWNER, channel="family", chat="7")
    sent = await it.bridge.send_message(HOST, CHAT, "once", wait_s=0)
    assert await it.store.outbox.begin(CHAT, int(sent.message.partition("#")[2])) is not None


@pytest.mark.shows("chats.settled")
@pytest.mark.parametrize("arrived", [False, True])
async def test_an_uncertain_send_is_settled_by_its_key(tmp_path: Path, arrived: bool) -> None:
    async with world(tmp_path, settles_s=60.0) as it:
        await it.bridge.pair_chat(OWNER, channel="family", chat="7")
        it.family.fail(SendUncertain("The connection broke."), arrived=arrived)
        sent = await it.bridge.send_message(HOST, CHAT, "once")
        assert sent.status == "sent"
        assert [each.text for each in it.family.sent] == ["once"]
        assert [each.key for each in it.family.attempts if isinstance(each, Outgoing)] == [sent.message, sent.message]


@pytest.mark.shows("chats.settled")
async def test_what_a_dead_engine_was_sending_is_sent_again_where_that_is_harmless(tmp_path: Path) -> None:
    async with world(tmp_path, settles_s=60.0, engine=False) as it:
        await left_sending(it)
    async with world(tmp_path, settles_s=60.0) as it:
        await it.family.wait_for_sent(1)
        await it.events("message.sent")


async def test_what_is_older_than_the_platform_remembers_stays_uncertain(tmp_path: Path) -> None:
    clock = ManualClock(WallClock().now())
    async with world(tmp_path, settles_s=60.0, clock=clock, engine=False) as it:
        await left_sending(it)
    clock.advance(61)
    async with world(tmp_path, settles_s=60.0, clock=clock) as it:
        await it.events("message.uncertain")
        assert it.family.attempts == []


@pytest.mark.shows("telemetry.tries")
async def test_every_try_is_a_span_below_its_message_also_one_that_a_dead_engine_was_at(tmp_path: Path) -> None:
    found, whole = list[Span](), anyio.Event()

    async def export(spans: Sequence[Span]) -> bool:
        found.extend(spans)
        if any(each.name == "send family" for each in spans):
            whole.set()
        return True

    async with world(tmp_path, settles_s=60.0, engine=False) as it, anyio.create_task_group() as tasks:
        tasks.start_soon(SpanLane(it.store, export, contents=False).run)
        await left_sending(it)
        it.family.fail(SendFailed("flood", retry_after_s=0.01))
        async with it.engine_with(it.toolbox):
            with anyio.fail_after(20):
                await whole.wait()
        tasks.cancel_scope.cancel()
    *tries, send = found
    assert [each.attributes["bridge.try"] for each in tries] == [1, 2, 3]
    assert [(each.name, each.error) for each in tries] == [("try family", "again")] * 2 + [("try family", "")]
    assert tries[1].attributes["bridge.retry_after_s"] == pytest.approx(0.01, abs=0.005)  # pyright: ignore[reportUnknownMemberType]
    assert {each.attributes["gen_ai.conversation.id"] for each in tries} == {CHAT}
    assert {each.parent for each in tries} == {send.id}
    assert tries[1].start < tries[1].end <= tries[2].start < tries[2].end == send.end
