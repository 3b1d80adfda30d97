"""The day's budget for models: checked before each call, told in the chat, over when the day is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from bridge_mcp.core.decide import SPENT
from bridge_mcp.core.entries import Started, Stopped, Usage
from bridge_mcp.core.spending import DAY_S, Cap, Caps, Spent, exceeded_cap
from bridge_mcp.models.prices import Prices
from bridge_mcp.models.registry import Models
from bridge_mcp.models.settings import ModelSettings
from bridge_mcp.ports import ModelReply, ModelRequest
from bridge_mcp.testing import FakeModel
from tests.integration.setup import OWNER, World, rules_for, world
from tests.servers.model_apis.answers import saying
from tests.servers.model_apis.openai_server import OpenAIServer

pytestmark = pytest.mark.either_store

NOON = 20_000 * DAY_S + DAY_S / 2


@dataclass
class DayClock:
    time: float = NOON

    def now(self) -> float:
        return self.time


def priced(usd: float | None, tokens: int = 100) -> FakeModel:
    def reply(request: ModelRequest) -> ModelReply:
        return ModelReply("ok", model="fake", usage=Usage(tokens, 0, cost_usd=usd))

    return FakeModel(reply)


async def reasons(it: World, conversation: str = "local/main") -> list[str]:
    log = await it.bridge.read_log(OWNER, conversation)
    return [e.entry.reason for e in log if isinstance(e.entry, Stopped)]


@pytest.mark.shows("assistant.budget")
async def test_a_cap_ends_the_days_calls_and_the_next_day_begins_anew(tmp_path: Path) -> None:
    clock = DayClock()
    caps = Caps(conversation=Cap(usd=0.5))
    async with world(tmp_path, priced(0.25), rules=rules_for(caps=caps), clock=clock) as it:
        assert await it.settled("one") == "ok"
        assert await it.settled("two") == "ok"
        assert await it.settled("three") == SPENT
        assert await it.settled("elsewhere", "local/other") == "ok"
        assert await reasons(it) == ["the day's budget of $0.5 for this conversation is spent ($0.5000)"]
        told = await it.bridge.run_command(OWNER, "local/main", "/status")
        assert "Today: 2 calls, 200 tokens in, 0 out, 0.0 s, $0.5000" in told
        assert "No model is called until 00:00 UTC: the day's budget of $0.5" in told
        clock.time += DAY_S / 2
        assert await it.settled("four") == "ok"
        status = await it.bridge.get_status(OWNER)
    assert (status.today.calls, status.today.usd) == (1, 0.25)
    assert {c.name: c.today.calls for c in status.channels} == {"local": 1, "family": 0}


async def test_an_owner_who_raises_the_cap_lets_the_conversation_go_on(tmp_path: Path) -> None:
    clock = DayClock()
    async with world(tmp_path, priced(0.25), rules=rules_for(caps=Caps(Cap(tokens=100))), clock=clock) as it:
        await it.settled("one")
        assert await it.settled("two") == SPENT
        assert "100 tokens for the bridge" in (await reasons(it))[0]
    async with world(tmp_path, priced(0.25), rules=rules_for(caps=Caps(Cap(tokens=1_000))), clock=clock) as it:
        assert await it.settled("three") == "ok"


async def test_no_attempt_is_made_where_the_budget_is_spent(tmp_path: Path) -> None:
    model = priced(None)
    caps = Caps(channel=Cap(usd=1.0), stop_unpriced=True)
    async with world(tmp_path, model, rules=rules_for(caps=caps), clock=DayClock()) as it:
        await it.settled("one")
        assert await it.settled("two", "local/other") == SPENT
        assert "cannot be kept: 1 calls of unknown price" in (await reasons(it, "local/other"))[0]
        log = await it.bridge.read_log(OWNER, "local/other")
    assert len(model.requests) == 1
    assert not any(isinstance(e.entry, Started) for e in log)


@pytest.mark.shows("assistant.budget")
@pytest.mark.parametrize(
    ("caps", "reached"),
    [
        (Caps(), ""),
        (Caps(Cap(usd=3.0)), ""),
        (Caps(Cap(usd=2.0)), "$2 for the bridge"),
        (Caps(channel=Cap(usd=1.5)), "$1.5 for the channel family"),
        (Caps(conversation=Cap(tokens=30)), "30 tokens for this conversation"),
        (Caps(conversation=Cap(tokens=31)), ""),
        (Caps(conversation=Cap(usd=2.0), stop_unpriced=True), ""),
        (Caps(Cap(usd=9.0), stop_unpriced=True), "$9 for the bridge cannot be kept"),
        (Caps(Cap(tokens=900), stop_unpriced=True), ""),
    ],
)
def test_which_cap_is_reached(caps: Caps, reached: str) -> None:
    bridge, channel = (
        Spent(9, 300, 60, cached_tokens=0, nano_usd=2_000_000_000, unpriced=1),
        Spent(5, 100, 20, cached_tokens=0, nano_usd=1_500_000_000),
    )
    told = exceeded_cap(caps, "family/7", (bridge, channel, Spent(1, 20, 10, cached_tokens=0, nano_usd=1_000_000_000)))
    assert (reached in told) if reached else told == ""


async def test_an_endpoint_of_ones_own_costs_what_its_section_says(tmp_path: Path) -> None:
    with OpenAIServer() as server:
        section = ModelSettings("default", "llama3", base_url=server.url, prices=Prices(0.001, 0.01))
        models = Models({"default": section})
        server.answer(saying("ok", usage={"prompt_tokens": 100, "completion_tokens": 40, "total_tokens": 140}))
        async with world(tmp_path, models, rules=rules_for(caps=Caps(conversation=Cap(usd=0.5)))) as it:
            assert await it.settled("one") == "ok"
            assert await it.settled("two") == SPENT
            assert await reasons(it) == ["the day's budget of $0.5 for this conversation is spent ($0.5000)"]
            await models.close()
    assert len(server.requests) == 1
