"""Stores for the contract tests: one place of each kind, checked against its own logs when a test is done with it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge_mcp.ports import Store
from tests.contract.store_kit import PLACES, Place, make_place, used


@pytest.fixture(params=PLACES)
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    async with used(make_place(request.param, request, tmp_path)) as place:
        yield place


@pytest.fixture
async def store(place: Place) -> Store:
    return await place.open()
