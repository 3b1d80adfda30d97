"""A drive by itself: the text that it shows while a reply grows, and when it says that there is something to do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel

from bridge_mcp.core.entries import Heard, Log, Posted, Question
from bridge_mcp.core.errors import ModelFailed
from bridge_mcp.core.tools import JSON, ToolResult
from bridge_mcp.engine.turns.conversation_worker import ConversationWorker
from bridge_mcp.engine.turns.deps import Deps
from bridge_mcp.engine.turns.policies import Policies
from bridge_mcp.operations.recent_log import LogCache
from bridge_mcp.ports import Store
from bridge_mcp.testing import FakeModel, FakeToolbox, calls, says
from tests.integration.setup import ANN, WallClock, open_store, rules_for


def deps_of(store: Store, model: FakeModel, toolbox: FakeToolbox, recent_logs: LogCache, **more: Any) -> Deps:
    clock = WallClock()
    policies = Policies(rules_for(), toolbox, store.grants, clock, store.spending)
    return Deps(store, model, toolbox, policies=policies, recent_logs=recent_logs, clock=clock, traits={}, **more)


async def test_a_growing_text_goes_to_whoever_shows_it(tmp_path: Path) -> None:
    shown: list[tuple[str, int, str]] = []

    def show(conversation: str, started: int, text: str) -> None:
        shown.append((conversation, started, text))

    model = FakeModel([ModelFailed("broke off", retry_after_s=0.0), says("two words"), says("not seen")])
    store = await open_store(tmp_path, WallClock())
    shows = "local/seen".__eq__
    deps = deps_of(store, model, FakeToolbox(), LogCache(store.log), show_text=show, shows=shows)
    try:
        for conversation in ("local/seen", "local/unseen"):
            await store.log.record(conversation, Heard("hi", ANN, "m1"))
            await ConversationWorker(conversation, deps).run()
    finally:
        await store.close()
    model.finish()
    assert shown == [
        ("local/seen", 1, ""),
        ("local/seen", 3, "two"),
        ("local/seen", 3, "two words"),
        ("local/seen", 3, ""),
    ]


class HeldLog(LogCache):
    """Read slowly: the tool that has put a question ends meanwhile."""

    def __init__(self, store: Store) -> None:
        super().__init__(store.log)
        self.over = anyio.Event()

    async def get(self, conversation: str, limit: int) -> Log:
        log = await super().get(conversation, limit)
        if isinstance(log[-1].entry, Posted):
            self.over.set()
            for _ in range(20):
                await anyio.lowlevel.checkpoint()
        return log


async def test_a_call_that_ends_without_an_outcome_while_the_log_is_read_is_looked_at_once_more(tmp_path: Path) -> None:
    """The question that it has put to people ends by itself: who takes the call for running still would not know."""
    store = await open_store(tmp_path, WallClock())
    toolbox, recent_logs = FakeToolbox(), HeldLog(store)
    ends = WallClock().now() + 3600

    @toolbox.tool("people__ask", read_only=True)
    async def ask(arguments: Mapping[str, JSON]) -> ToolResult:
        await store.log.record("local/main", Posted("Well?", ANN, "asks:1.0", question=Question((), ends, "1.0")))
        worker.note_head(None)
        await recent_logs.over.wait()
        return ToolResult("The answer comes later.", later=True)

    worker = ConversationWorker(
        "local/main", deps_of(store, FakeModel([calls(("people__ask", {}))]), toolbox, recent_logs)
    )
    await store.log.record("local/main", Heard("ask them", ANN, "m1"))
    with anyio.fail_after(10):
        await worker.run()
    assert recent_logs.over.is_set()
    assert worker.until == ends
    assert await store.agenda.next_due(0.0) == ends
    await store.close()
