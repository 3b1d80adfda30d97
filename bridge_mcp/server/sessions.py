"""Which requests belong together: those of one pipe, or of one handshake-era session over HTTP."""

from __future__ import annotations

from typing import Any

from mcp.server.connection import Connection
from mcp.server.context import ServerRequestContext

__all__ = ["connection_of", "session_of"]


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
