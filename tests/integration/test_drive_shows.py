"""A reply's text while it grows: the drive hands it to whoever can show it, and asks for it only then."""

from __future__ import annotations

from pathlib import Path

from bridge_mcp.core.entries import Heard
from bridge_mcp.core.errors import ModelFailed
from bridge_mcp.engine.turns.conversation_worker import ConversationWorker
from bridge_mcp.engine.turns.deps import Deps
from bridge_mcp.engine.turns.policies import Policies
from bridge_mcp.operations.recent_log import LogCache
from bridge_mcp.stores.sqlite import open_store
from bridge_mcp.testing import FakeModel, FakeToolbox, says
from tests.integration.setup import ANN, WallClock, rules_for


async def test_a_growing_text_goes_to_whoever_shows_it(tmp_path: Path) -> None:
    shown: list[tuple[str, int, str]] = []

    def show(conversation: str, started: int, text: str) -> None:
        shown.append((conversation, started, text))

    clock, toolbox = WallClock(), FakeToolbox()
    model = FakeModel([ModelFailed("broke off", retry_after_s=0.0), says("two words"), says("not seen")])
    store = await open_store(tmp_path / "bridge.db", clock=clock)
    deps = Deps(
        store,
        model,
        toolbox,
        policies=Policies(rules_for(), toolbox, store.grants, clock, store.spending),
        recent_logs=LogCache(store.log),
        clock=clock,
        traits={},
        show_text=show,
        shows=lambda conversation: conversation == "local/seen",
    )
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
