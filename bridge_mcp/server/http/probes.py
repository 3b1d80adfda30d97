"""`/healthz` and `/readyz`: whether this process answers, and whether the bridge works, for whoever restarts it.

They need no token and tell nothing but `ok` or `not ready`, whatever the Host header says: the probe of an orchestrator
comes by the address of a machine or a pod. What is wrong stands in the log and in `get_status`.
"""

from __future__ import annotations

import logging
import time

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from bridge_mcp.core.errors import BridgeError
from bridge_mcp.service import Bridge

__all__ = ["HEALTH", "READY", "ProbesMiddleware"]

logger = logging.getLogger(__name__)

HEALTH, READY = "/healthz", "/readyz"
HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}

KEPT_S = 1.0
"""How long an answer holds: strangers may ask as often as they like, and the store is looked at once a second."""


class ProbesMiddleware:
    """ASGI middleware: answers the two probes; the rest is `app`'s."""

    def __init__(self, app: ASGIApp, bridge: Bridge) -> None:
        self._app = app
        self._bridge = bridge
        self._ready: bool | None = None
        self._looked = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        path = scope["path"] if scope["type"] == "http" else ""
        if path not in (HEALTH, READY):
            await self._app(scope, receive, send)
        elif scope["method"] not in ("GET", "HEAD"):
            await PlainTextResponse("GET or HEAD\n", 405, HEADERS | {"allow": "GET, HEAD"})(scope, receive, send)
        elif path == HEALTH or await self._is_ready():
            await PlainTextResponse("ok\n", 200, HEADERS)(scope, receive, send)
        else:
            await PlainTextResponse("not ready\n", 503, HEADERS)(scope, receive, send)

    async def _is_ready(self) -> bool:
        now = time.monotonic()
        if self._ready is None or now - self._looked >= KEPT_S:
            try:
                ready = await self._bridge.is_ready()
            except BridgeError as exc:
                logger.warning("whether the bridge is ready cannot be told: %s", exc)
                ready = False
            if ready != self._ready and self._ready is not None:
                logger.info("the bridge is %s", "ready" if ready else "not ready")
            self._ready, self._looked = ready, now
        return self._ready
