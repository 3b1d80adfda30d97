"""Stores the last list of a server's tools, which is used until the server is connected again.

Kept beside the pins. A server with another command or url is another one, of which nothing is known.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from msgspec import structs

from bridge_mcp.core.errors import StoreError
from bridge_mcp.core.tools import JSON
from bridge_mcp.ports import Pins
from bridge_mcp.toolservers.connection import ListedTool, Offered
from bridge_mcp.toolservers.pinning import place
from bridge_mcp.toolservers.settings import ToolServer

__all__ = ["Memory"]

logger = logging.getLogger(__name__)

MAX_KEPT = 4_000_000
"""Characters of one server's descriptions and schemas; a longer list is not stored."""

TYPES: Mapping[str, type] = {
    name: str if name in ("name", "description", "schema", "listed") else bool for name in ListedTool.__struct_fields__
}


class Memory:
    """The stored list of one server. Without `pins`, nothing is stored."""

    def __init__(self, server: ToolServer, pins: Pins | None) -> None:
        self._server = server
        self._pins = pins
        self._subject = f"{server.name}:listed"
        self._kept: Mapping[str, JSON] | None = None

    async def load(self) -> tuple[Offered, str] | None:
        """The server's last list, as far as its owner allows it now, and its instructions; None if there is none."""
        body: Mapping[str, JSON] = {}
        try:
            if self._pins is not None:
                body = await self._pins.load(self._subject)
        except StoreError as exc:
            logger.warning("tool server '%s': what it had cannot be read: %s", self._server.name, exc)
            return None
        tools, instructions = body.get("tools"), body.get("instructions")
        if body.get("place") != place(self._server) or not isinstance(tools, list):
            return None
        self._kept = body
        offered = Offered(
            tuple(tool for each in tools if (tool := listed(each)) is not None),
            lists(body.get("resources")) if self._server.allowed_resources else "",
            lists(body.get("prompts")) if self._server.allowed_prompts else "",
        )
        return offered, instructions if isinstance(instructions, str) else ""

    async def keep(self, offered: Offered, instructions: str) -> None:
        """Store this if it has changed. A failure of the store is logged."""
        size = len(instructions) + len(offered.resources) + len(offered.prompts)
        size += sum(len(t.description) + len(t.schema) + len(t.listed) for t in offered.tools)
        if self._pins is None or size > MAX_KEPT:
            return
        body: dict[str, JSON] = {
            "place": place(self._server),
            "tools": [structs.asdict(tool) for tool in offered.tools],
            "resources": offered.resources,
            "prompts": offered.prompts,
            "instructions": instructions,
        }
        if body == self._kept:
            return
        try:
            await self._pins.keep(self._subject, body)
            self._kept = body
        except StoreError as exc:
            logger.warning("tool server '%s': what it has cannot be kept: %s", self._server.name, exc)


def lists(kept: JSON) -> str:
    """Stored resources or prompts: earlier versions stored only that there are some."""
    return kept if isinstance(kept, str) else "{}" if kept is True else ""


def listed(kept: JSON) -> ListedTool | None:
    """A stored tool; None if it cannot be read."""
    if not isinstance(kept, dict) or kept.keys() != TYPES.keys():
        return None
    if not all(isinstance(kept[name], wanted) for name, wanted in TYPES.items()):
        return None
    return ListedTool(
        str(kept["name"]),
        str(kept["description"]),
        str(kept["schema"]),
        read_only=bool(kept["read_only"]),
        destructive=bool(kept["destructive"]),
        idempotent=bool(kept["idempotent"]),
        open_world=bool(kept["open_world"]),
        listed=str(kept["listed"]),
    )
