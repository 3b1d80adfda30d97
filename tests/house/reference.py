"""The reference as a page: `python -m tests.house.reference` writes it anew."""

from __future__ import annotations

from pathlib import Path

import bridge_mcp
from bridge_mcp.reference import drawn

__all__ = ["REFERENCE"]

REFERENCE = Path(bridge_mcp.__file__).parent / "REFERENCE.md"


if __name__ == "__main__":
    REFERENCE.write_text(drawn(), "utf-8")
