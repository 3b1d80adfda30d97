"""Calls that name the bridge itself: its command, its files, or the settings by which a host is held to it.

Whoever changes those decides on calls without being asked. So such a call runs by nobody's standing word, and its
prompt says what it names. This finds what is named in plain words; it cannot find what a program works out, and a
program with the user's own rights needs no tool call at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from bridge_mcp.core.grants import decoded_layers, texts_in
from bridge_mcp.core.tools import JSON

__all__ = ["OWN_NAMES", "find_own_place", "own_places", "plain"]

OWN_NAMES = (
    *("bridge-mcp", "bridge_mcp", "mcp-chat-bridge"),
    *(".claude/settings", ".claude/hooks", ".codex/config.toml", ".codex/hooks", ".cursor/hooks", ".cursor/mcp.json"),
    *(".gemini/settings", ".github/hooks", ".copilot/config", ".copilot/hooks", ".copilot/mcp-config"),
    *(".mcp.json", ".claude.json", "claude_desktop_config"),
)
"""The commands and the package, and where hosts keep their hooks and servers."""


def own_places(*files: object) -> tuple[str, ...]:
    """All that names the bridge: what it is called, and these files and folders, as far as there are such."""
    return tuple(plain(str(text)) for text in (*OWN_NAMES, *files) if text)


def find_own_place(arguments: Mapping[str, JSON], places: Iterable[str]) -> str:
    """The first of these places that a text of the arguments names; "" for none. They are `plain` already."""
    texts = [reading for text in texts_in(dict(arguments)) for reading in readings(text)]
    return next((place for place in places if any(place in text for text in texts)), "")


def readings(text: str) -> Iterator[str]:
    """A text as it may be read: as it is, without its percent-encoding, and with the `..` in its paths followed."""
    for layer in decoded_layers(text):
        path = plain(layer)
        yield path
        if "/../" in path:
            yield resolve_dots(path)


def resolve_dots(text: str) -> str:
    """A text in which `/x/..` is left out."""
    parts: list[str] = []
    for part in text.split("/"):
        if part == ".." and parts:
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)


def plain(text: str) -> str:
    """A text as it is compared: however its slashes and letters are written."""
    return re.sub(r"/(?:\./|/)*", "/", text.replace("\\", "/")).casefold()
