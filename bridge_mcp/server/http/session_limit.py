"""Limits the handshake-era sessions of each client over HTTP, so that none takes all that there are.

Hosts that crash or just leave do not end their sessions, which then last half an hour. So a client that opens one too
many loses its least recently used one; its host opens another, as the protocol says.
"""

from __future__ import annotations

import json
import logging
from collections import OrderedDict
from dataclasses import dataclass

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bridge_mcp.core.policy import Principal
from bridge_mcp.server.http.authenticator import PRINCIPAL

__all__ = ["SessionLimitMiddleware"]

logger = logging.getLogger(__name__)

MAX_SESSIONS = 64
"""Sessions of one client."""
SESSION = b"mcp-session-id"


@dataclass(eq=False, slots=True)
class Session:
    """One open session."""

    user: AuthenticatedUser | None
    """The SDK's key for its client."""
    under_way: int = 0


class SessionLimitMiddleware:
    """ASGI middleware: counts the sessions of each client, and ends the oldest idle one of a client with too many.

    Args:
        app: the application behind it, which opens and ends sessions.
        most: sessions of one client; `MAX_SESSIONS` without it.
    """

    def __init__(self, app: ASGIApp, most: int | None = None) -> None:
        self._app = app
        self._most = MAX_SESSIONS if most is None else most
        self._open: dict[str, OrderedDict[str, Session]] = {}
        """By client, the most recently used at the end."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        who: object = scope.get(PRINCIPAL)
        if not isinstance(who, Principal):
            await self._app(scope, receive, send)
            return
        told = next((value.decode("latin-1") for name, value in scope["headers"] if name == SESSION), "")
        known = self._open.get(who.name, OrderedDict[str, Session]()).get(told)
        if known is not None:
            await self._use(who.name, told, known, scope, receive, send)
        elif told or scope["method"] != "POST":
            await self._app(scope, receive, send)
        elif await self._has_room(who.name):
            await self._app(scope, receive, self._noting(who.name, scope, send))
        else:
            await refuse(send, who.name, self._most)

    async def _use(self, client: str, id_: str, session: Session, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request of a session on, and forget the session if the response says that it has ended."""
        over = scope["method"] == "DELETE"

        async def noting(message: Message) -> None:
            nonlocal over
            if message["type"] == "http.response.start":
                over = message["status"] == 404 or (over and message["status"] == 200)
            await send(message)

        self._open[client].move_to_end(id_)
        session.under_way += 1
        try:
            await self._app(scope, receive, noting)
        finally:
            session.under_way -= 1
            if over:
                self._forget(client, id_)

    def _noting(self, client: str, scope: Scope, send: Send) -> Send:
        """Note the session that a response opens."""

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 400:
                opened = next((value.decode("latin-1") for name, value in message["headers"] if name == SESSION), "")
                if opened:
                    self._open.setdefault(client, OrderedDict())[opened] = Session(scope.get("user"))
            await send(message)

        return noting

    async def _has_room(self, client: str) -> bool:
        """Whether one more session may be opened, after ending an idle one if necessary."""
        sessions = self._open.get(client, OrderedDict[str, Session]())
        if len(sessions) < self._most:
            return True
        idle = next((id_ for id_, session in sessions.items() if not session.under_way), None)
        if idle is None:
            return False
        logger.info("%s has %d sessions; the one that it used least recently ends", client, len(sessions))
        user = sessions[idle].user
        self._forget(client, idle)
        await self._end(idle, user)
        return True

    def _forget(self, client: str, id_: str) -> None:
        sessions = self._open.get(client)
        if sessions is not None:
            sessions.pop(id_, None)
            if not sessions:
                del self._open[client]

    async def _end(self, id_: str, user: AuthenticatedUser | None) -> None:
        """End a session as its own client would (DELETE)."""
        headers = [(SESSION, id_.encode("latin-1")), (b"accept", b"application/json, text/event-stream")]
        scope: Scope = {
            "type": "http", "method": "DELETE", "path": "/", "raw_path": b"/", "query_string": b"",
            "root_path": "", "scheme": "http", "http_version": "1.1", "headers": headers,
        }  # fmt: skip
        if user is not None:
            scope["user"] = user

        async def nothing_more() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def nobody(message: Message) -> None:
            """Drop the response."""

        await self._app(scope, nothing_more, nobody)


async def refuse(send: Send, client: str, most: int) -> None:
    why = f"{client} has {most} sessions in use. End one (DELETE) before you open another."
    body = json.dumps({"jsonrpc": "2.0", "id": None, "error": {"code": -32603, "message": why}}).encode()
    headers = [(b"content-type", b"application/json"), (b"retry-after", b"5")]
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": 429, "headers": headers})
    await send({"type": "http.response.body", "body": body})
