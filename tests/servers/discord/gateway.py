"""The gateway: one WebSocket per session, with sequence, heartbeat, resume and close codes.

https://docs.discord.com/developers/events/gateway and /topics/opcodes-and-status-codes#gateway.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
import zlib
from collections import deque
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, cast

from aiohttp import WSMsgType, web

from tests.servers.discord import views
from tests.servers.discord.world import Object, World

__all__ = ["DIRECT_MESSAGES", "GUILDS", "GUILD_MESSAGES", "MESSAGE_CONTENT", "Gateway", "Session", "Socket"]

GUILDS, GUILD_MEMBERS, GUILD_PRESENCES = 1 << 0, 1 << 1, 1 << 8
GUILD_MESSAGES, GUILD_MESSAGE_REACTIONS = 1 << 9, 1 << 10
DIRECT_MESSAGES, DIRECT_MESSAGE_REACTIONS = 1 << 12, 1 << 13
MESSAGE_CONTENT = 1 << 15
PRIVILEGED = GUILD_MEMBERS | GUILD_PRESENCES | MESSAGE_CONTENT
KNOWN = (1 << 17) - 1 | 1 << 20 | 1 << 21 | 1 << 24 | 1 << 25
KEPT = 1000
"""Events of a session that a resume can bring back."""
SENDS, SENDS_S = 120, 60.0
HIDDEN: Object = {"content": "", "embeds": [], "attachments": [], "components": []}


@dataclass(slots=True)
class Session:
    """What an IDENTIFY begins, and a RESUME goes on with."""

    intents: int
    id: str = field(default_factory=lambda: secrets.token_hex(16))
    sequence: int = 0
    sent: deque[Object] = field(default_factory=lambda: deque[Object](maxlen=KEPT))
    socket: Socket | None = None


class Socket:
    """One connection."""

    def __init__(self, response: web.WebSocketResponse, request: web.Request) -> None:
        self.response, self.request = response, request
        self.session: Session | None = None
        self._deflate = zlib.compressobj() if request.query.get("compress") == "zlib-stream" else None
        self._out: asyncio.Queue[Object | int] = asyncio.Queue()
        self._sends: deque[float] = deque()
        self.heard = time.monotonic()

    def put(self, payload: Object) -> None:
        """Send a payload, in order."""
        self._out.put_nowait(payload)

    def close(self, code: int) -> None:
        """Close, once all before it is sent."""
        self._out.put_nowait(code)

    async def write(self) -> None:
        """Send what is put, until it is closed."""
        while True:
            payload = await self._out.get()
            if isinstance(payload, int):
                await self.response.close(code=payload)
                return
            text = json.dumps(payload)
            if self._deflate is None:
                await self.response.send_str(text)
            else:
                data = self._deflate.compress(text.encode()) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
                await self.response.send_bytes(data)

    def too_fast(self) -> bool:
        """Count what came in; whether that is more than allowed."""
        now = time.monotonic()
        self._sends.append(now)
        while self._sends and self._sends[0] < now - SENDS_S:
            self._sends.popleft()
        return len(self._sends) > SENDS

    def abort(self) -> None:
        """Cut the line, without a word."""
        if self.request.transport is not None:
            self.request.transport.abort()


class Gateway:
    """All sessions of the bot.

    Attributes:
        allowed: privileged intents that the owner of the bot has switched on.
        heartbeat_s: what HELLO tells.
        acknowledges: whether heartbeats are answered; a gateway that does not is a zombie.
        identifies: how many sessions were begun; a thousand a day are allowed.
    """

    def __init__(self, world: World, token: str) -> None:
        self.world, self.token = world, token
        self.url = ""
        self.allowed = 0
        self.heartbeat_s = 41.25
        self.acknowledges = True
        self.identifies = 0
        self.resumes = 0
        self.sessions: dict[str, Session] = {}
        self.sockets: set[Socket] = set()
        self.close_at_identify = 0

    # What tests do to it.

    @property
    def connected(self) -> bool:
        """Whether the bot has a session that gets events."""
        return any(each.socket is not None for each in self.sessions.values())

    def cut(self) -> None:
        """All connections break; their sessions can be resumed."""
        for socket in tuple(self.sockets):
            socket.abort()

    def ask_reconnect(self) -> None:
        """Opcode 7: connect again, and resume."""
        for socket in self.sockets:
            socket.put({"op": 7, "d": None, "s": None, "t": None})

    def invalidate(self, *, resumable: bool = False) -> None:
        """Opcode 9."""
        for socket in self.sockets:
            socket.put({"op": 9, "d": resumable, "s": None, "t": None})
        if not resumable:
            self.forget()

    def forget(self) -> None:
        """No session can be resumed any more."""
        for session in self.sessions.values():
            session.socket = None
        self.sessions.clear()

    def close(self, code: int) -> None:
        for socket in self.sockets:
            socket.close(code)

    # Events.

    def emit(self, name: str, data: Object, intent: int) -> None:
        """Send an event to every session that wants it."""
        for session in self.sessions.values():
            if intent and not session.intents & intent:
                continue
            self._push(session, name, self._shown(name, deepcopy(data), session))

    def _shown(self, name: str, data: Object, session: Session) -> Object:
        """Without the privileged intent the content of most messages is left out."""
        if not name.startswith("MESSAGE_") or "content" not in data or session.intents & MESSAGE_CONTENT:
            return data
        mine = str(self.world.bot.id)
        named = any(each["id"] == mine for each in data["mentions"])
        if named or data["author"]["id"] == mine or "guild_id" not in data:
            return data
        data |= HIDDEN
        if isinstance(replied := data.get("referenced_message"), dict):
            cast("Object", replied).update(HIDDEN)
        for snapshot in data.get("message_snapshots", ()):
            snapshot["message"] |= HIDDEN
        return data

    def _push(self, session: Session, name: str, data: Object) -> None:
        session.sequence += 1
        payload: Object = {"op": 0, "t": name, "s": session.sequence, "d": data}
        session.sent.append(payload)
        if session.socket is not None:
            session.socket.put(payload)

    # Connections.

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """A connection, until it ends."""
        response = web.WebSocketResponse(autoping=True, max_msg_size=16_384)
        await response.prepare(request)
        socket = Socket(response, request)
        self.sockets.add(socket)
        if request.query.get("v") not in ("9", "10"):
            socket.close(4012)
        socket.put({"op": 10, "d": {"heartbeat_interval": int(self.heartbeat_s * 1000)}, "s": None, "t": None})
        writing = asyncio.create_task(socket.write())
        beating = asyncio.create_task(self._watch(socket))
        try:
            async for message in response:
                if message.type is WSMsgType.TEXT:
                    self._take(socket, cast("str", message.data))
        except ConnectionResetError:
            pass
        finally:
            self.sockets.discard(socket)
            if socket.session is not None and socket.session.socket is socket:
                socket.session.socket = None
            for task in (writing, beating):
                task.cancel()
            await asyncio.gather(writing, beating, return_exceptions=True)
            self.world.changes.tell()
        return response

    async def _watch(self, socket: Socket) -> None:
        """A connection whose heartbeats stay away is closed."""
        while True:
            await asyncio.sleep(self.heartbeat_s)
            if time.monotonic() - socket.heard > 1.5 * self.heartbeat_s:
                socket.close(4009)

    def _take(self, socket: Socket, text: str) -> None:
        if socket.too_fast():
            socket.close(4008)
            return
        try:
            payload = json.loads(text)
            op, data = int(payload["op"]), payload.get("d")
        except (ValueError, KeyError, TypeError):
            socket.close(4002)
            return
        handlers: dict[int, Callable[[Socket, Any], None]] = {
            1: self._beat,
            2: self._identify,
            3: self._ignored,
            4: self._ignored,
            6: self._resume,
            8: self._ignored,
        }
        if op not in handlers:
            socket.close(4001)
        elif socket.session is None and op not in (1, 2, 6):
            socket.close(4003)
        else:
            handlers[op](socket, data)
        self.world.changes.tell()

    def _beat(self, socket: Socket, data: Any) -> None:
        socket.heard = time.monotonic()
        if self.acknowledges:
            socket.put({"op": 11, "d": None, "s": None, "t": None})

    def _ignored(self, socket: Socket, data: Any) -> None:
        """Presence, voice states and requests for members have no effect here."""

    def _identify(self, socket: Socket, data: Any) -> None:
        intents = data.get("intents")
        refusals = (
            (4005, socket.session is not None),
            (self.close_at_identify, bool(self.close_at_identify)),
            (4004, data.get("token") != self.token),
            (4013, not isinstance(intents, int) or bool(intents & ~KNOWN)),
            (4014, isinstance(intents, int) and bool(intents & PRIVILEGED & ~self.allowed)),
        )
        refused = next((code for code, wrong in refusals if wrong), 0)
        if refused:
            socket.close(refused)
            return
        self.identifies += 1
        session = Session(intents)
        self.sessions[session.id] = session
        socket.session, session.socket = session, socket
        guilds = [{"id": str(each.id), "unavailable": True} for each in self.world.guilds.values()]
        ready: Object = {
            "v": 10,
            "user": views.user(self.world.bot),
            "guilds": guilds,
            "private_channels": [],
            "session_id": session.id,
            "resume_gateway_url": self.url,
            "session_type": "normal",
            "shard": data.get("shard", [0, 1]),
            "application": {"id": str(self.world.application), "flags": 0},
        }
        self._push(session, "READY", ready)
        if intents & GUILDS:
            for guild in self.world.guilds.values():
                self._push(session, "GUILD_CREATE", views.guild(self.world, guild))

    def _resume(self, socket: Socket, data: Any) -> None:
        session = self.sessions.get(str(data.get("session_id")))
        if data.get("token") != self.token:
            socket.close(4004)
            return
        first = session.sent[0]["s"] if session and session.sent else 1
        seq = data.get("seq")
        if session is not None and isinstance(seq, int) and seq > session.sequence:
            socket.close(4007)
            return
        if session is None or not isinstance(seq, int) or seq < first - 1:
            socket.put({"op": 9, "d": False, "s": None, "t": None})
            return
        self.resumes += 1
        socket.session, session.socket = session, socket
        for payload in session.sent:
            if payload["s"] > seq:
                socket.put(payload)
        self._push(session, "RESUMED", {"_trace": []})
