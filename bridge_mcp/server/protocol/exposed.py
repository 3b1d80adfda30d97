"""Nested tools among a client's own: those of the servers that its owner exposes to it, as their servers list them.

Their calls are those of `call_tool`: the same approvals, limits and tickets. The result of one that is over is its
server's own. When tools, resources or prompts of exposed servers change, clients of both eras are notified
(`exposed_context` holds the latter two).
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import anyio
import mcp_types as types
from mcp.server.connection import Connection
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.lowlevel.server import NotificationOptions
from mcp.server.models import InitializationOptions
from mcp.server.subscriptions import PromptsListChanged, ResourcesListChanged, ServerEvent, ToolsListChanged

from bridge_mcp.core.errors import BridgeError
from bridge_mcp.core.policy import Principal
from bridge_mcp.core.results import Ticket
from bridge_mcp.core.tools import BRIDGE, GET_PROMPT, JSON, READ_RESOURCE, ToolSpec
from bridge_mcp.ports import ToolProgress
from bridge_mcp.server.protocol.subscriptions import Push
from bridge_mcp.server.tools.approval_answers import Ticket as TicketAnswer
from bridge_mcp.server.tools.attachments import with_files
from bridge_mcp.server.tools.json_text import compact
from bridge_mcp.server.tools.tool import ToolCall
from bridge_mcp.service import MAX_WAIT_S, Bridge

__all__ = ["ExposedTools", "announce_changes", "client_progress", "exposes_any", "nested_result", "waiting_result"]

logger = logging.getLogger(__name__)

EVERY = "*"
"""In place of a server's name: all of them."""
LOOK_S = 2.0
"""How often the list is compared with what clients were told of."""
SEND_S = 1.0
"""The time-out of one notification."""


class ExposedTools:
    """The exposed tools of all clients of one server, and who is notified of their changes."""

    def __init__(self, bridge: Bridge, push: Push) -> None:
        self._bridge = bridge
        self._push = push
        self._sessions: set[Connection] = set()
        self._known: tuple[ListKey, ...] = ()
        self._task: asyncio.Task[None] | None = None

    async def listed(self, who: Principal) -> list[dict[str, JSON]]:
        """The tools that are exposed to `who`, for `tools/list`."""
        return [entry(spec) for spec in await self.specs(who)]

    async def specs(self, who: Principal) -> list[ToolSpec]:
        """The tools that are exposed to `who`, those among them that the bridge made for resources and prompts."""
        if not exposes_any(who):
            return []
        await self.watch()
        tool_list = await self._bridge.callable_tools(who)
        return [spec for spec in tool_list.tools if exposes(who, spec)]

    async def has(self, who: Principal, name: str) -> bool:
        """Whether a nested tool of this name is exposed to `who`."""
        spec = await self._bridge.callable_tool(who, name) if exposes_any(who) else None
        return spec is not None and exposes(who, spec)

    async def call(
        self, ctx: ServerRequestContext[Any, Any], who: Principal, params: types.CallToolRequestParams
    ) -> Ticket:
        """Call one of them, and wait as long as a call may."""
        arguments, progress = params.arguments or {}, client_progress(ctx)
        spec = await self._bridge.callable_tool(who, params.name)
        verbatim = spec is None or not spec.gives  # what the bridge made of a resource is no result of a tool
        return await self._bridge.call_tool(
            who, params.name, arguments, wait_s=MAX_WAIT_S, progress=progress, verbatim=verbatim
        )

    def follow(self, connection: Connection) -> None:
        """Notify a client, which has just been told of a list, when that changes; of its session, if it has one."""
        if connection.has_standalone_channel and connection not in self._sessions:
            self._sessions.add(connection)
            connection.exit_stack.callback(self._sessions.discard, connection)

    async def watch(self) -> None:
        """Look for changes from now on: whatever is listed after this, a later change of it is noticed."""
        if self._task is not None:
            return
        tool_keys = keys(await self._bridge.published_tools())
        if self._task is None:
            self._known = tool_keys
            self._task = asyncio.create_task(self._run(), name="exposed tools")

    async def _run(self) -> None:
        while True:
            try:
                current = keys(await self._bridge.published_tools())
                for (event, send, _), before, after in zip(LISTS, self._known, current, strict=True):
                    if before != after:
                        await self._notify(event, send)
                self._known = current
            except BridgeError as exc:
                logger.warning("the exposed tools could not be looked at: %s", exc)
            await asyncio.sleep(LOOK_S)

    async def _notify(self, event: ServerEvent, send: Send) -> None:
        await self._push.broadcast(event)
        for connection in list(self._sessions):
            with anyio.move_on_after(SEND_S) as scope:
                await send(connection)
            if scope.cancelled_caught:
                self._sessions.discard(connection)


ListKey: TypeAlias = tuple[tuple[str, ...], ...]
Send: TypeAlias = Callable[[Connection], Awaitable[None]]


def tool_key(spec: ToolSpec) -> tuple[str, ...]:
    """What tells whether a list of tools has changed."""
    return spec.name, spec.listed or spec.schema, spec.description


def gives_key(tool: str, spec: ToolSpec) -> tuple[str, ...]:
    """The same for the resources or prompts that a generated `tool` gives; nothing for any other tool."""
    return (spec.name, spec.gives) if spec.gives and spec.tool == tool else ()


LISTS: tuple[tuple[ServerEvent, Send, Callable[[ToolSpec], tuple[str, ...]]], ...] = (
    (ToolsListChanged(), Connection.send_tool_list_changed, tool_key),
    (ResourcesListChanged(), Connection.send_resource_list_changed, partial(gives_key, READ_RESOURCE)),
    (PromptsListChanged(), Connection.send_prompt_list_changed, partial(gives_key, GET_PROMPT)),
)
"""The lists of a client: the event of the newer era and the notification of the older one when it changes."""


def keys(specs: Sequence[ToolSpec]) -> tuple[ListKey, ...]:
    """What tells whether a list has changed, for each of `LISTS`."""
    return tuple(tuple(key(spec) for spec in specs if key(spec)) for _, _, key in LISTS)


def exposes_any(who: Principal) -> bool:
    """Whether any nested tool may be exposed to this client."""
    return bool(who.expose) and "tools" in who.scopes


def exposes(who: Principal, spec: ToolSpec) -> bool:
    """Whether a tool's server is exposed to this client. The bridge's own tools for models are nobody's to call."""
    return spec.server != BRIDGE and (spec.server in who.expose or EVERY in who.expose)


def entry(spec: ToolSpec) -> dict[str, JSON]:
    """A tool as its server lists it, under its name in the bridge."""
    if spec.listed:
        return {**json.loads(spec.listed), "name": spec.name}
    hints: dict[str, JSON] = {
        "readOnlyHint": spec.read_only,
        "destructiveHint": spec.destructive,
        "idempotentHint": spec.idempotent,
        "openWorldHint": spec.open_world,
    }
    schema = json.loads(spec.schema)
    return {"name": spec.name, "description": spec.description, "inputSchema": schema, "annotations": hints}


async def nested_result(bridge: Bridge, who: Principal, ticket: Ticket) -> dict[str, Any]:
    """The result of a call that is over: its server's own, or what is known of it where that was not kept."""
    if ticket.raw:
        return json.loads(ticket.raw)
    with_content = await with_files(ToolCall(bridge, who), ticket, shown=True)
    blocks: tuple[Mapping[str, JSON], ...] = () if isinstance(with_content, TicketAnswer) else with_content.blocks
    result: dict[str, Any] = {"content": [{"type": "text", "text": ticket.text}, *blocks]}
    if ticket.structured:
        result["structuredContent"] = json.loads(ticket.structured)
    return {**result, "isError": ticket.outcome != "ok"}


def waiting_result(ticket: TicketAnswer) -> dict[str, Any]:
    """What a client gets that can take neither a form nor a task: an error, for its result is not here yet."""
    why = f"It waits for approval: {', '.join(ticket.approvals)}." if ticket.approvals else "It is still running."
    words = f"{why} Pass the ticket to wait_for until it is done: {compact(ticket.as_json())}"
    return {"content": [{"type": "text", "text": words}], "isError": True}


def client_progress(ctx: ServerRequestContext[Any, Any]) -> ToolProgress | None:
    """Where the progress of an exposed tool goes: to the client as it comes, if it asked for that."""
    if ctx.meta is None or "progress_token" not in ctx.meta:
        return None
    sending: set[asyncio.Task[None]] = set()

    def report(progress: float, total: float | None, words: str) -> None:
        task = asyncio.create_task(ctx.session.report_progress(progress, total, words or None))
        sending.add(task)
        task.add_done_callback(sending.discard)

    return report


def announce_changes(server: Server[Any]) -> None:
    """Have a server declare that its lists change, which clients of the older era want to know beforehand."""
    changes = NotificationOptions(tools_changed=True, resources_changed=True, prompts_changed=True)
    options = server.create_initialization_options(changes)

    def created(*args: object, **kwargs: object) -> InitializationOptions:
        return options

    server.create_initialization_options = created
