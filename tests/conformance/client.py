"""The bridge's client of nested servers, as the suite starts it: `python -m tests.conformance.client URL`.

Connects, lists the tools and calls each with numbers for its arguments.
"""

from __future__ import annotations

import sys

import anyio

from bridge_mcp.assembly import WallClock
from bridge_mcp.toolservers.settings import ToolServer
from bridge_mcp.toolservers.toolbox import NestedToolbox

WAIT_S = 20.0


async def main(url: str) -> int:
    """0 where the server is connected and every tool gave a result."""
    async with NestedToolbox([ToolServer("suite", url=url)], clock=WallClock()) as box:
        await box.ready(frozenset({"suite"}), WAIT_S)
        (status,) = box.status()
        sys.stdout.write(f"{status.state} {status.error}\n")
        for spec in box.tools():
            result = await box.call(spec, {"a": 2, "b": 3})
            sys.stdout.write(f"{spec.tool}: {result.text}\n")
        return 0 if status.state == "ready" else 1


if __name__ == "__main__":
    sys.exit(anyio.run(main, sys.argv[-1]))
