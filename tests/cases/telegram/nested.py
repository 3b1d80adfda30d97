"""A nested tool server for cases: `python nested.py EFFECTS` writes a line there for each call that ran."""

from __future__ import annotations

import sys
from pathlib import Path

from fastmcp import FastMCP

EFFECTS = Path(sys.argv[1])
server: FastMCP[None] = FastMCP("files")


def note(line: str) -> None:
    with EFFECTS.open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")


@server.tool
def write(path: str, text: str) -> str:
    """Write a file."""
    note(f"write {path}")
    return f"wrote {len(text)} characters to {path}"


@server.tool(annotations={"readOnlyHint": True})
def read(path: str) -> str:
    """Read a file."""
    note(f"read {path}")
    return f"what is in {path}"


if __name__ == "__main__":
    server.run(transport="stdio", show_banner=False)
