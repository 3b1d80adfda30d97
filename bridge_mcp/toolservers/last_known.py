"""Stores the last list of a server's tools, which is used until the server is connected again.

Kept beside the pins. A server with another command or url is another one, of which nothing is known.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

import msgspec
from msgspec import structs

from bridge_mcp.core.errors import StoreError
from bridge_mcp.core.tools import JSON
from bridge_mcp.ports import Pins
from bridge_mcp.toolservers.connection import ListedTool, ServerPrimitives
from bridge_mcp.toolservers.pinning import server_key
from bridge_mcp.toolservers.settings import ToolServer

__all__ = ["LastKnown"]

logger = logging.getLogger(__name__)

MAX_KEPT = 4_000_000
"""Characters of one server's descriptions and schemas; a longer list is not stored."""


class LastKnown:
    """The stored list of one server. Without `pins`, nothing is stored."""

    def __init__(self, server: ToolServer, pins: Pins | None) -> None:
        self._server = server
        self._pins = pins
        self._subject = f"{server.name}:listed"
        self._kept: Mapping[str, JSON] | None = None

    async def load(self) -> tuple[ServerPrimitives, str] | None:
        """The server's last list, as far as its owner allows it now, and its instructions; None if there is none."""
        body: Mapping[str, JSON] = {}
        try:
            if self._pins is not None:
                body = await self._pins.load(self._subject)
        except StoreError as exc:
            logger.warning("tool server '%s': what it had cannot be read: %s", self._server.name, exc)
            return None
        tools, instructions = body.get("tools"), body.get("instructions")
        if body.get("place") != server_key(self._server) or not isinstance(tools, list):
            return None
        self._kept = body
        primitives = ServerPrimitives(
            tuple(tool for each in tools if (tool := stored_tool(each)) is not None),
            stored_list(body.get("resources")) if self._server.allowed_resources else "",
            stored_list(body.get("prompts")) if self._server.allowed_prompts else "",
        )
        return primitives, instructions if isinstance(instructions, str) else ""

    async def keep(self, primitives: ServerPrimitives, instructions: str) -> None:
        """Store this if it has changed. A failure of the store is logged."""
        size = len(instructions) + len(primitives.resources) + len(primitives.prompts)
        size += sum(len(t.description) + len(t.schema) + len(t.listed) for t in primitives.tools)
        if self._pins is None or size > MAX_KEPT:
            return
        body: dict[str, JSON] = {
            "place": server_key(self._server),
            "tools": [structs.asdict(tool) for tool in primitives.tools],
            "resources": primitives.resources,
            "prompts": primitives.prompts,
            "instructions": instructions,
        }
        if body == self._kept:
            return
        try:
            await self._pins.keep(self._subject, body)
            self._kept = body
        except StoreError as exc:
            logger.warning("tool server '%s': what it has cannot be kept: %s", self._server.name, exc)


def stored_list(stored: JSON) -> str:
    """Stored resources or prompts: earlier versions stored only that there are some."""
    return stored if isinstance(stored, str) else "{}" if stored is True else ""


def stored_tool(stored: JSON) -> ListedTool | None:
    """A stored tool; None if it cannot be read."""
    try:
        return msgspec.convert(stored, ListedTool)
    except msgspec.ValidationError:
        return None
