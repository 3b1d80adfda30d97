"""The tools of one server that its owner allows, and which of them have changed since they were trusted."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from bridge_mcp.core.tools import tool_name
from bridge_mcp.ports import Pins, ServerStatus
from bridge_mcp.toolservers.connection import Connection, ListedTool, ServerPrimitives
from bridge_mcp.toolservers.last_known import LastKnown
from bridge_mcp.toolservers.pinning import Pinning
from bridge_mcp.toolservers.resource_tools import GET_PROMPT, READ_RESOURCE, generated
from bridge_mcp.toolservers.settings import ToolServer

__all__ = ["AllowedTools"]


class AllowedTools:
    """One server's tools. They stay while the server is away: the last list, of this process or an earlier one."""

    def __init__(self, server: ToolServer, pins: Pins | None) -> None:
        self.pinning = Pinning(server, pins)
        self.tools: Mapping[str, ListedTool] = {}
        """The allowed tools, by name, in the server's order."""
        self.generated: Mapping[str, str] = {}
        """Those that the bridge made for the server's resources and prompts: their names, each with what it gives, as
        the server lists it."""
        self._server = server
        self._memory = LastKnown(server, pins)
        self._complaint = ""  # about the server's list, while it is connected
        self._withheld: tuple[str, ...] = ()
        self._instructions = self._in_prompts = ""
        self._instructions_changed = False

    async def take(self, link: Connection) -> None:
        """Take the server's current list.

        Raises:
            StoreError: its pins cannot be read or kept.
        """
        primitives = await link.list_primitives()
        instructions = self._server.scrub_result(link.instructions)
        await self._have(primitives, instructions)
        self._complaint = self._server.scrub(primitives.complaint)
        await self._memory.keep(primitives, instructions)

    async def recall(self) -> None:
        """Take the server's last list from the store, if there is one.

        Raises:
            StoreError: its pins cannot be read.
        """
        self.pinning.forget()  # another process may have trusted something since
        remembered = await self._memory.load()
        if remembered is not None:
            await self._have(*remembered)

    def with_tools(self, status: ServerStatus) -> ServerStatus:
        """A server's status with its tools, and the complaint about them if there is no other error."""
        return replace(
            status,
            tools=len(self.tools),
            error=status.error or (self._complaint if status.state == "ready" else ""),
            instructions=self._instructions,
            in_prompts=self._in_prompts,
            instructions_changed=self._instructions_changed,
            withheld=self._withheld,
            listed=self._digest() if self._server.run == "one" else "",
        )

    def _digest(self) -> str:
        tools = [(tool, self.pinning.change_of(name)) for name, tool in self.tools.items()]
        described = (tools, self.generated, self._withheld, self._instructions, self._in_prompts)
        return hashlib.sha256(msgspec.json.encode(described)).hexdigest()

    async def _have(self, primitives: ServerPrimitives, instructions: str) -> None:
        """Keep the allowed tools of a list, and compare them with the pins."""
        allowed = {tool.name: tool for tool in primitives.tools if self._server.allows(tool.name)}
        bridge_made = generated(primitives, allowed.keys())
        await self.pinning.compare(allowed.values())
        listings = {READ_RESOURCE: primitives.resources, GET_PROMPT: primitives.prompts}
        self.generated = {tool.name: listings[tool.name] for tool in bridge_made}
        self.tools = {name: allowed[name] for name in sorted(allowed)} | {tool.name: tool for tool in bridge_made}
        self._withheld = tuple(
            tool_name(self._server.name, tool.name) for tool in primitives.tools if not self._server.allows(tool.name)
        )
        self._instructions = instructions
        self._in_prompts, self._instructions_changed = await self.pinning.instructions(instructions)
