"""A homeserver on loopback, as small as matrix-nio lets it be: https://spec.matrix.org/latest/client-server-api.

Rooms with the bridge, sync with long polls, sends that are known again by their transactions, files that people sent,
and what goes wrong with the next send.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Literal

from aiohttp import web

__all__ = ["ANN", "BRIDGE", "TOKEN", "Homeserver"]

ANN, BRIDGE, TOKEN = "@ann:loopback", "@bridge:loopback", "planted-matrix-token"
V3 = "/_matrix/client/v3"


class Homeserver:
    """`async with Homeserver() as server`."""

    def __init__(self) -> None:
        self._events: list[dict[str, Any]] = []
        self._transactions: dict[str, str] = {}
        self._numbers = itertools.count(1)
        self._changed = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._files: dict[str, bytes] = {}
        self.faults: deque[Literal["lost"] | int] = deque()
        """What becomes of the next sends: done, and the answer lost; or refused for so many seconds."""
        self.url = ""
        self.room = self.with_bridge(ANN)

    async def __aenter__(self) -> Homeserver:
        app = web.Application(middlewares=[authorized])
        app.router.add_get(f"{V3}/sync", self._sync)
        app.router.add_put(f"{V3}/rooms/{{room}}/send/{{kind}}/{{txn}}", self._send)
        app.router.add_put(f"{V3}/rooms/{{room}}/typing/{{user}}", self._empty)
        app.router.add_get("/_matrix/client/v1/media/download/{server}/{name}{end:/?}", self._download)
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

    # -- people ------------------------------------------------------------------------------------------------

    def with_bridge(self, *users: str) -> str:
        """A room with these people and the bridge."""
        room = f"!room{next(self._numbers)}:loopback"
        for user in (*users, BRIDGE):
            name = user.partition(":")[0].removeprefix("@").title()
            self._add(room, "m.room.member", user, {"membership": "join", "displayname": name}, state=user)
        return room

    async def ann_says(self, text: str) -> str:
        """Ann writes into the room that is there from the beginning."""
        return self.says(self.room, ANN, text)

    def says(self, room: str, user: str, text: str) -> str:
        """Somebody writes; the event's id."""
        return self._add(room, "m.room.message", user, {"msgtype": "m.text", "body": text})

    def edits(self, room: str, user: str, event: str, text: str) -> str:
        """Somebody changes a message of theirs."""
        new: dict[str, Any] = {"msgtype": "m.text", "body": text}
        relates = {"rel_type": "m.replace", "event_id": event}
        content = {"msgtype": "m.text", "body": f"* {text}", "m.new_content": new, "m.relates_to": relates}
        return self._add(room, "m.room.message", user, content)

    def sends_file(self, room: str, user: str, name: str, data: bytes, mime: str) -> str:
        """Somebody sends a file."""
        media = f"media{next(self._numbers)}"
        self._files[media] = data
        info = {"mimetype": mime, "size": len(data)}
        content = {"msgtype": "m.file", "body": name, "url": f"mxc://loopback/{media}", "info": info}
        return self._add(room, "m.room.message", user, content)

    def said(self, room: str) -> dict[str, str]:
        """What the bridge wrote in a room, as it reads now, by its event."""
        found: dict[str, str] = {}
        for each in self._of_bridge(room, "m.room.message"):
            content = each["content"]
            changed = content.get("m.relates_to", {}).get("event_id", each["event_id"])
            found[changed] = content.get("m.new_content", content)["body"]
        return found

    def bridge_said(self) -> list[str]:
        """What the bridge wrote to Ann, in order."""
        return [*self.said(self.room).values()]

    def reactions(self, room: str) -> list[str]:
        """The emoji that the bridge put below messages of a room."""
        return [each["content"]["m.relates_to"]["key"] for each in self._of_bridge(room, "m.reaction")]

    def bridge_reacted(self) -> list[str]:
        """The emoji that the bridge put below messages of Ann's room."""
        return self.reactions(self.room)

    async def until(self, holds: Callable[[], object], within_s: float) -> None:
        """Wait until something holds of all that was said."""
        async with asyncio.timeout(within_s):
            while not holds():
                await self._changed.wait()

    # -- the inside --------------------------------------------------------------------------------------------

    def _of_bridge(self, room: str, kind: str) -> Iterator[dict[str, Any]]:
        return (e for e in self._events if (e["room_id"], e["sender"], e["type"]) == (room, BRIDGE, kind))

    def _add(self, room: str, kind: str, sender: str, content: dict[str, Any], *, state: str | None = None) -> str:
        number = next(self._numbers)
        event: dict[str, Any] = {"type": kind, "sender": sender, "content": content, "event_id": f"${number}:loopback"}
        event |= {"origin_server_ts": 1_800_000_000_000 + 1000 * number, "room_id": room}
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
        by_room = {each["room_id"]: [e for e in new if e["room_id"] == each["room_id"]] for each in new}
        joined = {room: joined_room(events, since) for room, events in by_room.items()}
        return web.json_response(
            {
                "next_batch": f"s{head}",
                "rooms": {"join": joined, "invite": {}, "leave": {}},
                "presence": {"events": []},
                "to_device": {"events": []},
                "device_lists": {"changed": [], "left": []},
                "device_one_time_keys_count": {},
            }
        )

    async def _send(self, request: web.Request) -> web.Response:
        fault = self.faults.popleft() if self.faults else None
        if isinstance(fault, int):
            told = {"errcode": "M_LIMIT_EXCEEDED", "error": "Too many requests", "retry_after_ms": 1000 * fault}
            return web.json_response(told, status=429)
        transaction, room = request.match_info["txn"], request.match_info["room"]
        if transaction not in self._transactions:
            kind, content = request.match_info["kind"], await request.json()
            self._transactions[transaction] = self._add(room, kind, BRIDGE, content)
        if fault == "lost" and request.transport is not None:
            request.transport.close()
        return web.json_response({"event_id": self._transactions[transaction]})

    async def _download(self, request: web.Request) -> web.Response:
        data = self._files.get(request.match_info["name"])
        if data is None:
            return web.json_response({"errcode": "M_NOT_FOUND", "error": "Not found"}, status=404)
        return web.Response(body=data, content_type="application/octet-stream")

    async def _empty(self, request: web.Request) -> web.Response:
        return web.json_response({})


def joined_room(events: list[dict[str, Any]], since: int) -> dict[str, Any]:
    """What a sync tells of a room."""
    return {
        "timeline": {"events": events, "limited": False, "prev_batch": f"s{since}"},
        "state": {"events": []},
        "ephemeral": {"events": []},
        "account_data": {"events": []},
        "unread_notifications": {},
        "summary": {},
    }


@web.middleware
async def authorized(request: web.Request, handler: Any) -> web.StreamResponse:
    """Whoever shows no token, or another, is told so."""
    if request.headers.get("Authorization") != f"Bearer {TOKEN}":
        return web.json_response({"errcode": "M_UNKNOWN_TOKEN", "error": "Unknown token"}, status=401)
    answer: web.StreamResponse = await handler(request)
    return answer
