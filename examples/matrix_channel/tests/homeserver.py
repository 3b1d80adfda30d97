"""A homeserver on loopback, as small as matrix-nio lets it be: https://spec.matrix.org/latest/client-server-api.

One room with Ann and the bridge, sync with long polls, sends that are known again by their transactions.
"""

from __future__ import annotations

import asyncio
import itertools
from types import TracebackType
from typing import Any

from aiohttp import web

__all__ = ["ANN", "BRIDGE", "ROOM", "TOKEN", "Homeserver"]

ANN, BRIDGE, ROOM, TOKEN = "@ann:loopback", "@bridge:loopback", "!room:loopback", "planted-matrix-token"
V3 = "/_matrix/client/v3"


class Homeserver:
    """`async with Homeserver() as server`."""

    def __init__(self) -> None:
        self._events: list[dict[str, Any]] = []
        self._transactions: dict[str, str] = {}
        self._numbers = itertools.count(1)
        self._changed = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self.url = ""
        for user in (ANN, BRIDGE):
            self._add("m.room.member", user, {"membership": "join", "displayname": user}, state=user)

    async def __aenter__(self) -> Homeserver:
        app = web.Application(middlewares=[authorized])
        app.router.add_get(f"{V3}/sync", self._sync)
        app.router.add_put(f"{V3}/rooms/{{room}}/send/{{kind}}/{{txn}}", self._send)
        app.router.add_put(f"{V3}/rooms/{{room}}/typing/{{user}}", self._empty)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def ann_says(self, text: str) -> str:
        """Ann writes into the room."""
        return self._add("m.room.message", ANN, {"msgtype": "m.text", "body": text})

    def bridge_said(self) -> list[str]:
        """What the bridge wrote, in order, as it reads now."""
        said: dict[str, str] = {}
        for each in self._events:
            if each["sender"] == BRIDGE and each["type"] == "m.room.message":
                content = each["content"]
                changed = content.get("m.relates_to", {}).get("event_id", each["event_id"])
                said[changed] = content.get("m.new_content", content)["body"]
        return [*said.values()]

    def bridge_reacted(self) -> list[str]:
        """The emoji that the bridge put below messages."""
        reactions = [each for each in self._events if each["sender"] == BRIDGE and each["type"] == "m.reaction"]
        return [each["content"]["m.relates_to"]["key"] for each in reactions]

    def _add(self, kind: str, sender: str, content: dict[str, Any], *, state: str | None = None) -> str:
        number = next(self._numbers)
        event: dict[str, Any] = {"type": kind, "sender": sender, "content": content, "event_id": f"${number}:loopback"}
        event |= {"origin_server_ts": 1_800_000_000_000 + 1000 * number, "room_id": ROOM}
        self._events.append(event | ({} if state is None else {"state_key": state}))
        self._changed.set()
        self._changed = asyncio.Event()
        return str(event["event_id"])

    async def _sync(self, request: web.Request) -> web.Response:
        since = int(request.query.get("since", "s0")[1:])
        if since >= len(self._events):
            try:
                await asyncio.wait_for(self._changed.wait(), int(request.query.get("timeout", "0")) / 1000 or 0.001)
            except TimeoutError:
                pass
        new, head = self._events[since:], len(self._events)
        room: dict[str, Any] = {
            "timeline": {"events": new, "limited": False, "prev_batch": f"s{since}"},
            "state": {"events": []},
            "ephemeral": {"events": []},
            "account_data": {"events": []},
            "unread_notifications": {},
            "summary": {"m.joined_member_count": 2, "m.invited_member_count": 0, "m.heroes": [ANN]},
        }
        rooms: dict[str, Any] = {"join": {ROOM: room} if new else {}, "invite": {}, "leave": {}}
        return web.json_response(
            {
                "next_batch": f"s{head}",
                "rooms": rooms,
                "presence": {"events": []},
                "to_device": {"events": []},
                "device_lists": {"changed": [], "left": []},
                "device_one_time_keys_count": {},
            }
        )

    async def _send(self, request: web.Request) -> web.Response:
        transaction = request.match_info["txn"]
        if transaction not in self._transactions:
            self._transactions[transaction] = self._add(request.match_info["kind"], BRIDGE, await request.json())
        return web.json_response({"event_id": self._transactions[transaction]})

    async def _empty(self, request: web.Request) -> web.Response:
        return web.json_response({})


@web.middleware
async def authorized(request: web.Request, handler: Any) -> web.StreamResponse:
    """Whoever shows no token, or another, is told so."""
    if request.headers.get("Authorization") != f"Bearer {TOKEN}":
        return web.json_response({"errcode": "M_UNKNOWN_TOKEN", "error": "Unknown token"}, status=401)
    answer: web.StreamResponse = await handler(request)
    return answer
