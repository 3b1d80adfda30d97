"""What a chat is shown while turns go on: never the text of a reply that stands there as a message."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from bridge_mcp.core.errors import ModelFailed
from bridge_mcp.core.tools import JSON
from bridge_mcp.engine.outbound import chat_activity
from bridge_mcp.engine.outbound.chat_activity import ChatActivity
from bridge_mcp.ports import Pairing
from bridge_mcp.stores.sqlite import open_store
from bridge_mcp.testing import FakeChannel, FakeModel, FakeToolbox, ManualClock, calls, says
from tests.integration.setup import world

CHAT = "family/1"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks every few milliseconds, and typing that fades at once: each look shows what there is."""
    monkeypatch.setattr(chat_activity, "GRACE_S", 0.0)
    monkeypatch.setattr(chat_activity, "TICK_S", 0.01)
    monkeypatch.setattr(chat_activity, "TYPING_S", 0.01)


async def test_a_turn_that_begins_at_once_does_not_show_the_text_of_the_one_before(tmp_path: Path) -> None:
    store = await open_store(tmp_path / "bridge.db", clock=ManualClock())
    channel = FakeChannel("family")
    shown = ChatActivity({"family": channel}, store.channel_state)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(shown.run)
        shown.begin(CHAT)
        shown.text(CHAT, 3, "Dinner is at seven.")
        while ("1", 4, "Dinner is at seven.") not in channel.shown:
            await anyio.lowlevel.checkpoint()
        shown.end(CHAT)
        shown.begin(CHAT)
        before = len(channel.shown)
        while len(channel.shown) < before + 5:
            await anyio.lowlevel.checkpoint()
        assert [text for _, _, text in channel.shown[before:]] == [""] * (len(channel.shown) - before)
        tasks.cancel_scope.cancel()
    await store.close()


@pytest.mark.parametrize("ends", ["a message with calls", "a failure"])
async def test_once_a_model_call_is_over_its_text_is_taken_back(tmp_path: Path, ends: str) -> None:
    toolbox = FakeToolbox()

    @toolbox.tool("files__list", read_only=True)
    async def list_files(arguments: Mapping[str, JSON]) -> str:
        return "a.txt"

    held = toolbox.hold("files__list")
    first = calls(("files__list", {}), text="Let me look that up.")
    plan = (
        [first, says("There is one.")] if ends == "a message with calls" else [ModelFailed("busy"), first, says("One.")]
    )
    async with world(tmp_path, FakeModel(plan), toolbox) as it:
        await it.store.access.pair(Pairing("family", "1"))
        await it.family.receive("what is there?")
        with anyio.fail_after(10):
            await held.entered.wait()
        await it.family.wait_for_sent(1)
        before = len(it.family.shown)
        with anyio.fail_after(10):
            while len(it.family.shown) < before + 3:
                await anyio.lowlevel.checkpoint()
        # One look may have begun before the message was sent.
        assert {text for _, _, text in it.family.shown[before + 1 :]} == {""}
        held.release()
        await it.family.wait_for_sent(2)
