"""Searches tools by a query, the best match first."""

from __future__ import annotations

import re
from collections.abc import Iterable

from bridge_mcp.core.tools import ToolSpec

__all__ = ["first_line", "search_tools"]

WORD = re.compile(r"[^\W_]+")
CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

MAX_LINE = 160
"""Characters of the line that stands for a tool's description."""


def search_tools(tools: Iterable[ToolSpec], query: str) -> list[ToolSpec]:
    """The tools that a query's words fit, the best first; all of them, in their order, for an empty query.

    A word counts most where it is a word of the tool's name, less where it is part of one, least in the description.
    """
    words = [word.casefold() for word in WORD.findall(query)]
    if not words:
        return list(tools)
    scored = [(score(tool, words, query.strip().casefold()), tool) for tool in tools]
    return [tool for points, tool in sorted(scored, key=lambda each: -each[0]) if points > 0]


def score(tool: ToolSpec, words: list[str], query: str) -> int:
    """How well these words match a tool; 0: not at all."""
    name = tool.name.casefold()
    if query in (name, tool.tool.casefold()):
        return 100 * len(words)
    parts = {part.casefold() for part in WORD.findall(CAMEL.sub(" ", tool.name))}
    description = tool.description.casefold()
    points = 0
    for word in words:
        if word in parts:
            points += 8
        elif word in name:
            points += 4
        elif word in description:
            points += 1
    return points


def first_line(description: str) -> str:
    """The first sentence or line of a description, short enough for a list."""
    line = next((line.strip() for line in description.splitlines() if line.strip()), "")
    sentence = re.match(r".{20,}?[.!?](?=\s)", line)
    line = sentence[0] if sentence else line
    return line if len(line) <= MAX_LINE else f"{line[: MAX_LINE - 1].rstrip()}…"
