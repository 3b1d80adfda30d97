"""Pins: the trusted definitions of a server's tools, and its instructions, as first seen or last approved.

A server may change a tool's description and schema after people got used to approving it (a "rug pull"). So the first
definition is pinned, and a difference is described to those who decide. A changed hint counts only if it now sounds
safer: hints let calls run without approval.

Of instructions the trusted text itself is kept: it stays in prompts until another one is approved.

A server with another command, other arguments or another url is another server: its owner chose it anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import TypeAlias, cast

from bridge_mcp.core.schemas import canonical_schema
from bridge_mcp.core.tools import JSON, ToolSpec
from bridge_mcp.ports import Pins, instructions_of
from bridge_mcp.toolservers.connection import ListedTool
from bridge_mcp.toolservers.settings import ToolServer

__all__ = ["MAX_KEPT", "Pinning", "difference", "pinned", "server_key"]

SAID, TAKES = 2_000, 8_000
"""Characters of a description and of a schema that are kept as text, to show what has changed."""
IN_WORDS = 200
"""Tools of one server that are kept as text: a long list does not fill the store."""
MAX_KEPT = 4000
"""Definitions that are pinned of one server: a list that always changes does not fill the store.

None is evicted, or a server could push a trusted tool out and bring it back as another one.
"""
BEYOND = f"it is new, and more than {MAX_KEPT:,} tools of its server are known already"


Definition: TypeAlias = ListedTool | ToolSpec
"""What is pinned of both: description, schema and hints."""


class Pinning:
    """The trusted definitions of one server's tools. Without `pins`, or with `pinned = false`, all are trusted."""

    def __init__(self, server: ToolServer, pins: Pins | None) -> None:
        self._server = server
        self._pins = pins if server.pinned else None
        self._known: dict[str, JSON] | None = None
        self._changes: dict[str, str] = {}

    def change_of(self, tool: str) -> str:
        """How a tool's last definition differs from the trusted one; "" if it does not."""
        return self._changes.get(tool, "")

    async def compare(self, listed: Iterable[ListedTool]) -> None:
        """Compare a new list with the pins; new tools are trusted from now on.

        Raises:
            StoreError: the pins cannot be read or kept.
        """
        if self._pins is None:
            return
        tools = list(listed)
        pins = await self._loaded(self._pins)
        fresh = [tool for tool in tools if tool.name not in pins]
        room = max(0, MAX_KEPT - len(pins))
        self._changes = {tool.name: BEYOND for tool in fresh[room:]} | {
            tool.name: how
            for tool in tools
            if (before := pins.get(tool.name)) and (how := difference(cast("Mapping[str, JSON]", before), tool))
        }
        if fresh[:room]:
            words = max(0, IN_WORDS - len(pins))
            new = {tool.name: pinned(tool, in_words=n < words) for n, tool in enumerate(fresh[:room])}
            await self._keep(self._pins, {**pins, **new})

    def forget(self) -> None:
        """Read the pins anew for the next list."""
        self._known = None

    async def accept(self, name: str, tool: Definition) -> None:
        """Trust this definition of a tool.

        Raises:
            StoreError: it cannot be kept, so it is not trusted.
        """
        if self._pins is None:
            return
        known = await self._loaded(self._pins)
        await self._keep(self._pins, {**known, name: pinned(tool)})
        self._changes.pop(name, None)

    async def instructions(self, text: str) -> tuple[str, bool]:
        """The trusted instructions, if a server now sends `text`, and whether that differs from them.

        Raises:
            StoreError: the pins cannot be read or kept.
        """
        if not self._server.instructions or not text:
            return "", False
        if self._pins is None:
            return text, False
        subject = instructions_of(self._server.name)
        stored = await self._pins.load(subject)
        trusted = stored.get("text") if stored.get("place") == server_key(self._server) else None
        if not isinstance(trusted, str):
            await self._pins.keep(subject, {"place": server_key(self._server), "text": text})
            return text, False
        return trusted, trusted != text

    async def _loaded(self, pins: Pins) -> dict[str, JSON]:
        if self._known is None:
            stored = await pins.load(self._server.name)
            tools = stored.get("tools")
            same = stored.get("place") == server_key(self._server)
            self._known = dict(tools) if same and isinstance(tools, dict) else {}
        return self._known

    async def _keep(self, pins: Pins, tools: dict[str, JSON]) -> None:
        await pins.keep(self._server.name, {"place": server_key(self._server), "tools": tools})
        self._known = tools


def pinned(tool: Definition, *, in_words: bool = True) -> JSON:
    """The stored form of a definition; `operations.tool_pins` reads its texts."""
    words: dict[str, JSON] = {"said": tool.description[:SAID], "takes": tool.schema[:TAKES]} if in_words else {}
    return words | {
        "description": short_hash(tool.description),
        "schema": short_hash(canonical_schema(tool.schema)),
        "read_only": tool.read_only,
        "destructive": tool.destructive,
        "idempotent": tool.idempotent,
        "open_world": tool.open_world,
    }


def difference(before: Mapping[str, JSON], tool: Definition) -> str:
    """The difference from the stored form, for people; "" for none, or if the tool only sounds riskier now."""
    differences: list[str] = []
    if before.get("description") != short_hash(tool.description):
        differences.append("its description is another one")
    # The second is the form of earlier versions: the text as it was listed.
    if before.get("schema") not in (short_hash(canonical_schema(tool.schema)), short_hash(tool.schema)):
        differences.append("it takes other arguments")
    if tool.read_only and not before.get("read_only"):
        differences.append("it now says that it only reads")
    elif not tool.destructive and before.get("destructive"):
        differences.append("it now says that it destroys nothing")
    if tool.idempotent and not before.get("idempotent"):
        differences.append("it now says that repeating it does no harm")
    if not tool.open_world and before.get("open_world"):
        differences.append("it now says that it stays within its own world")
    return ", ".join(differences)


def server_key(server: ToolServer) -> str:
    """A key for a server's command or url, which tells it from another of the same name. Pins hold it as `place`."""
    return short_hash("\0".join((server.command, *server.args, server.url)))


def short_hash(text: str) -> str:
    """The first 128 bits of SHA-256, in hex: nobody can make a second text with the same."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
