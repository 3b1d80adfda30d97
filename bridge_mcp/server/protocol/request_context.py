"""What a transport knows of a request beside its message: its session, and its MCP headers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import mcp_types as types
from mcp.server.connection import Connection
from mcp.server.context import ServerRequestContext
from mcp.shared.dispatcher import DispatchContext
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import MCP_NAME_HEADER, decode_header_value
from starlette.requests import HTTPConnection

__all__ = ["check_name", "connection_of", "declared_extension", "request_channel", "session_of"]


def connection_of(ctx: ServerRequestContext[Any, Any]) -> Connection:
    """The connection behind a request, which outlives it if there are sessions.

    The SDK documents the connection's `exit_stack` for clean-up in handlers, but passes them only its session.
    """
    return ctx.session._connection  # pyright: ignore[reportPrivateUsage]


def request_channel(ctx: ServerRequestContext[Any, Any]) -> DispatchContext[Any]:
    """The channel to the client of a request that waits: the SDK's session sends by it, but chooses the ids itself."""
    return ctx.session._request_outbound  # pyright: ignore[reportPrivateUsage]


def session_of(ctx: ServerRequestContext[Any, Any]) -> object | None:
    """An object that identifies a request's session; None if it has none.

    In the newer era each request over stdio has a connection of its own, but they share one channel. Over HTTP a
    request of that era, and any request to a server without sessions, has no session.
    """
    connection = connection_of(ctx)
    return connection.outbound if connection.has_standalone_channel else None


def declared_extension(ctx: ServerRequestContext[Any, Any], name: str) -> Mapping[str, Any] | None:
    """What the client declares of an extension, in the handshake or (2026-07-28) in each request; None: nothing."""
    capabilities = ctx.session.client_capabilities
    return (capabilities.extensions or {}).get(name) if capabilities is not None else None


def check_name(ctx: ServerRequestContext[Any, Any], parameter: str, value: str) -> None:
    """Check the `Mcp-Name` header of a request over HTTP, as the SDK does for the methods that it knows.

    A proxy that routes by the header has to be able to trust it (2026-07-28, basic/transports).

    Raises:
        MCPError: the header differs from the parameter.
    """
    request: object = ctx.request
    if isinstance(request, HTTPConnection) and decode_header_value(request.headers.get(MCP_NAME_HEADER)) != value:
        raise MCPError(
            types.HEADER_MISMATCH, f"{MCP_NAME_HEADER} header does not match the request body's '{parameter}' parameter"
        )
