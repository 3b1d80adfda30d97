"""The definitions of tools that were seen before, on the store's board: `ports.Pins`, and what owners say of changes.

An owner accepts a change from any process, by a fact on the board; the engine, whose tools they are, takes it up. It is
bound to the definition that the owner saw, so it says nothing of the next change.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from bridge_mcp.core.results import ToolChange
from bridge_mcp.core.tools import JSON, ToolSpec, definition_digest
from bridge_mcp.ports import Board, Toolbox

__all__ = ["BoardPins", "accept", "change_of", "take_up"]

logger = logging.getLogger(__name__)


class BoardPins:
    """See `ports.Pins`. One fact of the board for each subject, so that keeping is one write."""

    def __init__(self, board: Board) -> None:
        self._board = board

    async def load(self, subject: str) -> Mapping[str, JSON]:
        """See `ports.Pins`."""
        body = await self._board.get(f"pins:{subject}")
        return body if isinstance(body, dict) else {}

    async def keep(self, subject: str, pinned: Mapping[str, JSON]) -> None:
        """See `ports.Pins`."""
        await self._board.put(f"pins:{subject}", dict(pinned))


async def change_of(board: Board, spec: ToolSpec) -> ToolChange:
    """A tool that has changed, with what is known of how it was."""
    kept = (await BoardPins(board).load(spec.server)).get("tools")
    was = kept.get(spec.tool) if isinstance(kept, dict) else None
    words = was if isinstance(was, dict) else {}
    return ToolChange(spec, definition_digest(spec), str(words.get("said") or ""), schema=str(words.get("takes") or ""))


async def accept(board: Board, change: ToolChange, by: str) -> None:
    """Have the engine trust a tool as it is in this change."""
    await board.put(f"accepted:{change.spec.name}", {"digest": change.digest, "by": by})


async def take_up(board: Board, toolbox: Toolbox) -> None:
    """Trust the tools whose change was accepted."""
    for spec in toolbox.tools():
        if not spec.changed:
            continue
        told = await board.get(f"accepted:{spec.name}")
        if isinstance(told, dict) and told.get("digest") == definition_digest(spec):
            await toolbox.accept(spec)
            logger.info("%s is accepted as it is now, by %s", spec.name, told.get("by"))
