"""Tools whose definition differs from the trusted one: the changes, and their acceptance by the owner.

The owner accepts a change in any process, and the engine, which has the tools, applies it. Accepted is the definition
that the owner saw, and no later one.
"""

from __future__ import annotations

import logging

from bridge_mcp.core.results import ToolChange
from bridge_mcp.core.tools import ToolSpec, definition_digest
from bridge_mcp.ports import Toolbox, ToolPins

__all__ = ["apply_accepted", "change_of"]

logger = logging.getLogger(__name__)


async def change_of(pins: ToolPins, spec: ToolSpec) -> ToolChange:
    """The change of a tool, with what is stored of its trusted definition."""
    pinned = (await pins.load(spec.server)).get("tools")
    before = pinned.get(spec.tool) if isinstance(pinned, dict) else None
    words = before if isinstance(before, dict) else {}
    return ToolChange(spec, definition_digest(spec), str(words.get("said") or ""), schema=str(words.get("takes") or ""))


async def apply_accepted(pins: ToolPins, toolbox: Toolbox) -> None:
    """Trust the tools whose changes were accepted."""
    for spec in toolbox.tools():
        if not spec.changed:
            continue
        digest, by = await pins.accepted(spec.name) or ("", "")
        if digest == definition_digest(spec):
            await toolbox.accept(spec)
            logger.info("%s is accepted as it is now, by %s", spec.name, by)
