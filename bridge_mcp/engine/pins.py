"""The definitions of tools that were seen before, on the store's board: `ports.Pins`."""

from __future__ import annotations

from collections.abc import Mapping

from bridge_mcp.core.tools import JSON
from bridge_mcp.ports import Board

__all__ = ["BoardPins"]


class BoardPins:
    """See `ports.Pins`. One fact of the board for each server, so that keeping is one write."""

    def __init__(self, board: Board) -> None:
        self._board = board

    async def load(self, server: str) -> Mapping[str, JSON]:
        """See `ports.Pins`."""
        body = await self._board.get(f"pins:{server}")
        return body if isinstance(body, dict) else {}

    async def keep(self, server: str, pinned: Mapping[str, JSON]) -> None:
        """See `ports.Pins`."""
        await self._board.put(f"pins:{server}", dict(pinned))
