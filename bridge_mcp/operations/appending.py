"""Appends what follows from a log: it is read, what follows is written, and once more where somebody else was first."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bridge_mcp.core.entries import Entry, Log
from bridge_mcp.core.errors import Conflict
from bridge_mcp.ports import LogStore

__all__ = ["append_following"]


async def append_following(
    log: LogStore,
    conversation: str,
    following: Callable[[Log], Sequence[Entry]],
    *,
    whole: bool = False,
    wake: float | None = 0.0,
) -> bool:
    """Append the entries that follow from a log; False where none do.

    `following` is called with the tail of the log, or with all of it (`whole`), and again after each `Conflict`.
    `wake` as for `LogStore.intend`.
    """
    while True:
        entries = await (log.load(conversation) if whole else log.tail(conversation))
        appended = following(entries)
        if not appended:
            return False
        try:
            await log.intend(conversation, entries[-1].seq + 1, *appended, wake=wake)
        except Conflict:
            continue
        return True
