"""Connections to nested servers through the MCP SDK's client, and what its errors say about a call's fate.

Importing the client library takes a good part of a second: supervisors do it on a thread, when they start.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeAlias, cast

import anyio
import httpx2
from mcp import Client, ClientSession, MCPError, StdioServerParameters
from mcp.client.session import IncomingMessage, MessageHandlerFnT
from mcp.client.subscriptions import SubscriptionLost, listen
from mcp.shared.dispatcher import ProgressFnT
from mcp_types import (
    CONNECTION_CLOSED,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    CallToolRequest,
    CallToolRequestParams,
    Implementation,
    LoggingMessageNotificationParams,
    PromptListChangedNotification,
    ResourceListChangedNotification,
    ToolListChangedNotification,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from msgspec.structs import replace
from pydantic import RootModel

from bridge_mcp import __version__
from bridge_mcp.core.backoff import Backoff
from bridge_mcp.core.tools import JSON, ToolResult
from bridge_mcp.ports import ToolProgress
from bridge_mcp.toolservers import resources_prompts
from bridge_mcp.toolservers.call_trace import attached, trace_meta
from bridge_mcp.toolservers.connection import (
    Completion,
    ConnectionHooks,
    Lost,
    Mode,
    RequestRefused,
    ServerPrimitives,
    Unsent,
)
from bridge_mcp.toolservers.environment import child_environment
from bridge_mcp.toolservers.http_transport import BROKE_OFF, TURNED_DOWN, SseTransport, WebTransport
from bridge_mcp.toolservers.listing import Listing
from bridge_mcp.toolservers.process import Child
from bridge_mcp.toolservers.resources_prompts import (
    complete_prompt,
    complete_template,
    offered_prompts,
    offered_resources,
    page_at,
    raw_text,
)
from bridge_mcp.toolservers.results import tool_result
from bridge_mcp.toolservers.settings import ToolServer
from bridge_mcp.toolservers.stdio_transport import UNSENT, PipeTransport
from bridge_mcp.toolservers.tolerant_http import UNREADABLE
from bridge_mcp.toolservers.tolerant_results import call_result, received

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


Listed: TypeAlias = Callable[[ClientSession, ToolServer], Awaitable[str]]
Transport: TypeAlias = PipeTransport | WebTransport | None
"""None: the SDK's own, for a child on Windows."""


class RawResult(RootModel[dict[str, Any]]):
    """A result as it came.

    The session's own type is checked by the tool's output schema; but the tool has run when its result is here, and
    refusing it for an error in the schema would hide what it did.
    """


class McpConnection:
    """One open connection of the SDK's client. Over stdio, calls bypass its session (see `stdio_transport`)."""

    def __init__(self, server: ToolServer, client: Client, transport: Transport, hooks: ConnectionHooks) -> None:
        self.session = client.session
        self._server = server
        self._files = hooks.files
        self._pipe = transport if isinstance(transport, PipeTransport) else None
        self._stream = transport.stream if isinstance(transport, WebTransport) else None
        self.alive = True
        """Whether a request could be sent now."""

    @property
    def instructions(self) -> str:
        """The `instructions` of the server's `initialize` result."""
        return (self.session.instructions or "")[:MAX_INSTRUCTIONS]

    async def list_primitives(self) -> ServerPrimitives:
        """All pages of tools, and what its owner allows of resources and prompts."""
        capabilities = self.session.server_capabilities
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
            if exc.code != METHOD_NOT_FOUND or (capabilities and capabilities.tools):
                raise
        complaints = [listing.complaint]
        resources = prompts = ""
        if capabilities and capabilities.resources and self._server.allowed_resources:
            resources = await self._others("resources", offered_resources, complaints)
        if capabilities and capabilities.prompts and self._server.allowed_prompts:
            prompts = await self._others("prompts", offered_prompts, complaints)
        complaint = " ".join(filter(None, complaints))
        return ServerPrimitives(tuple(listing.tools), resources=resources, prompts=prompts, complaint=complaint)

    async def _others(self, kind: str, list_them: Listed, complaints: list[str]) -> str:
        """The list of resources or prompts. One that cannot be had costs no tool: it is empty, and complained of."""
        try:
            with anyio.fail_after(LIST_S):
                return await list_them(self.session, self._server)
        except (MCPError, ValueError, TimeoutError) as exc:
            complaints.append(f"Its {kind} cannot be listed: {str(exc)[:200] or f'no answer within {LIST_S:g} s'}.")
            return "{}"

    async def _page(self, listing: Listing, cursor: str | None) -> str | None:
        """Add one page of tools; returns the cursor of the next. A bad tool spoils no other."""
        if self._pipe is None:
            answer = await self.session.list_tools(params=page_at(cursor))
            listing.page(answer.tools if self._stream is None else self._stream.page)
            return answer.next_cursor
        response = await self._pipe.request("tools/list", {"cursor": cursor} if cursor else {}, None)
        if response.result is None:
            raise MCPError(response.code, response.message)
        tools = response.result.get("tools")
        if not isinstance(tools, list):
            raise ValueError("its list of tools is not a list")
        listing.page(cast("list[object]", tools))
        following = response.result.get("nextCursor")
        return following if isinstance(following, str) else None

    async def call(self, tool: str, arguments: Mapping[str, JSON], progress: ToolProgress | None = None) -> ToolResult:
        """Run a tool; see `Connection`."""
        return await self._answered(lambda: self._call(tool, cast("dict[str, Any]", dict(arguments)), progress))

    async def _call(self, tool: str, arguments: dict[str, Any], progress: ToolProgress | None) -> ToolResult:
        if self._pipe is not None:
            params = {"name": tool, "arguments": arguments}
            response = await self._pipe.request("tools/call", params, progress, trace_meta())
            if response.result is None:
                return result_of_error(response.code, response.message)
            return await self._read(response.result)
        request = CallToolRequest(params=CallToolRequestParams(name=tool, arguments=arguments))
        with attached():
            answer = await self.session.send_request(request, RawResult, progress_callback=progress_callback(progress))
        return await self._read(received(answer.root))

    async def _read(self, raw: Mapping[str, Any]) -> ToolResult:
        answer = call_result(raw)
        if answer.wants_input:
            raise RequestRefused(WANTS_INPUT)
        return replace(await tool_result(answer, self._files), raw=raw_text(raw))

    async def read_resource(self, uri: str, complete: Completion | None = None) -> ToolResult:
        """A resource, or their list; see `Connection`."""
        if complete is not None:
            return await self._answered(lambda: complete_template(self.session, self._server, uri, complete))
        return await self._answered(
            lambda: resources_prompts.read_resource(self.session, self._server, self._files, uri)
        )

    async def get_prompt(
        self, name: str, arguments: Mapping[str, str], complete: Completion | None = None
    ) -> ToolResult:
        """A prompt, or their list; see `Connection`."""
        if complete is not None:
            return await self._answered(lambda: complete_prompt(self.session, self._server, name, complete))
        return await self._answered(
            lambda: resources_prompts.get_prompt(self.session, self._server, self._files, name, arguments)
        )

    async def _answered(self, request: Callable[[], Awaitable[ToolResult]]) -> ToolResult:
        """The result of a request; what its errors say about its fate."""
        if not self.alive:
            raise Unsent("the connection is closed")
        try:
            return await request()
        except MCPError as exc:
            return result_of_error(exc.code, exc.message)
        except BREAKS as exc:
            raise Lost(f"{type(exc).__name__}: {exc}") from exc

    async def follow(self, changed: Callable[[], None]) -> None:
        """In the newer era, hold a subscription open: there a server sends no notifications without one."""
        capabilities = self.session.server_capabilities
        modern = self.session.protocol_version in MODERN_PROTOCOL_VERSIONS
        if not modern or capabilities is None:
            return
        tools = capabilities.tools is not None and bool(capabilities.tools.list_changed)
        resources = bool(
            self._server.allowed_resources and capabilities.resources and capabilities.resources.list_changed
        )
        prompts = bool(self._server.allowed_prompts and capabilities.prompts and capabilities.prompts.list_changed)
        if not (tools or resources or prompts):
            return
        backoff = Backoff(RELISTEN_S, RELISTEN_MAX_S)
        while True:
            try:
                async with listen(
                    self.session,
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


def progress_callback(listener: ToolProgress | None) -> ProgressFnT | None:
    """The session's progress callback; without a listener no progress is asked for."""
    if listener is None:
        return None

    async def report(progress: float, total: float | None, message: str | None) -> None:
        listener(progress, total, message or "")

    return report


def notification_handler(server: ToolServer, changed: Callable[[], None]) -> MessageHandlerFnT:
    """Handles a server's notifications: `changed` is called where what the server has may be another now."""
    kinds = (
        ToolListChangedNotification,
        *([ResourceListChangedNotification] if server.allowed_resources else []),
        *([PromptListChangedNotification] if server.allowed_prompts else []),
    )

    async def handle(message: IncomingMessage) -> None:
        if isinstance(message, kinds):
            changed()

    return handle


def result_of_error(code: int, message: str) -> ToolResult:
    """What a JSON-RPC error means for a call. An error of the server's own is the call's result.

    Raises:
        Unsent, RequestRefused, Lost: see there.
    """
    if code == UNSENT:
        raise Unsent(message)
    if code in NOT_TAKEN:
        raise RequestRefused(message)
    if code in NO_ANSWER:
        raise Lost(message)
    if code == UNREADABLE:
        return ToolResult(f"It ran, but {message}. Ask for less at once.", is_error=True, truncated=True)
    return ToolResult(f"The server answered with error {code}: {message}", is_error=True)


@asynccontextmanager
async def connect(
    server: ToolServer, child: Child | None, mode: Mode, hooks: ConnectionHooks
) -> AsyncGenerator[McpConnection]:
    """See `connection.Connect`."""

    async def log(params: LoggingMessageNotificationParams) -> None:
        logger.debug("tool server '%s' logs %s: %s", server.name, params.level, server.scrub(str(params.data)))

    transport = transport_to(server, child, hooks)
    client = Client(
        windows_parameters(server) if transport is None else transport.connect(),
        mode="legacy" if server.speaks_sse else mode,
        logging_callback=log,
        log_level="debug",
        message_handler=notification_handler(server, hooks.changed),
        client_info=Implementation(name="bridge-mcp", version=__version__),
        cache=None,
    )
    async with held_open(client, hooks.down):
        connection = McpConnection(server, client, transport, hooks)
        try:
            yield connection
        finally:
            connection.alive = False


@asynccontextmanager
async def held_open(client: Client, down: Callable[[str], None]) -> AsyncGenerator[None]:
    """Have a client connected, in a task of its own; `down` is called if it ends by itself.

    It is opened under the caller's time-out, and closed when that is over, which its task groups do not allow in one
    task; nor would they let an error of the caller's pass as it is.
    """
    opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    leaving = asyncio.Event()

    async def hold() -> None:
        async with client:
            opened.set_result(None)
            await leaving.wait()

    def ended(task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if opened.done() and not leaving.is_set():
            down(f"the connection broke: {error or 'it was closed'}")

    task = asyncio.create_task(hold(), name=f"tool server {client.mode}")
    task.add_done_callback(ended)
    try:
        await asyncio.wait((task, opened), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        yield
    finally:
        leaving.set()
        if not opened.done():
            opened.cancel()
            task.cancel()
        with anyio.CancelScope(shield=True):
            if not (await asyncio.wait((task,), timeout=CLOSE_S))[0]:
                task.cancel()
                await asyncio.wait((task,), timeout=CLOSE_S)


def transport_to(server: ToolServer, child: Child | None, hooks: ConnectionHooks) -> Transport:
    """Our transport to a server."""
    if server.url:
        return (SseTransport if server.speaks_sse else WebTransport)(server, hooks)
    return None if child is None else PipeTransport(child, hooks.down)


def windows_parameters(server: ToolServer) -> StdioServerParameters:
    """A child of the SDK's own stdio client, which puts it into a job object that ends with the bridge."""
    env = child_environment(server, os.environ)
    return StdioServerParameters(command=server.command, args=list(server.args), env=env, cwd=server.cwd or None)
