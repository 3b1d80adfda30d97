"""The bridge's own tools: who and where, sending on, asking people, reminders; each through the gate, each once."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import anyio
import pytest

from bridge_mcp.core.entries import Attachment, Finished, Heard, Posted, Rang, Scheduled, Sender
from bridge_mcp.core.errors import BadInput
from bridge_mcp.core.tools import JSON
from bridge_mcp.ports import ChannelRules, ModelReply, Pairing
from bridge_mcp.testing import FakeModel, FakeToolbox, calls, says
from bridge_mcp.toolservers.builtin import WithBuiltins
from bridge_mcp.toolservers.builtin_actions import BuiltinActions
from tests.integration.setup import ANN, OWNER, SUPERVISOR, WallClock, World, open_store, rules_for, world

pytestmark = pytest.mark.either_store

ALL = ("whoami", "send_message", "ask_user", "remind")
HERE = "local/main"


@asynccontextmanager
async def assistant_with(folder: Path, *plan: ModelReply, tools: tuple[str, ...] = ALL) -> AsyncGenerator[World]:
    """A world whose assistant has these tools on both of its channels."""
    clock = WallClock()
    store = await open_store(folder, clock)
    channels = {name: ChannelRules(name, "assistant", builtin_tools=tools) for name in ("local", "family")}

    async def outbox(name: str) -> Attachment:
        if name != "plan.pdf":
            raise BadInput(f"'{name}' cannot be sent.")
        return Attachment("file:/outbox/plan.pdf", "file", "application/pdf", name="plan.pdf", size=9)

    traits: dict[str, Any] = {}
    box = WithBuiltins(FakeToolbox(), BuiltinActions(store, traits, clock, outbox=outbox).tools())
    try:
        async with world(folder, FakeModel(plan), cast("FakeToolbox", box), rules=rules_for(channels=channels)) as it:
            traits.update(it.bridge.traits)
            await store.access.pair(Pairing("family", "7"))
            yield it
    finally:
        await store.close()


def results(it: World, request: int) -> list[str]:
    """What the model was told of its calls."""
    return [m.text for m in cast("FakeModel", it.model).requests[request].messages if m.role == "tool"]


async def test_only_the_tools_of_the_channel_are_offered(tmp_path: Path) -> None:
    async with assistant_with(tmp_path, says("Hello."), tools=("whoami",)) as it:
        await it.settled("hi")
        assert [t.name for t in cast("FakeModel", it.model).requests[0].tools] == ["bridge__whoami"]
    (tmp_path / "none").mkdir()
    async with assistant_with(tmp_path / "none", says("Hello."), tools=()) as it:
        await it.settled("hi")
        assert cast("FakeModel", it.model).requests[0].tools == ()


async def test_the_assistant_knows_where_it_is_and_which_files_came(tmp_path: Path) -> None:
    async with assistant_with(tmp_path, calls(("bridge__whoami", {})), says("In the family.")) as it:
        photo = Attachment("tg-1", "image", "image/jpeg", name="cat.jpg", size=5)
        await it.family.receive("where am I?", chat="7", sender=ANN, attachments=(photo,))
        await it.events("turn.finished")
        (told,) = results(it, 1)
    assert '"conversation":"family/7"' in told
    assert '"asked_by":"assistant for family:7"' in told
    assert '{"id":"family/7#0/0","kind":"image","mime":"image/jpeg","name":"cat.jpg","size":5}' in told


@pytest.mark.shows("assistant.builtin")
async def test_sending_to_another_chat_asks_first_and_goes_through_the_outbox(tmp_path: Path) -> None:
    message: dict[str, JSON] = {"conversation": "family/7", "text": "Dinner!", "files": ["plan.pdf"]}
    async with assistant_with(tmp_path, calls(("bridge__send_message", message)), says("Sent.")) as it:
        turn = await it.say("tell the family")
        (waiting,) = await it.approvals()
        assert waiting.reason == "send_message is not read-only"
        assert await it.store.log.load("family/7") == ()
        await it.bridge.approve_call(SUPERVISOR, waiting.id)
        await it.bridge.wait_for(OWNER, f"turn:{turn}", timeout_s=10)
        log = [e.entry for e in await it.store.log.load("family/7")]
        (posted,) = [e for e in log if isinstance(e, Posted)]
        assert (posted.text, posted.files[0].ref, posted.by.kind) == ("Dinner!", "file:/outbox/plan.pdf", "bot")


async def test_what_cannot_be_sent_is_told_to_the_model(tmp_path: Path) -> None:
    tries: list[dict[str, JSON]] = [
        {"conversation": "family/8", "text": "hi"},
        {"conversation": "nowhere/1", "text": "hi"},
        {"conversation": "family/7", "text": " "},
        {"conversation": "family/7", "text": "", "files": ["/etc/passwd"]},
        {"conversation": "family/7", "text": "", "files": ["family/7#0/0"]},
    ]
    plan = calls(*(("bridge__send_message", each) for each in tries))
    async with assistant_with(tmp_path, plan, says("No.")) as it:
        await it.say("try")
        for waiting in await it.approvals(5):
            await it.bridge.approve_call(SUPERVISOR, waiting.id)
        await it.events("turn.finished")
        told = results(it, 1)
        assert [word in text for word, text in zip(
            ("not paired", "no chat", "empty", "cannot be sent", "no file"), told, strict=True
        )] == [True] * 5, told  # fmt: skip
        assert await it.store.log.load("family/7") == ()


@pytest.mark.shows("assistant.builtin")
async def test_an_answer_is_the_result_of_the_call_also_after_a_restart(tmp_path: Path) -> None:
    question: dict[str, JSON] = {"question": "Which one?", "choices": ["red", "blue"]}
    async with assistant_with(tmp_path, calls(("bridge__ask_user", question))) as it:
        await it.family.receive("paint it", chat="7", sender=ANN)
        await it.events("message.queued")
        await it.events("tool.started")
    for _ in range(5):  # more restarts than a call that is repeated has attempts
        async with assistant_with(tmp_path) as it:
            await it.bridge.get_status(OWNER)
            await anyio.lowlevel.checkpoint()
    async with assistant_with(tmp_path, says("Blue it is.")) as it:
        await it.family.receive("blue", chat="7", sender=ANN, key="later")
        await it.events("turn.finished")
        assert results(it, 0) == ["blue"]
        said = [m.text for m in cast("FakeModel", it.model).requests[0].messages if m.role == "user"]
        assert said == ["paint it"], "the answer is no message beside"
        log = [e.entry for e in await it.store.log.load("family/7")]
        assert sum(isinstance(e, Posted) for e in log) == 1
        assert sum(isinstance(e, Finished) for e in log) == 1


async def test_a_question_that_nobody_answers_ends(tmp_path: Path) -> None:
    question = {"question": "Anybody?", "expires_h": 0.00005}
    async with assistant_with(tmp_path, calls(("bridge__ask_user", question)), says("Nobody.")) as it:
        assert await it.settled("ask") == "Nobody."
        assert results(it, 1) == ["Nobody answered in time."]


async def test_stopping_a_turn_ends_its_question(tmp_path: Path) -> None:
    async with assistant_with(tmp_path, calls(("bridge__ask_user", {"question": "Well?"})), says("Yes?")) as it:
        await it.say("ask")
        await it.events("message.sent")
        await it.say("/stop")
        assert await it.settled("still there?") == "Yes?"


@pytest.mark.shows("assistant.builtin")
async def test_a_reminder_comes_back_as_a_message_to_the_assistant_once(tmp_path: Path) -> None:
    plan = calls(("bridge__remind", {"text": "call mum", "in_s": 1})), says("I will."), says("Call mum!")
    async with assistant_with(tmp_path, *plan[:2]) as it:
        assert await it.settled("remind me") == "I will."
    async with assistant_with(tmp_path, plan[2]) as it:
        await it.events("turn.finished", 2)
        last = cast("FakeModel", it.model).requests[0].messages[-1]
        assert (last.role, "call mum" in last.text) == ("user", True)
        assert (await it.texts())[-1] == "Call mum!"
        (own,) = [c for c in await it.store.agenda.due(float("inf"), 10) if c.startswith("calls/")] or [""]
        assert own == "", "nothing is left to do"
        assert await it.bridge.read_messages(OWNER, HERE)


async def test_a_reminder_that_rang_twice_is_heard_once(tmp_path: Path) -> None:
    from bridge_mcp.core.steps import Ring
    from bridge_mcp.engine.outbound import reminders

    async with assistant_with(tmp_path) as it:
        wanted = Scheduled("family/9", "x", 5.0, call="1.0")
        await it.store.log.record("calls/bridge.00", wanted)
        for _ in range(2):
            await reminders.fire_reminder(it.store, it.bridge.traits, "calls/bridge.00", Ring(wanted))
        log = [e.entry for e in await it.store.log.load("calls/bridge.00")]
        assert log == [wanted, Rang()]
        heard = [e.entry for e in await it.store.log.load("family/9")]
        assert [e.sender for e in heard if isinstance(e, Heard)] == [Sender("bridge", "reminder", "bot")]
