"""The JSON schemas of the tools, drawn from their models: `python -m tests.house.tool_schemas` writes them down."""

from __future__ import annotations

import json
from pathlib import Path

import bridge_mcp
from bridge_mcp.server.tools.registry import TOOLS

__all__ = ["SCHEMAS", "drawn"]

SCHEMAS = Path(bridge_mcp.__file__).parent / "server/tools/schemas.json"


def drawn() -> str:
    """Tool by tool, its `inputSchema` and, where it is told, its `outputSchema`."""
    return json.dumps({tool.name: tool.schemas for tool in TOOLS}, ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    SCHEMAS.write_text(drawn(), "utf-8")
