"""What Slack sends to the app: over Socket Mode to one of its connections by chance, or as signed posts.

https://docs.slack.dev/apis/events-api/using-socket-mode and https://docs.slack.dev/apis/events-api: an event that was
not acknowledged in time is sent again, three times; interactions are not.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import random
import time
import uuid
from collections.abc import Sequence
from urllib.parse import urlencode

import aiohttp
from aiohttp import web

from tests.servers.slack.state import BOT, BOT_TEAM, Json, Workspace
from tests.servers.telegram.changes import Changes

__all__ = ["Deliveries", "signed"]


class Deliveries:
    """The deliveries of one app."""

    def __init__(self, world: Workspace, app_token: str, secret: str, seed: int) -> None:
        self._world, self._secret, self._random = world, secret, random.Random(seed)
        self.app_token = app_token
        self.posts_to = ""
        """Where events are posted; "" for Socket Mode."""
        self.ack_s = 3.0
        self.retries_s: Sequence[float] = (0.05, 0.2, 0.5)
        self.connections: dict[str, web.WebSocketResponse] = {}
        self.changes = Changes()
        self.deaf = False
        """Whether acknowledgements get lost."""
        self.sent: list[Json] = []
        """Every envelope, each time that it was sent."""
        self.lost: list[Json] = []
        """Events that were given up."""
        self._acks: dict[str, asyncio.Future[Json]] = {}
        self._tasks: set[asyncio.Task[bool]] = set()

    # -- Socket Mode -------------------------------------------------------------------------------------------

    async def socket(self, request: web.Request) -> web.StreamResponse:
        """One connection, for as long as it lives."""
        socket = web.WebSocketResponse(autoping=True)
        await socket.prepare(request)
        number = uuid.uuid4().hex[:8]
        self.connections[number] = socket
        hello = {
            "type": "hello",
            "num_connections": len(self.connections),
            "debug_info": {"host": f"applink-{number}", "build_number": 1, "approximate_connection_time": 18060},
            "connection_info": {"app_id": "A0BRIDGE0"},
        }
        await socket.send_json(hello)
        self.changes.tell()
        try:
            async for frame in socket:
                if frame.type == aiohttp.WSMsgType.TEXT and not self.deaf:
                    told = json.loads(frame.data)
                    waiting = self._acks.get(str(told.get("envelope_id")))
                    if waiting is not None and not waiting.done():
                        waiting.set_result(told.get("payload") or {})
        finally:
            self.connections.pop(number, None)
            self.changes.tell()
        return socket

    async def disconnect(self, reason: str = "refresh_requested", number: str = "") -> None:
        """Tell one connection to go, as Slack does every few hours, and close it a moment later."""
        key = number or next(iter(self.connections))
        socket = self.connections[key]
        await socket.send_json({"type": "disconnect", "reason": reason, "debug_info": {"host": f"applink-{key}"}})

    async def drop(self) -> None:
        """All connections break."""
        for socket in list(self.connections.values()):
            await socket.close()

    # -- one delivery ------------------------------------------------------------------------------------------

    def event(self, event: Json, *, team: str = BOT_TEAM, shared: bool = False) -> asyncio.Task[bool]:
        """Send an event; the task tells whether it was acknowledged at last."""
        payload = {
            "token": "verification",
            "team_id": team,
            "context_team_id": team,
            "api_app_id": "A0BRIDGE0",
            "event": event | {"event_ts": str(event.get("ts") or self._world.ts())},
            "type": "event_callback",
            "event_id": self._world.id("Ev"),
            "event_time": int(time.time()),
            "authorizations": [{"team_id": BOT_TEAM, "user_id": BOT, "is_bot": True, "is_enterprise_install": False}],
            "is_ext_shared_channel": shared,
        }
        return self._start("events_api", payload, retries=self.retries_s)

    def interaction(self, payload: Json) -> asyncio.Task[bool]:
        """Send a press or a submission, once."""
        return self._start("interactive", payload, retries=())

    def command(self, payload: Json) -> asyncio.Task[bool]:
        """Send a slash command, once."""
        return self._start("slash_commands", payload, retries=())

    def _start(self, kind: str, payload: Json, retries: Sequence[float]) -> asyncio.Task[bool]:
        task = asyncio.ensure_future(self._deliver(kind, payload, retries))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _deliver(self, kind: str, payload: Json, retries: Sequence[float]) -> bool:
        for attempt, pause in enumerate((0.0, *retries)):
            await asyncio.sleep(pause)
            if await (self._post if self.posts_to else self._frame)(kind, payload, attempt):
                return True
        self.lost.append(payload)
        self.changes.tell()
        return False

    async def _frame(self, kind: str, payload: Json, attempt: int) -> bool:
        if not self.connections:
            return False
        envelope: Json = {"envelope_id": str(uuid.uuid4()), "payload": payload, "type": kind}
        envelope["accepts_response_payload"] = kind != "events_api"
        if kind == "events_api":
            envelope |= {"retry_attempt": attempt, "retry_reason": "timeout" if attempt else ""}
        socket = self._random.choice(list(self.connections.values()))
        waiting = self._acks[envelope["envelope_id"]] = asyncio.get_running_loop().create_future()
        self.sent.append(envelope)
        try:
            await socket.send_json(envelope)
            self.changes.tell()
            await asyncio.wait_for(waiting, self.ack_s)
        except (TimeoutError, ConnectionError, RuntimeError):
            return False
        finally:
            self._acks.pop(envelope["envelope_id"], None)
        return True

    async def _post(self, kind: str, payload: Json, attempt: int) -> bool:
        body, headers = posted(kind, payload)
        headers |= signed(self._secret, body)
        if attempt:
            headers |= {"X-Slack-Retry-Num": str(attempt), "X-Slack-Retry-Reason": "http_timeout"}
        self.sent.append({"type": kind, "payload": payload, "retry_attempt": attempt})
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self.ack_s)) as session,
                session.post(self.posts_to, data=body, headers=headers) as answer,
            ):
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def close(self) -> None:
        """End all deliveries and connections."""
        for task in list(self._tasks):
            task.cancel()
        await self.drop()


def posted(kind: str, payload: Json) -> tuple[bytes, dict[str, str]]:
    """The body of a post, and its headers."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    match kind:
        case "events_api":
            return json.dumps(payload).encode(), {"Content-Type": "application/json"}
        case "slash_commands":
            return urlencode(payload).encode(), form
        case _:
            return urlencode({"payload": json.dumps(payload)}).encode(), form


def signed(secret: str, body: bytes, at: float | None = None) -> dict[str, str]:
    """The headers by which a post is known to be Slack's."""
    stamp = str(int(time.time() if at is None else at))
    made = hmac.new(secret.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={made}"}
