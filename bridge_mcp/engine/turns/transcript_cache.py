"""Caches the transcripts of recent conversations, so that a long past is not read again for each model call."""

from __future__ import annotations

from cachetools import LRUCache

from bridge_mcp.core.transcript import TranscriptBuilder

__all__ = ["TranscriptCache"]


class TranscriptCache:
    """One `TranscriptBuilder` a conversation; those that were asked for least lately are forgotten."""

    def __init__(self, *, keep: int = 64) -> None:
        self._kept: LRUCache[str, TranscriptBuilder] = LRUCache(keep)

    def of(self, conversation: str) -> TranscriptBuilder:
        """The builder of a conversation, a new one if it has none here."""
        return self._kept.setdefault(conversation, TranscriptBuilder())
