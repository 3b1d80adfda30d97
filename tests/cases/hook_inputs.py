"""What agents tell their hooks (tests/cases/hooks), as values and as the text on a hook's standard input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["hook_event", "hook_input"]

FOLDER = Path(__file__).parent / "hooks"


def hook_event(host: str, name: str, **changes: Any) -> dict[str, Any]:
    """One event of a host, with some fields changed."""
    events: dict[str, dict[str, Any]] = json.loads((FOLDER / f"{host}.json").read_text("utf-8"))
    return events[name] | changes


def hook_input(host: str, name: str, **changes: Any) -> str:
    """The same as the host writes it."""
    return json.dumps(hook_event(host, name, **changes))
