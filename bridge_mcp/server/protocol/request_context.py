"""What a transport says of a request beside its message: its session, and the headers that name what it is about."""

from __future__ import annotations

from typing import Any

import mcp_types as types
from mcp.server.connection import Connection
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import MCP_NAME_HEADER, decode_header_value
from starlette.requests import HTTPConnection

__all__ = ["check_name", "connection_of", "session_of"]


def connection_of(ctx: ServerRequestContext[Any, Any]) -> Connection:
    """The connection behind a request, which outlives it where there are sessions.

    The SDK documents its `exit_stack` for handlers to clean up by, but hands them only the session around it.
    """
    return ctx.session._connection  # pyright: ignore[reportPrivateUsage]


def session_of(ctx: ServerRequestContext[Any, Any]) -> object | None:
    """What a request shares with others of its session alone, compared by identity; None where it stands alone.

    In the newer era each request of a pipe has a connection of its own, but the channel behind them is one. Over HTTP
    a request of that era, and any of a server without sessions, stands alone.
    """
    connection = connection_of(ctx)
    return connection.outbound if connection.has_standalone_channel else None


def check_name(ctx: ServerRequestContext[Any, Any], parameter: str, value: str) -> None:
    """Hold a request over HTTP to its `Mcp-Name` header, as the SDK does for the methods that it knows.

    Whoever routes by the header has to be able to trust it (2026-07-28, basic/transports).

    Raises:
        MCPError: the header is another than the parameter.
    """
    request: object = ctx.request
    if isinstance(request, HTTPConnection) and decode_header_value(request.headers.get(MCP_NAME_HEADER)) != value:
        raise MCPError(
            types.HEADER_MISMATCH, f"{MCP_NAME_HEADER} header does not match the request body's '{parameter}' parameter"
        )
