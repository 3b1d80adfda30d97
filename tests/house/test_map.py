"""The map of the house says what the code does."""

from __future__ import annotations

from pathlib import Path

import bridge_mcp
from tests.house.diagram import mermaid

MAP = Path(bridge_mcp.__file__).parent / "README.md"


def test_the_state_diagram_is_the_one_that_decide_gives() -> None:
    """Regenerate with: python -m tests.house.diagram"""
    assert mermaid() in MAP.read_text()


def test_every_room_is_on_the_map() -> None:
    text = MAP.read_text()
    home = MAP.parent
    rooms = [p.name for p in home.iterdir() if p.is_dir() and (p / "__init__.py").exists()]
    rooms += [p.name for p in home.glob("*.py") if p.stem not in ("__init__", "__main__")]
    assert [room for room in rooms if f"`{room}" not in text] == []
