"""What calls cost, by what litellm's map says of models."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from bridge_mcp.models.prices import Prices, listed

MINI = {
    "input_cost_per_token": 2e-6,
    "output_cost_per_token": 8e-6,
    "cache_read_input_token_cost": 5e-7,
    "input_cost_per_token_batches": 1e-6,
}
LONG = {
    **MINI,
    "input_cost_per_token_above_200k_tokens": 4e-6,
    "output_cost_per_token_above_200k_tokens": 1e-5,
    "input_cost_per_token_above_200k_tokens_batches": 1e-6,
}


def test_what_is_cached_costs_its_own_price() -> None:
    prices = Prices(2e-6, 8e-6, 5e-7)
    assert listed(MINI) == prices
    assert prices.cost(1000, 100) == pytest.approx(0.0028)
    assert prices.cost(1000, 100, cached=800) == pytest.approx(0.0004 + 0.0004 + 0.0008)
    assert prices.cost(1000, 0, cached=5000) == pytest.approx(0.0005)


def test_without_a_price_for_it_what_is_cached_costs_as_the_rest() -> None:
    assert Prices(2e-6, 8e-6).cost(1000, 0, cached=800) == pytest.approx(0.002)


def test_a_long_request_has_the_prices_of_long_ones() -> None:
    prices = listed(LONG)
    assert prices is not None
    assert prices.cost(200_000, 1) == pytest.approx(0.4, rel=1e-3)
    assert prices.cost(200_001, 1) == pytest.approx(0.8, rel=1e-3)


@pytest.mark.parametrize(
    ("entry", "missing"),
    [
        (MINI, "input_cost_per_token"),
        (MINI, "output_cost_per_token"),
        (LONG, "output_cost_per_token_above_200k_tokens"),
    ],
)
def test_half_a_price_is_none(entry: Mapping[str, object], missing: str) -> None:
    assert listed(entry) is not None
    assert listed({name: price for name, price in entry.items() if name != missing}) is None
