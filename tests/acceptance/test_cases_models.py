"""The player of model files drives the installed command and tells what came of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cases.play_models import play

CASES = Path(__file__).parents[1] / "cases/models"


@pytest.mark.slow
def test_a_file_is_played_from_end_to_end() -> None:
    told = play(CASES / "02-signature.json")
    assert "REFUSED" not in told
    assert "note:" not in told
    assert '"extra_content": {"google": {"thought_signature": "abc"}}' in told
    assert '"outcome": "replied", "text": "done"' in told


@pytest.mark.slow
def test_calls_that_wait_are_told() -> None:
    told = play(CASES / "33-twice-the-same.json")
    assert told.count("waits for a verdict:") == 2
    assert "this is number 2" in told
