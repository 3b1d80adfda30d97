"""What models have seen of the conversations that were driven last: a long past need not be read anew each time."""

from __future__ import annotations

from collections import OrderedDict

from bridge_mcp.core.transcript import TranscriptBuilder

__all__ = ["TranscriptCache"]


class TranscriptCache:
    """One `TranscriptBuilder` a conversation; those that were asked for least lately are forgotten."""

    def __init__(self, *, keep: int = 64) -> None:
        self._keep = keep
        self._kept: OrderedDict[str, TranscriptBuilder] = OrderedDict()

    def of(self, conversation: str) -> TranscriptBuilder:
        memory = self._kept.pop(conversation, None) or TranscriptBuilder()
        self._kept[conversation] = memory
        if len(self._kept) > self._keep:
            self._kept.popitem(last=False)
        return memory
