"""What a turn costs beside its model and its tools: how often its log is read, looked through and decided by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from bridge_mcp.core import decide, state
from bridge_mcp.core.entries import Heard
from bridge_mcp.core.tools import JSON
from bridge_mcp.ports import ModelReply, ModelRequest
from bridge_mcp.stores.sql.log import SqlLog
from bridge_mcp.testing import FakeModel, FakeToolbox, calls, says
from tests.integration.setup import ANN, World, open_store, world

CHAT = "local/main"


@contextmanager
def counted() -> Generator[Counter[str]]:
    """How often the log of `CHAT` is read from the store, looked through, and a step decided by it."""
    found: Counter[str] = Counter()
    with pytest.MonkeyPatch.context() as patch:
        for where, name, what in (
            (SqlLog, "load", "read"),
            (SqlLog, "tail", "read"),
            (SqlLog, "unsettled", "read"),
            (state.State, "__init__", "looked through"),
            (decide, "step_of_calls", "decided"),
        ):
            plain = getattr(where, name)

            def counting(*args: Any, plain: Any = plain, what: str = what, **more: Any) -> Any:
                found[what] += 1
                return plain(*args, **more)

            patch.setattr(where, name, counting)
        yield found


async def turn(it: World, number: int) -> Counter[str]:
    """What one turn takes, from its message to where the conversation rests."""
    with counted() as found:
        await it.say(f"text {number}")
        await it.events("turn.finished", number, conversation=CHAT)
        await anyio.wait_all_tasks_blocked()
    return found


async def cheapest(it: World, *numbers: int) -> Counter[str]:
    """What the cheapest of some turns takes: one that meets the engine's own look for what is due reads once more."""
    return min([await turn(it, number) for number in numbers], key=lambda counts: counts.total())


async def test_a_turn_reads_its_log_once(tmp_path: Path) -> None:
    """Then it knows what it writes itself."""
    async with world(tmp_path, FakeModel([says("one")] * 4)) as it:
        assert await cheapest(it, 1, 2, 3, 4) == {"read": 1, "looked through": 2, "decided": 3}


async def test_a_turn_with_a_call_reads_what_came_of_it(tmp_path: Path) -> None:
    toolbox = FakeToolbox()

    @toolbox.tool("files__list", read_only=True)
    async def _list(arguments: Mapping[str, JSON]) -> str:
        return "a.txt"

    model = FakeModel([says("one"), *[calls(("files__list", {})), says("It is a.txt.")] * 4])
    async with world(tmp_path, model, toolbox) as it:
        await turn(it, 1)
        assert await cheapest(it, 2, 3, 4, 5) == {"read": 2, "looked through": 5, "decided": 7}


async def test_what_another_process_writes_while_the_model_is_at_work_is_read(tmp_path: Path) -> None:
    asked = anyio.Event()
    go_on = anyio.Event()

    async def reply(request: ModelRequest) -> ModelReply:
        if request.messages[-1].text.endswith("and?"):
            return says("both")
        asked.set()
        await go_on.wait()
        return says("the first")

    async with world(tmp_path, FakeModel(reply)) as it:
        other = await open_store(tmp_path, it.clock)
        await it.say("hello")
        await asked.wait()
        await other.log.record(CHAT, Heard("and?", ANN, "m2"))
        go_on.set()
        await it.events("turn.finished", 2, conversation=CHAT)
        await other.close()
        assert await it.texts() == ["hello", "and?", "the first", "both"]
