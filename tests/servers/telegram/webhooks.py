"""Posting updates to the bot's webhook: in order, again until it answers 2xx.

https://core.telegram.org/bots/api#setwebhook and https://core.telegram.org/bots/webhooks. Telegram posts to several
connections at once; this posts one update after the other. Knows the state, not the methods.
"""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

from tests.servers.telegram.texts import Object
from tests.servers.telegram.world import World

__all__ = ["Delivery", "Reply"]

TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Reply:
    """What a webhook said. `status` 0: nothing; then `reason` says why."""

    status: int
    reason: str
    body: bytes = b""
    retry_after_s: float = 0.0


@dataclass(slots=True)
class Delivery:
    """Delivers as long as `run` runs. `retry_s`: real seconds until a refused update is posted again."""

    world: World
    retry_s: float
    on_method: Callable[[Object], None]
    """Called with the JSON of an answer that asks for a method."""
    closing: bool = False

    async def run(self) -> None:
        """Post what waits; returns when `closing` is set and told."""
        world = self.world
        while True:
            await world.changes.until(lambda: self.closing or bool(world.webhook.url and len(world.queue)), None)
            if self.closing:
                return
            with world.changes.lock:
                hook, waiting = world.webhook, world.queue.take(0, 1)
            if hook.url and waiting:
                await self.deliver(waiting[0])

    async def deliver(self, update: Object) -> None:
        """Post one update once, and wait a little when it was not taken."""
        world, hook = self.world, self.world.webhook
        reply = await asyncio.to_thread(posted, hook.url, hook.secret, json.dumps(update).encode())
        with world.changes.lock:
            if world.webhook is not hook:
                return
            if 200 <= reply.status < 300:
                world.queue.confirm(update["update_id"])
                world.changes.tell()
            else:
                hook.last_error, hook.last_error_at = problem(reply), world.clock.now()
        if 200 <= reply.status < 300:
            self.obey(reply)
            return
        await world.changes.until(
            lambda: self.closing or world.webhook is not hook, max(self.retry_s, reply.retry_after_s)
        )

    def obey(self, reply: Reply) -> None:
        """Documented: an answer may itself ask for a method; nobody learns what came of it."""
        try:
            asked: object = json.loads(reply.body or b"null")
        except ValueError:
            return
        if isinstance(asked, dict) and isinstance(cast("dict[str, Any]", asked).get("method"), str):
            self.on_method(cast("Object", asked))


def problem(reply: Reply) -> str:
    if not reply.status:
        return reply.reason
    return f"Wrong response from the webhook: {reply.status} {reply.reason}"


def posted(url: str, secret: str, body: bytes) -> Reply:
    """One POST over a connection of its own. Blocks."""
    parts = urlsplit(url)
    make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = make(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
    headers = {"Content-Type": "application/json"}
    if secret:
        headers["X-Telegram-Bot-Api-Secret-Token"] = secret
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        wait = answer.getheader("Retry-After") or ""
        return Reply(answer.status, answer.reason, answer.read(), retry_after_s=float(wait) if wait.isdigit() else 0.0)
    except TimeoutError:
        return Reply(0, "Read timeout expired")
    except ConnectionRefusedError:
        return Reply(0, "Connection refused")
    except (OSError, http.client.HTTPException):
        return Reply(0, "Connection reset by peer")
    finally:
        connection.close()
