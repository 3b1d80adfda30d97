"""Conversations whose last message could not be delivered, until one goes out there again: kept for `get_status`."""

from __future__ import annotations

from bridge_mcp.core.tools import JSON
from bridge_mcp.ports import Board

__all__ = ["Undelivered", "undelivered"]

KEY = "undelivered"
MAX_KEPT = 50
"""Conversations that are kept; the one that failed longest ago goes first."""
MAX_REASON = 300


class Undelivered:
    """Notes what failed; asks the store once, and writes only where something changes."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._known: dict[str, str] | None = None

    async def failed(self, conversation: str, reason: str) -> None:
        """A message there surely did not go out, and is not tried again."""
        known = await self._load()
        known.pop(conversation, None)
        known[conversation] = reason[:MAX_REASON]
        while len(known) > MAX_KEPT:
            del known[next(iter(known))]
        await self._write(known)

    async def delivered(self, conversation: str) -> None:
        """A message there went out."""
        known = await self._load()
        if known.pop(conversation, None) is not None:
            await self._write(known)

    async def _load(self) -> dict[str, str]:
        if self._known is None:
            self._known = await undelivered(self._board)
        return self._known

    async def _write(self, known: dict[str, str]) -> None:
        told: dict[str, JSON] = {**known}
        await self._board.put(KEY, told)


async def undelivered(board: Board) -> dict[str, str]:
    """Why the last message could not be delivered, by conversation."""
    found = await board.get(KEY)
    return {name: str(reason) for name, reason in found.items()} if isinstance(found, dict) else {}
