"""Plays what servers and clients of MCP do, by the kind of file.

`.txt` holds plain HTTP requests to the face; all others are for `play_nested`.
"""

from __future__ import annotations

from pathlib import Path

from tests.cases import play_nested, play_requests


def play(path: Path) -> str:
    """Run one file; a transcript.

    Raises:
        ValueError: the file has none of the shapes that can be played.
    """
    if path.suffix == ".txt":
        return play_requests.play(path)
    return play_nested.play(path)
