"""The examples run as they are, without keys, and end well only if what they show happened."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(path.stem for path in (ROOT / "examples").glob("*.py") if path.stem not in ("__init__", "sandbox"))


@pytest.mark.shows("tools.relay")
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs_and_ends_well(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"examples.{name}"], cwd=ROOT, capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout, "an example tells what happens"
