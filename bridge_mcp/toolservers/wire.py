"""Connections to nested servers through the FastMCP client, and what its errors say about a call's fate.

The only door to the client library: importing this module costs the better part of a second, so supervisors do it on a
thread, when they start.
"""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast

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
    Tool,
    ToolAnnotations,
    ToolListChangedNotification,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from bridge_mcp import __version__
from bridge_mcp.core.tools import JSON, ToolResult
from bridge_mcp.ports import ToolProgress
from bridge_mcp.toolservers.child import Child, child_environment
from bridge_mcp.toolservers.link import ListedTool, Lost, Mode, Refused, Unsent
from bridge_mcp.toolservers.pipes import UNSENT, PipeTransport
from bridge_mcp.toolservers.results import json_text, tool_result
from bridge_mcp.toolservers.settings import ToolServer
from bridge_mcp.toolservers.web import BROKE_OFF, TURNED_DOWN, WebTransport

__all__ = ["ClientLink", "connect"]

logger = logging.getLogger(__name__)

CLOSE_S = 3.0
"""How long saying goodbye may take."""
RELISTEN_S = 1.0
RELISTEN_MAX_S = 30.0

NOT_TAKEN = frozenset({TURNED_DOWN, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS})
NO_ANSWER = frozenset({BROKE_OFF, CONNECTION_CLOSED, PARSE_ERROR})
BREAKS = (RuntimeError, ValueError, OSError, httpx2.HTTPError, anyio.ClosedResourceError, anyio.BrokenResourceError)
"""What the client raises when its session dies under a call, or when an answer is not what MCP says it must be."""


class News(MessageHandler):
    """Hears what a server says unasked."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self.changed = changed

    async def on_tool_list_changed(self, message: ToolListChangedNotification) -> None:
        """The tool list is stale."""
        self.changed()


class ClientLink:
    """One open connection of the FastMCP client; a `Link`."""

    def __init__(self, client: Client[ClientTransport]) -> None:
        self.client = client

    @property
    def alive(self) -> bool:
        """Whether a request could be sent now."""
        return self.client.is_connected()

    async def list_tools(self) -> tuple[ListedTool, ...]:
        """All pages."""
        return tuple(listed(tool) for tool in await self.client.list_tools())

    async def call(self, tool: str, arguments: Mapping[str, JSON], progress: ToolProgress | None = None) -> ToolResult:
        """Run a tool; see `Link`."""
        if not self.alive:
            raise Unsent("the connection is closed")
        try:
            given = cast("dict[str, Any]", dict(arguments))
            answer = await self.client.call_tool_mcp(tool, given, progress_handler=heard_by(progress))
            return tool_result(answer)
        except MCPError as exc:
            return answered_with_error(exc)
        except BREAKS as exc:
            raise Lost(f"{type(exc).__name__}: {exc}") from exc

    async def follow(self, changed: Callable[[], None]) -> None:
        """In the newer era, hold a stream of change notices open: there a server says nothing unasked."""
        offered = self.client.server_capabilities
        modern = self.client.protocol_version in MODERN_PROTOCOL_VERSIONS
        if not modern or offered is None or offered.tools is None or not offered.tools.list_changed:
            return
        pause = RELISTEN_S
        while True:
            try:
                async with listen(self.client.session, tools_list_changed=True) as notices:
                    pause = RELISTEN_S
                    changed()  # as it may have, since the tools were listed
                    async for _ in notices:
                        changed()
            except (MCPError, SubscriptionLost) as exc:
                if isinstance(exc, MCPError) and exc.code in NOT_TAKEN:
                    return logger.debug("no change notices to be had: %s", exc)
                logger.debug("the stream of change notices broke: %s", exc)
            await anyio.sleep(pause)
            pause = min(pause * 2, RELISTEN_MAX_S)


def heard_by(listener: ToolProgress | None) -> ProgressHandler:
    """What the client calls with each word of progress; without a listener it swallows them (the client would log)."""

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        if listener is not None:
            listener(progress, total, message or "")

    return hear


def answered_with_error(exc: MCPError) -> ToolResult:
    """What an error in place of a result means. An error that the server itself gives for a call is its answer.

    Raises:
        Unsent, Refused, Lost: see there.
    """
    if exc.code == UNSENT:
        raise Unsent(exc.message) from exc
    if exc.code in NOT_TAKEN:
        raise Refused(exc.message) from exc
    if exc.code in NO_ANSWER:
        raise Lost(exc.message) from exc
    return ToolResult(f"The server answered with error {exc.code}: {exc.message}", is_error=True)


def listed(tool: Tool) -> ListedTool:
    """A tool as a value. What the server leaves open takes MCP's defaults; a read-only tool destroys nothing."""
    hints = tool.annotations or ToolAnnotations()
    read_only = bool(hints.read_only_hint)
    return ListedTool(
        name=tool.name,
        description=tool.description or tool.title or hints.title or "",
        schema=json_text(cast("JSON", tool.input_schema)),
        read_only=read_only,
        destructive=not read_only and hints.destructive_hint is not False,
        idempotent=bool(hints.idempotent_hint),
        open_world=hints.open_world_hint is not False,
    )


@asynccontextmanager
async def connect(
    server: ToolServer, child: Child | None, mode: Mode, down: Callable[[str], None], changed: Callable[[], None]
) -> AsyncGenerator[ClientLink]:
    """See `link.Connect`."""

    async def log(params: LoggingMessageNotificationParams) -> None:
        logger.debug("tool server '%s' logs %s: %s", server.name, params.level, params.data)

    client = Client(
        transport_to(server, child, down),
        name=server.name,
        mode=mode,
        init_timeout=0,
        log_handler=log,
        message_handler=News(changed),
        client_info=Implementation(name="bridge-mcp", version=__version__),
    )
    opened = AsyncExitStack()
    await opened.enter_async_context(client)
    try:
        yield ClientLink(client)
    finally:
        # Shielded: cancelled, the client would leave a task of its own behind.
        with anyio.move_on_after(CLOSE_S, shield=True):
            await opened.aclose()


def transport_to(server: ToolServer, child: Child | None, down: Callable[[str], None]) -> ClientTransport:
    """How to reach a server."""
    if server.url:
        return WebTransport(server, down)
    if child is not None:
        return PipeTransport(child, down)
    # Windows: the SDK's own stdio client, which puts the child into a job object that ends with the bridge.
    env = child_environment(server, os.environ)
    return StdioTransport(server.command, list(server.args), env=env, cwd=server.cwd or None, keep_alive=False)
