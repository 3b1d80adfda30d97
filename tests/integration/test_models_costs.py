"""What calls cost, on both paths: a price that surely applies, or none. From a real server on loopback."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
from msgspec.structs import replace

from bridge_mcp.core.transcript import ChatMessage
from bridge_mcp.models.openai import OpenAIModel
from bridge_mcp.models.prices import Prices
from bridge_mcp.models.registry import Models
from bridge_mcp.models.settings import ModelSettings
from bridge_mcp.ports import ModelRequest
from tests.servers.model_apis.answers import saying
from tests.servers.model_apis.openai_server import OpenAIServer

REQUEST = ModelRequest("default", (ChatMessage("user", "hello"),))
USAGE = {
    "prompt_tokens": 1_000_000,
    "completion_tokens": 500_000,
    "total_tokens": 1_500_000,
    "prompt_tokens_details": {"cached_tokens": 400_000},
}
OWN = Prices(2e-6, 8e-6, 5e-7)
OWN_COST = 1.2 + 0.2 + 4.0


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


@pytest.fixture
def at_openai(server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> ModelSettings:
    """A model at OpenAI's own address, which a proxy on this machine answers for."""
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.port}")
    return ModelSettings("default", "openai/gpt-4o-mini", "sk-a", base_url="http://api.openai.com/v1")


async def cost_of(
    settings: ModelSettings, server: OpenAIServer, usage: Mapping[str, object] | None = None, **more: str
) -> float | None:
    answer = saying("hi", usage=usage or USAGE)  # pyright: ignore[reportArgumentType]
    server.answer(replace(answer, body={**answer.body, **more}) if isinstance(answer.body, dict) else answer)
    model = OpenAIModel(settings)
    try:
        return (await model.reply(REQUEST)).usage.cost_usd
    finally:
        await model.close()


@pytest.mark.parametrize("stream", [None, False])
async def test_openais_own_models_cost_what_litellms_map_says(
    stream: bool | None, at_openai: ModelSettings, server: OpenAIServer
) -> None:
    cost = await cost_of(replace(at_openai, stream=stream), server)
    assert cost == pytest.approx(0.6 * 0.15 + 0.4 * 0.075 + 0.5 * 0.6)
    assert server.requests[-1].headers["host"] == "api.openai.com"


async def test_at_openai_a_model_that_nobody_knows_has_no_price(at_openai: ModelSettings, server: OpenAIServer) -> None:
    assert await cost_of(replace(at_openai, model="nobody-knows-it"), server) is None


@pytest.mark.parametrize("stream", [None, False])
@pytest.mark.parametrize(("tier", "known"), [("default", True), ("flex", False), ("priority", False)])
async def test_other_tiers_of_service_have_other_prices(
    stream: bool | None, tier: str, known: bool, at_openai: ModelSettings, server: OpenAIServer
) -> None:
    cost = await cost_of(replace(at_openai, stream=stream), server, service_tier=tier)
    assert (cost is not None) == known


@pytest.mark.shows("models.prices")
async def test_an_endpoint_has_no_price_whatever_its_model_is_called(server: OpenAIServer) -> None:
    assert await cost_of(ModelSettings("default", "gpt-4o-mini", base_url=server.url), server) is None


async def test_whoever_stands_in_for_openai_has_prices_of_their_own(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    assert await cost_of(ModelSettings("default", "gpt-4o-mini", "sk-a", via="openai"), server) is None


@pytest.mark.shows("models.prices")
@pytest.mark.parametrize("stream", [None, False])
async def test_an_endpoint_costs_what_its_section_says(stream: bool | None, server: OpenAIServer) -> None:
    section = ModelSettings("default", "llama3", base_url=server.url, stream=stream, prices=OWN)
    assert await cost_of(section, server) == pytest.approx(OWN_COST)
    assert await cost_of(section, server, service_tier="flex") == pytest.approx(OWN_COST)
    assert await cost_of(replace(section, prices=Prices(0.0, 0.0)), server) == 0.0


async def test_what_told_no_usage_has_no_cost(server: OpenAIServer) -> None:
    section = ModelSettings("default", "llama3", base_url=server.url, prices=OWN)
    answer = saying("hi")
    assert isinstance(answer.body, dict)
    server.answer(replace(answer, body={**answer.body, "usage": None}))
    model = OpenAIModel(section)
    assert (await model.reply(REQUEST)).usage.cost_usd is None
    await model.close()


async def test_the_prices_of_a_section_are_not_those_of_its_fallbacks(server: OpenAIServer) -> None:
    section = ModelSettings("default", "first", base_url=server.url, prices=OWN, fallbacks=("second",))
    models = Models({"default": section})
    server.answer(saying("", usage=USAGE), saying("hi", usage=USAGE))  # pyright: ignore[reportArgumentType]
    reply = await models.reply(REQUEST)
    await models.close()
    assert (reply.text, server.requests[-1].body["model"], reply.usage.cost_usd) == ("hi", "second", None)
