"""The servers of the MCP project itself, as people run them: from npm, installed once and kept, and from PyPI.

A test of one is skipped where it cannot be had: a developer's machine may be without npm, without its registry or
without git. With `CI=true` in the environment it fails.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from bridge_mcp.toolservers.settings import ToolServer
from tests.servers.npm import cannot_be_had, packages

__all__ = ["everything", "fetch", "filesystem", "git", "memory", "sequential_thinking", "time"]

VERSION = "2026.8.31"


def from_npm(name: str) -> str:
    """The command of one of the project's npm packages."""
    modules = packages(name, f"@modelcontextprotocol/{name}@{VERSION}")
    return str(modules / ".bin" / f"mcp-{name}")


def everything(**settings: object) -> ToolServer:
    return ToolServer("everything", command=from_npm("server-everything"), args=("stdio",), **settings)  # pyright: ignore[reportArgumentType]


def filesystem(root: Path) -> ToolServer:
    """It may read and write below `root`."""
    return ToolServer("filesystem", command=from_npm("server-filesystem"), args=(str(root),))


def memory(kept: Path) -> ToolServer:
    """It keeps its graph in the file `kept`."""
    return ToolServer("memory", command=from_npm("server-memory"), env={"MEMORY_FILE_PATH": str(kept)})


def sequential_thinking() -> ToolServer:
    """It writes each thought to standard error, unless it is told not to."""
    command = from_npm("server-sequential-thinking")
    return ToolServer("thinking", command=command, env={"DISABLE_THOUGHT_LOGGING": "true"})


def git(repository: Path) -> ToolServer:
    """It works on one repository, which is made if there is none."""
    if shutil.which("git") is None:
        cannot_be_had("the git server needs git, which is not installed here")
    subprocess.run(["git", "init", "-q", "."], cwd=repository, check=True)
    return ToolServer("git", command=sys.executable, args=("-m", "mcp_server_git", "--repository", str(repository)))


def fetch() -> ToolServer:
    """It may read pages of this machine. Where it finds Node, it installs packages for it: here it finds none."""
    allowed = ("-m", "mcp_server_fetch", "--allow-private-ips")
    return ToolServer("fetch", command=sys.executable, args=allowed, env={"PATH": os.path.dirname(sys.executable)})


def time() -> ToolServer:
    return ToolServer("time", command=sys.executable, args=("-m", "mcp_server_time", "--local-timezone", "UTC"))
