"""A receiver of signed webhooks on loopback, as Standard Webhooks has it, with the failures that a test asks for."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from aiohttp import web
from standardwebhooks import Webhook

__all__ = ["Receiver", "receiving"]

Failing: TypeAlias = Literal["", "500", "410", "413", "hang", "redirect", "wrong echo", "no echo", "endless"]


@dataclass
class Receiver:
    """Takes webhooks at `url`, and keeps those whose signature is right."""

    secret: str
    url: str = ""
    failing: list[Failing] = field(default_factory=list[Failing])
    """How the next requests fail, one after the other; the last one stays if `stuck`."""
    stuck: bool = False
    hangs_on: Callable[[dict[str, Any]], bool] | None = None
    """Which bodies are never answered."""
    taken: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue[dict[str, Any]])
    requests: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """Every request that came: its headers (small letters) and body."""
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when whoever posted gave up a request that hangs."""
    came: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def take(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        Webhook(self.secret).verify(raw, headers)
        body = json.loads(raw)
        async with self.came:
            self.requests.append({"headers": headers, "body": body, "path": request.path})
            self.came.notify_all()
        how = "" if not self.failing else self.failing[0] if self.stuck else self.failing.pop(0)
        if how in ("500", "410", "413"):
            return web.Response(status=int(how), text="a secret of the inside")
        if how == "redirect":
            return web.Response(status=307, headers={"location": self.url + "/elsewhere"})
        if how == "hang" or (self.hangs_on is not None and self.hangs_on(body)):
            try:
                await asyncio.Event().wait()
            finally:
                self.hung_up.set()
        if how == "endless":
            return web.Response(body=b"x" * 10_000_000)
        if body.get("type") == "verification":
            echo = {"wrong echo": {"challenge": "x" * 43}, "no echo": {}}.get(how, {"challenge": body["challenge"]})
            return web.json_response(echo)
        self.taken.put_nowait(body)
        return web.Response(status=204)

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(10):
            return await self.taken.get()

    async def requested(self, count: int) -> None:
        """Wait until so many requests have come."""
        async with asyncio.timeout(10), self.came:
            await self.came.wait_for(lambda: len(self.requests) >= count)


@asynccontextmanager
async def receiving(secret: str, certificate: tuple[Path, Path] | None = None) -> AsyncGenerator[Receiver]:
    """A receiver; with a certificate and its key, over https."""
    receiver = Receiver(secret)
    app = web.Application()
    app.router.add_post("/{path:.*}", receiver.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    tls = None
    if certificate is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*certificate)
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    host, port = runner.addresses[0][:2]
    receiver.url = f"{'https' if tls else 'http'}://{host}:{port}/hook"
    try:
        yield receiver
    finally:
        await runner.cleanup()
