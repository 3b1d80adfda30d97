"""Marks as Telegram's message entities, counted in UTF-16 code units."""

from __future__ import annotations

from telegram import MessageEntity

from bridge_mcp.channels.telegram.text.marked_text import Rich, measure

__all__ = ["entities"]


def entities(rich: Rich) -> list[MessageEntity]:
    """The entities of a text."""
    if not rich.marks:
        return []
    at = measure(rich.text)
    return [
        MessageEntity(
            mark.kind,
            at[mark.start],
            at[mark.end] - at[mark.start],
            url=mark.url or None,
            language=mark.language or None,
        )
        for mark in rich.marks
    ]
