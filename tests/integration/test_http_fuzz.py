"""Odd requests of all kinds to the HTTP face, by a seed: none fails inside, none goes unanswered."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.http_fuzzing import fuzzed


@pytest.mark.parametrize("seed", [1, 2])
async def test_no_request_fails_inside(tmp_path: Path, seed: int) -> None:
    assert await fuzzed(seed, 150, tmp_path) == []
