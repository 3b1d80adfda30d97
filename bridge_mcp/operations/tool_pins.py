"""Tools that are no longer what they were when they were trusted: their changes, and what owners accept of them.

An owner accepts a change in any process, and the engine, whose tools they are, acts upon it. What is accepted is the
definition that the owner saw, and no later one.
"""

from __future__ import annotations

import logging

from bridge_mcp.core.results import ToolChange
from bridge_mcp.core.tools import ToolSpec, definition_digest
from bridge_mcp.ports import Toolbox, ToolPins

__all__ = ["apply_accepted", "change_of"]

logger = logging.getLogger(__name__)


async def change_of(pins: ToolPins, spec: ToolSpec) -> ToolChange:
    """A tool that has changed, with what is known of how it was."""
    kept = (await pins.load(spec.server)).get("tools")
    was = kept.get(spec.tool) if isinstance(kept, dict) else None
    words = was if isinstance(was, dict) else {}
    return ToolChange(spec, definition_digest(spec), str(words.get("said") or ""), schema=str(words.get("takes") or ""))


async def apply_accepted(pins: ToolPins, toolbox: Toolbox) -> None:
    """Trust the tools whose change was accepted."""
    for spec in toolbox.tools():
        if not spec.changed:
            continue
        digest, by = await pins.accepted(spec.name) or ("", "")
        if digest == definition_digest(spec):
            await toolbox.accept(spec)
            logger.info("%s is accepted as it is now, by %s", spec.name, by)
