"""The servers of the MCP project itself, as people run them: from npm, installed once and kept, and from PyPI.

A test of one is skipped where it cannot be had: the suite promises to run with Python and pip alone, so machines
without npm, without its registry or without git are no failure of it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from filelock import FileLock

from bridge_mcp.toolservers.settings import ToolServer

__all__ = ["everything", "fetch", "filesystem", "git", "memory", "time"]

VERSION = "2026.8.31"
INSTALL_S = 300


def from_npm(name: str) -> str:
    """The command of one of the project's npm packages."""
    command, missing = installed(name)
    if missing:
        pytest.skip(missing)
    return command


@cache
def installed(name: str) -> tuple[str, str]:
    """The command, installed by whichever test process comes first, or why there is none: each process tries once."""
    npm = shutil.which("npm")
    if npm is None:
        return "", f"{name} needs npm, which is not installed here"
    kept = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bridge-mcp-tests"
    folder = kept / f"{name}@{VERSION}"
    done = folder / "installed"
    kept.mkdir(parents=True, exist_ok=True)
    with FileLock(kept / f"{name}.lock", timeout=INSTALL_S):
        if not done.exists():
            package = f"@modelcontextprotocol/{name}@{VERSION}"
            quietly = ("--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=0")
            install = [npm, "install", "--prefix", folder, *quietly, package]
            tried = subprocess.run(install, capture_output=True, text=True, check=False, timeout=INSTALL_S)
            if tried.returncode:
                return "", f"npm could not install {package}: {tried.stderr.strip()[-300:]}"
            done.touch()
    return str(folder / "node_modules" / ".bin" / f"mcp-{name}"), ""


def everything(**settings: object) -> ToolServer:
    return ToolServer("everything", command=from_npm("server-everything"), args=("stdio",), **settings)  # pyright: ignore[reportArgumentType]


def filesystem(root: Path) -> ToolServer:
    """It may read and write below `root`."""
    return ToolServer("filesystem", command=from_npm("server-filesystem"), args=(str(root),))


def memory(kept: Path) -> ToolServer:
    """It keeps its graph in the file `kept`."""
    return ToolServer("memory", command=from_npm("server-memory"), env={"MEMORY_FILE_PATH": str(kept)})


def git(repository: Path) -> ToolServer:
    """It works on one repository, which is made if there is none."""
    if shutil.which("git") is None:
        pytest.skip("the git server needs git, which is not installed here")
    subprocess.run(["git", "init", "-q", "."], cwd=repository, check=True)
    return ToolServer("git", command=sys.executable, args=("-m", "mcp_server_git", "--repository", str(repository)))


def fetch() -> ToolServer:
    """It may read pages of this machine. Where it finds Node, it installs packages for it: here it finds none."""
    allowed = ("-m", "mcp_server_fetch", "--allow-private-ips")
    return ToolServer("fetch", command=sys.executable, args=allowed, env={"PATH": os.path.dirname(sys.executable)})


def time() -> ToolServer:
    return ToolServer("time", command=sys.executable, args=("-m", "mcp_server_time", "--local-timezone", "UTC"))
