"""An application beside MCP, below a path of its own, with its own authentication."""

from __future__ import annotations

from typing import Protocol

from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["BesideMiddleware", "MountedApp"]


class MountedApp(Protocol):
    """An ASGI application, what it answers, and its beginning and end."""

    @property
    def prefix(self) -> str:
        """The path that it answers, with all that is below it."""
        ...

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        ...

    def prepare(self) -> object:
        """Connections are accepted: what the first request would wait for can be done in the background."""
        ...

    def close(self) -> None:
        """End open responses: serving ends."""
        ...


class BesideMiddleware:
    """ASGI middleware: requests below the prefix of `beside` are that application's, all others `app`'s."""

    def __init__(self, app: ASGIApp, beside: MountedApp) -> None:
        self._app = app
        self._beside = beside

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        path, prefix = str(scope["path"]), self._beside.prefix
        theirs = scope["type"] == "http" and (path == prefix or path.startswith(f"{prefix}/"))
        await (self._beside if theirs else self._app)(scope, receive, send)
