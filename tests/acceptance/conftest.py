"""What the acceptance tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.parts import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An owner's folders."""
    return Home(tmp_path)
