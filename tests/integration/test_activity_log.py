"""The engine's log tells its owner who asks to be let in, and by which code; no client is told the code."""

from __future__ import annotations

import logging
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from bridge_mcp.core.entries import Sender
from bridge_mcp.testing import FakeModel, says
from tests.integration.setup import OWNER, world


@pytest.mark.shows("cli.log")
async def test_a_stranger_is_named_with_the_code_in_the_log_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "bridge_mcp.engine.activity_log")
    async with world(tmp_path, FakeModel([says("Who are you?")])) as it:
        await it.family.receive("let me in, my secret is 42", chat="9", sender=Sender("9", "Eve"))
        ((request,), told) = (await it.bridge.list_pairings(OWNER))[1], await it.events("pairing.requested")
        line = f"family: Eve (9) asks to be let in: bridge-mcp pair add {request.code}"
        with anyio.fail_after(10):
            while line not in caplog.messages:
                await anyio.lowlevel.checkpoint()
        await it.bridge.pair_chat(OWNER, code=request.code)
        with anyio.fail_after(10):
            while "family: 9 is let in as user" not in caplog.messages:
                await anyio.lowlevel.checkpoint()
        await it.events("turn.finished")
    assert request.code not in str(told)
    lines = [each.getMessage() for each in caplog.records if each.name.endswith("activity_log")]
    assert "my secret" not in "\n".join(lines)


@pytest.mark.shows("cli.log")
async def test_what_this_process_alone_did_is_told_at_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "bridge_mcp.engine.activity_log")
    async with world(tmp_path, FakeModel([says("one"), says("two")])) as it:
        for number in range(2):
            await anyio.sleep(2.0)  # what the engine writes when it begins is over: nothing else wakes anybody
            with anyio.fail_after(10):
                await it.bridge.say(OWNER, "local/1", f"hello {number}")
                while sum(": answered in " in each for each in caplog.messages) <= number:  # noqa: ASYNC110 - the log sets no event
                    await anyio.sleep(0.01)
