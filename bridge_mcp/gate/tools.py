"""The tools behind a gate, as their server lists them: what each says of itself, and whether that has changed.

Lists are read as they pass by on their way to the host. Where a call comes for a tool that none of them named, or after
the server said that its tools have changed, the gate asks for a list itself.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping

import anyio

from bridge_mcp.core.json_reader import JSON, whole_characters
from bridge_mcp.core.tools import ToolSpec, canonical, definition_digest
from bridge_mcp.gate.identity import GuardedServer
from bridge_mcp.ports import Pins
from bridge_mcp.toolservers.connection import ListedTool
from bridge_mcp.toolservers.pinning import Pinning
from bridge_mcp.toolservers.settings import ToolServer

__all__ = ["GuardedTools"]

MAX_TOOLS, MAX_PAGES = 10_000, 200

Ask = Callable[[dict[str, JSON]], Awaitable[Mapping[str, JSON]]]
"""Asks the server for a page of its tools, with these parameters; the result it gives."""


class GuardedTools:
    """What is known of one server's tools."""

    def __init__(self, server: GuardedServer, pins: Pins) -> None:
        self._server = server
        # The pins of a server are kept by its name, and by its command as such: both are the id's digest here.
        self._pinning = Pinning(ToolServer(server.id, command=server.id), pins)
        self._known: dict[str, ListedTool] = {}
        self._changes = 1
        """How often the server announced a change of its tools, counting its start."""
        self._changes_read = 0
        """How many of those changes the known tools include."""
        self._looked: set[str] = set()
        self._digests: dict[str, tuple[ListedTool, str]] = {}
        """The tools that were called, each with the digest of that definition."""
        self._finding = anyio.Lock(fast_acquire=True)

    def changed(self) -> None:
        """Note that the server announced a change of its tools."""
        self._changes += 1

    def page(self, result: Mapping[str, JSON], *, first: bool) -> None:
        """Take a page of a list that the host asked for; one that is the whole list is all there is."""
        listed_tools = listed(result)
        whole = first and not result.get("nextCursor")
        self._known = listed_tools if whole else {**self._known, **dict(list(listed_tools.items())[:MAX_TOOLS])}
        if whole:
            self._changes_read = self._changes
        self._looked -= listed_tools.keys()

    def known(self, name: str) -> ListedTool | None:
        """The tool of this name, if it need not be looked for."""
        return self._known.get(name) if self._changes_read == self._changes and name in self._looked else None

    async def find(self, name: str, ask: Ask, meta: JSON) -> ListedTool | None:
        """The tool of this name as it is now; None if there is none.

        Raises:
            StoreError: what was seen of it before cannot be read.
        """
        async with self._finding:  # a call that comes meanwhile is held to the same list
            if self._changes_read < self._changes or name not in self._known:
                await self._ask(ask, meta)
            while name in self._known and name not in self._looked:
                listed_before = self._known
                await self._pinning.compare(listed_before.values())
                if listed_before is self._known:  # else a newer list has passed by
                    self._looked = set(listed_before)
            return self._known.get(name)

    def change_of(self, name: str) -> str:
        """How a tool differs from what was first seen of it, or last approved; "" if it does not."""
        return self._pinning.change_of(name)

    async def accept(self, tool: ListedTool) -> None:
        """A call of a changed tool was approved: from now on it is known as it is here."""
        await self._pinning.accept(tool.name, tool)

    def digest(self, tool: ListedTool) -> str:
        """What a tool says of itself, as a digest."""
        cached = self._digests.get(tool.name)
        if cached is None or cached[0] is not tool:
            if len(self._digests) >= MAX_TOOLS:
                self._digests.clear()
            cached = self._digests[tool.name] = (tool, self._digest(tool))
        return cached[1]

    def _digest(self, tool: ListedTool) -> str:
        return definition_digest(
            ToolSpec(
                tool.name,
                self._server.id,
                tool.name,
                description=tool.description,
                schema=tool.schema,
                read_only=tool.read_only,
                destructive=tool.destructive,
                idempotent=tool.idempotent,
                open_world=tool.open_world,
            )
        )

    async def _ask(self, ask: Ask, meta: JSON) -> None:
        """List the tools, all pages of them."""
        changes = self._changes  # a change that is announced while they are listed is for the next time
        by_name: dict[str, ListedTool] = {}
        cursor: JSON = None
        for _ in range(MAX_PAGES):
            params: dict[str, JSON] = {"cursor": cursor} if cursor else {}
            result = await ask({**params, "_meta": meta} if meta else params)
            by_name |= listed(result)
            cursor = result.get("nextCursor")
            if not cursor or len(by_name) >= MAX_TOOLS:
                break
        self._known, self._looked, self._changes_read = by_name, set(), changes


def listed(result: Mapping[str, JSON]) -> dict[str, ListedTool]:
    """The tools of a page, by their names; what is none is left out, and cannot be called."""
    tools = result.get("tools")
    parsed = (tool_of(listing) for listing in tools if isinstance(listing, dict)) if isinstance(tools, list) else ()
    return {tool.name: tool for tool in parsed if tool is not None}


def tool_of(listing: Mapping[str, JSON]) -> ListedTool | None:
    """A tool as a value, with MCP's defaults where its server says nothing."""
    name, hints = listing.get("name"), listing.get("annotations")
    if not isinstance(name, str) or whole_characters(name) != name:
        return None
    annotations = hints if isinstance(hints, dict) else {}
    read_only = annotations.get("readOnlyHint") is True
    takes = listing.get("inputSchema")
    try:
        schema = canonical(takes if isinstance(takes, dict) else {})
    except (ValueError, RecursionError):
        schema = canonical({"not JSON": json.dumps(takes, sort_keys=True)})  # it may hold NaN; its host may take it
    return ListedTool(
        name=name,
        description=whole_characters(
            str(listing.get("description") or listing.get("title") or annotations.get("title") or "")
        ),
        schema=whole_characters(schema),
        read_only=read_only,
        destructive=not read_only and annotations.get("destructiveHint") is not False,
        idempotent=annotations.get("idempotentHint") is True,
        open_world=annotations.get("openWorldHint") is not False,
    )
