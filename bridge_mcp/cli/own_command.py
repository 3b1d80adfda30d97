"""How other programs start this command: by its whole path, since few of them have the PATH of a terminal."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from bridge_mcp.core.errors import BadInput

__all__ = ["lasting_command", "own_command"]

PASSING = ("archive-v0", "builds-v0", ".cache")
"""Folders of commands that were fetched for one run (uvx, pipx run)."""


def own_command() -> list[str]:
    """The words that start this command."""
    exe = Path(sys.argv[0])
    path = str(exe.absolute()) if exe.name.startswith("bridge-mcp") and exe.exists() else shutil.which("bridge-mcp")
    return [path] if path else [sys.executable, "-m", "bridge_mcp"]


def lasting_command() -> list[str]:
    """The same, for what is to start it later.

    Raises:
        BadInput: it was fetched for this one run, and will be gone.
    """
    words = own_command()
    if any(part in PASSING for part in Path(os.path.realpath(words[0])).parts):
        raise BadInput(
            f"{words[0]} was fetched for this one run, and will be gone.",
            fix="Install the command first (uv tool install, pipx install), and run this with that one.",
        )
    return words
