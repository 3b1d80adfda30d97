"""A FastMCP server over stdio that echoes, and has as many tools as it is told.

python -m tests.bench.fastmcp_server TOOLS
"""

from __future__ import annotations

import sys

from fastmcp import FastMCP


def echo(text: str, limit: int = 0) -> str:
    """Say it again."""
    return text


def main(count: str) -> None:
    server: FastMCP[None] = FastMCP("fastmcp")
    for n in range(int(count)):
        server.tool(echo, name=f"echo_{n}" if n else "echo")
    server.run(transport="stdio", show_banner=False, log_level="ERROR")


if __name__ == "__main__":
    main(*sys.argv[1:])
