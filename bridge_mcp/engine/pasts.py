"""What models have seen of the conversations that were driven last: a long past need not be read anew each time."""

from __future__ import annotations

from collections import OrderedDict

from bridge_mcp.core.transcript import Memory

__all__ = ["Pasts"]


class Pasts:
    """One `Memory` a conversation; those that were asked for least lately are forgotten."""

    def __init__(self, *, keep: int = 64) -> None:
        self._keep = keep
        self._kept: OrderedDict[str, Memory] = OrderedDict()

    def of(self, conversation: str) -> Memory:
        memory = self._kept.pop(conversation, None) or Memory()
        self._kept[conversation] = memory
        if len(self._kept) > self._keep:
            self._kept.popitem(last=False)
        return memory
