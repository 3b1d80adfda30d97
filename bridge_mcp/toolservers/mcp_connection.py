"""Connections to nested servers through the FastMCP client, and what its errors say about a call's fate.

The only module that imports the client library, which takes most of a second: supervisors do it on a thread, when they
start.
"""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeAlias, cast

import anyio
import httpx2
from fastmcp import Client
from fastmcp.client.client import ProgressHandler
from fastmcp.client.messages import MessageHandler
from fastmcp.client.transports import ClientTransport, StdioTransport
from mcp import MCPError
from mcp.client.subscriptions import SubscriptionLost, listen
from mcp_types import (
    CONNECTION_CLOSED,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    Implementation,
    LoggingMessageNotificationParams,
    PromptListChangedNotification,
    ResourceListChangedNotification,
    ToolListChangedNotification,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from msgspec.structs import replace

from bridge_mcp import __version__
from bridge_mcp.core.backoff import Backoff
from bridge_mcp.core.tools import JSON, ToolResult
from bridge_mcp.ports import ToolProgress
from bridge_mcp.toolservers import resources_prompts
from bridge_mcp.toolservers.call_trace import attached, trace_meta
from bridge_mcp.toolservers.connection import Completion, Hooks, Lost, Mode, Offered, Refused, Unsent
from bridge_mcp.toolservers.environment import child_environment
from bridge_mcp.toolservers.http_transport import BROKE_OFF, TURNED_DOWN, SseTransport, WebTransport
from bridge_mcp.toolservers.listing import Listing
from bridge_mcp.toolservers.process import Child
from bridge_mcp.toolservers.resources_prompts import (
    complete_prompt,
    complete_template,
    offered_prompts,
    offered_resources,
    raw_text,
)
from bridge_mcp.toolservers.results import tool_result
from bridge_mcp.toolservers.settings import ToolServer
from bridge_mcp.toolservers.stdio_transport import UNSENT, PipeTransport
from bridge_mcp.toolservers.tolerant_http import UNREADABLE
from bridge_mcp.toolservers.tolerant_results import CallResult, call_result, session_result

__all__ = ["McpConnection", "connect"]

logger = logging.getLogger(__name__)

CLOSE_S = 3.0
"""How long closing may take."""
RELISTEN_S = 1.0
RELISTEN_MAX_S = 30.0
LIST_S = 5.0
"""How long the lists of resources and of prompts may take, each."""
MAX_PAGES = 1_000
"""Pages of a list of tools: more mean a server whose list never ends."""
MAX_INSTRUCTIONS = 8_000
"""Characters of a server's instructions."""

NOT_TAKEN = frozenset({TURNED_DOWN, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS})
NO_ANSWER = frozenset({BROKE_OFF, CONNECTION_CLOSED, PARSE_ERROR})
BREAKS = (RuntimeError, ValueError, OSError, httpx2.HTTPError, anyio.ClosedResourceError, anyio.BrokenResourceError)
"""What the client raises when its session ends during a call, or when a response does not follow MCP."""
WANTS_INPUT = "it asks for input from a user, which nested servers cannot have here"


Listed: TypeAlias = Callable[[Client[Any], ToolServer], Awaitable[str]]


class News(MessageHandler):
    """Handles a server's notifications."""

    def __init__(self, server: ToolServer, changed: Callable[[], None]) -> None:
        self.resources, self.prompts = bool(server.allowed_resources), bool(server.allowed_prompts)
        self.changed = changed

    async def on_tool_list_changed(self, message: ToolListChangedNotification) -> None:
        """`notifications/tools/list_changed`: the tool list is stale."""
        self.changed()

    async def on_resource_list_changed(self, message: ResourceListChangedNotification) -> None:
        """`notifications/resources/list_changed`: it matters where any may be read."""
        if self.resources:
            self.changed()

    async def on_prompt_list_changed(self, message: PromptListChangedNotification) -> None:
        """`notifications/prompts/list_changed`: it matters where any may be used."""
        if self.prompts:
            self.changed()


class McpConnection:
    """One open connection of the FastMCP client. Over stdio, calls bypass the client (see `stdio_transport`)."""

    def __init__(self, server: ToolServer, client: Client[ClientTransport], hooks: Hooks) -> None:
        self.client = client
        self._server = server
        self._files = hooks.files
        transport = client.transport
        self._pipe = transport if isinstance(transport, PipeTransport) else None
        self._sieve = transport.sieve if isinstance(transport, WebTransport) else None

    @property
    def alive(self) -> bool:
        """Whether a request could be sent now."""
        return self.client.is_connected()

    @property
    def instructions(self) -> str:
        """The `instructions` of the server's `initialize` result."""
        return (self.client.instructions or "")[:MAX_INSTRUCTIONS]

    async def offered(self) -> Offered:
        """All pages of tools, and what its owner allows of resources and prompts."""
        has = self.client.server_capabilities
        listing = Listing()
        cursor: str | None = None
        try:
            for _ in range(MAX_PAGES):
                cursor = await self._page(listing, cursor)
                if not cursor or listing.full:
                    break
        except MCPError as exc:
            # Some servers have tools without declaring them, so all are asked; this is the response of one without
            # tools.
            if exc.code != METHOD_NOT_FOUND or (has and has.tools):
                raise
        complaints = [listing.complaint]
        resources = prompts = ""
        if has and has.resources and self._server.allowed_resources:
            resources = await self._others("resources", offered_resources, complaints)
        if has and has.prompts and self._server.allowed_prompts:
            prompts = await self._others("prompts", offered_prompts, complaints)
        told = " ".join(each for each in complaints if each)
        return Offered(tuple(listing.tools), resources=resources, prompts=prompts, complaint=told)

    async def _others(self, what: str, listed: Listed, complaints: list[str]) -> str:
        """The list of resources or prompts. One that cannot be had costs no tool: it is empty, and complained of."""
        try:
            with anyio.fail_after(LIST_S):
                return await listed(self.client, self._server)
        except (MCPError, ValueError, TimeoutError) as exc:
            complaints.append(f"Its {what} cannot be listed: {str(exc)[:200] or f'no answer within {LIST_S:g} s'}.")
            return "{}"

    async def _page(self, listing: Listing, cursor: str | None) -> str | None:
        """Add one page of tools; returns the cursor of the next. A bad tool spoils no other."""
        if self._pipe is None:
            answer = await self.client.list_tools_mcp(cursor=cursor, cache_mode="bypass")
            listing.page(answer.tools if self._sieve is None else self._sieve.page)
            return answer.next_cursor
        told = await self._pipe.request("tools/list", {"cursor": cursor} if cursor else {}, None)
        if told.result is None:
            raise MCPError(told.code, told.message)
        tools = told.result.get("tools")
        if not isinstance(tools, list):
            raise ValueError("its list of tools is not a list")
        listing.page(cast("list[object]", tools))
        following = told.result.get("nextCursor")
        return following if isinstance(following, str) else None

    async def call(self, tool: str, arguments: Mapping[str, JSON], progress: ToolProgress | None = None) -> ToolResult:
        """Run a tool; see `Connection`."""
        if not self.alive:
            raise Unsent("the connection is closed")
        given = cast("dict[str, Any]", dict(arguments))
        if self._pipe is not None:
            return await self._call_beside(self._pipe, tool, given, progress)
        try:
            with attached():
                answer = await self.client.call_tool_mcp(tool, given, progress_handler=heard_by(progress))
            return await self._read(
                session_result(answer), answer.model_dump(mode="json", by_alias=True, exclude_none=True)
            )
        except MCPError as exc:
            return answered_with_error(exc.code, exc.message)
        except BREAKS as exc:
            raise Lost(f"{type(exc).__name__}: {exc}") from exc

    async def _call_beside(
        self, pipe: PipeTransport, tool: str, arguments: dict[str, Any], progress: ToolProgress | None
    ) -> ToolResult:
        told = await pipe.request("tools/call", {"name": tool, "arguments": arguments}, progress, trace_meta())
        if told.result is None:
            return answered_with_error(told.code, told.message)
        return await self._read(call_result(told.result), told.result)

    async def _read(self, answer: CallResult, raw: Mapping[str, Any]) -> ToolResult:
        if answer.wants_input:
            raise Refused(WANTS_INPUT)
        return replace(await tool_result(answer, self._files), raw=raw_text(raw))

    async def read_resource(self, uri: str, complete: Completion | None = None) -> ToolResult:
        """A resource, or their list; see `Connection`."""
        if complete is not None:
            return await self._looked(lambda: complete_template(self.client, self._server, uri, complete))
        return await self._looked(lambda: resources_prompts.read_resource(self.client, self._server, self._files, uri))

    async def get_prompt(
        self, name: str, arguments: Mapping[str, str], complete: Completion | None = None
    ) -> ToolResult:
        """A prompt, or their list; see `Connection`."""
        if complete is not None:
            return await self._looked(lambda: complete_prompt(self.client, self._server, name, complete))
        return await self._looked(
            lambda: resources_prompts.get_prompt(self.client, self._server, self._files, name, arguments)
        )

    async def _looked(self, look: resources_prompts.Look) -> ToolResult:
        if not self.alive:
            raise Unsent("the connection is closed")
        try:
            return await look()
        except MCPError as exc:
            return answered_with_error(exc.code, exc.message)
        except BREAKS as exc:
            raise Lost(f"{type(exc).__name__}: {exc}") from exc

    async def follow(self, changed: Callable[[], None]) -> None:
        """In the newer era, hold a subscription open: there a server sends no notifications without one."""
        offered = self.client.server_capabilities
        modern = self.client.protocol_version in MODERN_PROTOCOL_VERSIONS
        if not modern or offered is None:
            return
        tools = offered.tools is not None and bool(offered.tools.list_changed)
        resources = bool(self._server.allowed_resources and offered.resources and offered.resources.list_changed)
        prompts = bool(self._server.allowed_prompts and offered.prompts and offered.prompts.list_changed)
        if not (tools or resources or prompts):
            return
        backoff = Backoff(RELISTEN_S, RELISTEN_MAX_S)
        while True:
            try:
                async with listen(
                    self.client.session,
                    tools_list_changed=tools,
                    resources_list_changed=resources,
                    prompts_list_changed=prompts,
                ) as notices:
                    backoff.reset()
                    changed()  # the lists may have changed before the subscription
                    async for _ in notices:
                        changed()
            except (MCPError, SubscriptionLost) as exc:
                if isinstance(exc, MCPError) and exc.code in NOT_TAKEN:
                    return logger.debug("no change notices to be had: %s", exc)
                logger.debug("the stream of change notices broke: %s", exc)
            await anyio.sleep(backoff.next())


def heard_by(listener: ToolProgress | None) -> ProgressHandler:
    """The client's progress handler; without a listener it drops them (the client would log them)."""

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        if listener is not None:
            listener(progress, total, message or "")

    return hear


def answered_with_error(code: int, message: str) -> ToolResult:
    """What a JSON-RPC error means for a call. An error of the server's own is the call's result.

    Raises:
        Unsent, Refused, Lost: see there.
    """
    if code == UNSENT:
        raise Unsent(message)
    if code in NOT_TAKEN:
        raise Refused(message)
    if code in NO_ANSWER:
        raise Lost(message)
    if code == UNREADABLE:
        return ToolResult(f"It ran, but {message}. Ask for less at once.", is_error=True, truncated=True)
    return ToolResult(f"The server answered with error {code}: {message}", is_error=True)


@asynccontextmanager
async def connect(server: ToolServer, child: Child | None, mode: Mode, hooks: Hooks) -> AsyncGenerator[McpConnection]:
    """See `connection.Connect`."""

    async def log(params: LoggingMessageNotificationParams) -> None:
        logger.debug("tool server '%s' logs %s: %s", server.name, params.level, server.scrub(str(params.data)))

    client = Client(
        transport_to(server, child, hooks),
        name=server.name,
        mode=mode,
        init_timeout=0,
        log_handler=log,
        message_handler=News(server, hooks.changed),
        client_info=Implementation(name="bridge-mcp", version=__version__),
    )
    opened = AsyncExitStack()
    await opened.enter_async_context(client)
    try:
        yield McpConnection(server, client, hooks)
    finally:
        # Shielded: if cancelled, the client would leave a task of its own behind.
        with anyio.move_on_after(CLOSE_S, shield=True):
            await opened.aclose()


def transport_to(server: ToolServer, child: Child | None, hooks: Hooks) -> ClientTransport:
    """The client's transport to a server."""
    if server.url:
        return (SseTransport if server.speaks_sse else WebTransport)(server, hooks)
    if child is not None:
        return PipeTransport(child, hooks.down)
    # Windows: the SDK's own stdio client, which puts the child into a job object that ends with the bridge.
    env = child_environment(server, os.environ)
    return StdioTransport(server.command, list(server.args), env=env, cwd=server.cwd or None, keep_alive=False)
