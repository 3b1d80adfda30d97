"""Plays what servers and clients of MCP do, by the kind of file: `.txt` holds plain HTTP requests to the face."""

from __future__ import annotations

from pathlib import Path

from tests.cases import play_requests


def play(path: Path) -> str:
    """Run one file; a transcript.

    Raises:
        ValueError: there is no player for such a file.
    """
    if path.suffix == ".txt":
        return play_requests.play(path)
    raise ValueError(f"{path.name}: nothing plays files of this kind yet")
