"""Long conversations: what the model is sent, what is summed up, and what happens when that fails."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from bridge_mcp.core.entries import Failed, Started, Summarised, Usage
from bridge_mcp.core.errors import ModelFailed
from bridge_mcp.core.summary import TASK
from bridge_mcp.core.tools import JSON
from bridge_mcp.core.transcript import SUMMARY
from bridge_mcp.core.window import Window
from bridge_mcp.engine.turns.model_requests import window_of
from bridge_mcp.ports import ChannelRules, ModelReply, ModelRequest, Rules
from bridge_mcp.testing import FakeModel, FakeToolbox, calls, says
from tests.integration.setup import OWNER, World, rules_for, world

SMALL = Window(context_tokens=2_000)


def small(**changes: object) -> Rules:
    channel = ChannelRules("local", "assistant", system_prompt="Be kind.", chat_context=False, window=SMALL)
    return rules_for(channels={"local": channel}, **changes)


def is_summary(request: ModelRequest) -> bool:
    return request.messages[0].text == TASK


def talker(summary: ModelReply | ModelFailed) -> FakeModel:
    """Answers every message with its number; a request for a summary with this."""
    replies = 0

    def reply(request: ModelRequest) -> ModelReply | ModelFailed:
        nonlocal replies
        if is_summary(request):
            return summary
        replies += 1
        return says(f"answer {replies}")

    return FakeModel(reply)


async def entries(it: World, kind: type) -> list[object]:
    return [e.entry for e in await it.bridge.read_log(OWNER, "local/main") if isinstance(e.entry, kind)]


@pytest.mark.shows("assistant.window")
async def test_a_long_conversation_is_summed_up_and_its_requests_begin_the_same_for_many_turns(tmp_path: Path) -> None:
    model = talker(ModelReply("Ann counts.", model="fake", usage=Usage(100, 10, cost_usd=0.25)))
    async with world(tmp_path, model, rules=small()) as it:
        for number in range(16):
            assert await it.settled(f"{number}: " + "word " * 60) == f"answer {number + 1}"
        summed = await entries(it, Summarised)
        status = await it.bridge.get_conversation(OWNER, "local/main")
    assert [type(e).__name__ for e in summed] == ["Summarised", "Summarised"]
    asked = [request for request in model.requests if not is_summary(request)]
    heads = [tuple(m.text for m in request.messages[:3]) for request in asked]
    assert heads[-1][0] == "Be kind."
    assert heads[-1][1].startswith(f"{SUMMARY}Ann counts.\n\n12: word"), "no two messages of a user stand in a row"
    assert len(set(heads)) <= 5, "the beginning changes with a cut only (and at first, while it grows)"
    assert all(request.tools == () for request in model.requests if is_summary(request))
    assert "Ann counts." in [r for r in model.requests if is_summary(r)][1].messages[1].text
    assert status.usage.calls == 18
    assert status.usage.usd == 0.5, "summaries are paid for, and counted"


async def test_where_no_summary_can_be_had_the_older_turns_just_go(tmp_path: Path) -> None:
    model = talker(ModelFailed("No credit.", permanent=True))
    async with world(tmp_path, model, rules=small()) as it:
        for number in range(12):
            assert await it.settled(f"{number}: " + "word " * 60) == f"answer {number + 1}"
        cuts = await entries(it, Summarised)
        failed = await entries(it, Failed)
    assert [(e.text, e.ref) for e in cuts if isinstance(e, Summarised)] == [("", -1)] * len(cuts)
    assert len(failed) == len(cuts) > 0
    assert len(model.requests[-1].messages) < 20


async def test_an_owner_can_do_without_summaries(tmp_path: Path) -> None:
    model = talker(says("unwanted"))
    channel = ChannelRules("local", "assistant", window=Window(summarise=False), history_limit=6)
    async with world(tmp_path, model, rules=rules_for(channels={"local": channel})) as it:
        for number in range(9):
            await it.settled(f"{number}")
        assert len(await entries(it, Summarised)) > 1
    assert not any(map(is_summary, model.requests))
    assert max(len(request.messages) for request in model.requests) <= 6


async def test_what_a_provider_finds_too_long_is_sent_again_shorter(tmp_path: Path) -> None:
    limit = 1_200

    def reply(request: ModelRequest) -> ModelReply | ModelFailed:
        if is_summary(request):
            return says("Ann counts.") if len(request.messages[1].text) < 3 * limit else too_long
        return says("ok") if sum(len(m.text) for m in request.messages) < 3 * limit else too_long

    too_long = ModelFailed("context_length_exceeded", permanent=True, kind="too_long")
    model = FakeModel(reply)
    async with world(tmp_path, model) as it:
        for number in range(30):
            assert await it.settled(f"{number}: " + "word " * 50) == "ok"
        failed = await entries(it, Failed)
        estimates = [e.estimate for e in await entries(it, Started) if isinstance(e, Started)]
    assert 0 < len(failed) < 6, "it learns"
    assert all(estimate > 0 for estimate in estimates)


@pytest.mark.shows("assistant.long-results")
async def test_a_long_result_is_read_on_by_the_model(tmp_path: Path) -> None:
    from bridge_mcp.toolservers.builtin import WithBuiltins
    from bridge_mcp.toolservers.read_result import read_result

    toolbox = FakeToolbox()

    @toolbox.tool("files__read", read_only=True)
    async def _read(arguments: Mapping[str, JSON]) -> str:
        return "abc" * 1_000

    model = FakeModel([calls(("files__read", {}))])
    rules = small(confirmation="required")
    async with world(tmp_path, model, toolbox, rules=rules, engine=False) as it:

        async def at_once(conversation: str) -> int:
            return (await window_of(rules.channels["local"], model)).shown_chars

        combined = WithBuiltins(toolbox, [read_result(it.store.log, at_once)])
        async with it.engine_with(combined):
            message = await it.say("read it")
            (waiting,) = await it.approvals()
            shown = 2_000 * 3 // 4 // 4
            on: Mapping[str, JSON] = {"handle": waiting.call, "offset": shown}
            model.plan(calls(("bridge__read_result", on)), says("I see."))
            await it.bridge.approve_call(OWNER, waiting.id)
            ticket = await it.bridge.wait_for(OWNER, f"turn:{message}", timeout_s=10)
        assert ticket.text == "I see."
    assert [spec.name for spec in model.requests[0].tools] == ["files__read", "bridge__read_result"]
    first, second = (m.text for m in model.requests[-1].messages if m.role == "tool")
    assert first.startswith("abc")
    assert f'(handle="{waiting.call}", offset={shown})' in first
    assert second.endswith(f"[characters {shown} to {2 * shown} of 3000; go on with offset {2 * shown}]")
