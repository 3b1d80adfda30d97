"""Sessions of the handshake era that every process on the store serves, so that several stand behind one address.

A session is a row in the store: whose it is, and what its client said when it opened it. The SDK's session is made of
that in whichever process a request reaches, by the handshake that the client made in another one, and so again after
an idle time or a restart. What concerns a request or a stream that another process holds is passed on by notes in the
store (`session_notes`): a commit wakes the others, and a look every two seconds finds what a lost notice hid.

Each client has so many sessions here, so that none takes all that there are. Hosts that crash or just leave do not end
theirs. So a client that opens one too many loses its least recently used one; its host opens another, as the protocol
says.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import closing
from uuid import uuid4
from weakref import WeakValueDictionary

import anyio
import msgspec
from mcp_types import INTERNAL_ERROR, INVALID_REQUEST
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from msgspec import Struct
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bridge_mcp.core.errors import StoreError
from bridge_mcp.core.policy import Principal
from bridge_mcp.ports import Clock, FaceNote, FaceSession, Store
from bridge_mcp.server.http.authenticator import PRINCIPAL
from bridge_mcp.server.http.open_session import (
    PASS_S,
    OpenSession,
    concerns_others,
    handshake,
    hash_session_id,
    nothing_more,
    notify,
    with_session_id,
)
from bridge_mcp.server.http.rate_limit import RateLimiter
from bridge_mcp.server.http.session_notes import (
    MAX_NOTE,
    SESSION,
    ClientMessage,
    Method,
    ResponseHead,
    by_session,
    header_of,
    inner_post,
    message_in,
    replay_body,
    rpc,
    rpc_error,
    with_session,
)

__all__ = ["SharedSessions"]

logger = logging.getLogger(__name__)

MAX_SESSIONS = 64
"""Sessions of one client in one process."""
MAX_STORED = 256
"""Sessions of one client in the store, those among them that nobody came back to."""
MAX_SUBSCRIPTIONS = 1000
"""Resources that one session subscribes to."""
IDLE_S, LONGEST_S = 24 * 3600.0, 30 * 24 * 3600.0
"""How long a session lasts that nobody uses, and at most."""
CLEAR_EVERY_S = 3600.0
"""How often those are looked for."""
USED_EVERY_S = 60.0
"""How often its use is written down."""
LOOK_S = 2.0
"""How often notes are looked for without a commit."""
BACK_S = 30.0
"""How far back: a note of a transaction that took long may come after younger ones."""
PASSED_ON = 10, 100
"""Messages of one client that are passed on to other processes: a second, and at once. All of them read each."""
VERSION = b"mcp-protocol-version"


class SharedSessions:
    """ASGI middleware: requests of the handshake era reach their session, whichever process opened it.

    Args:
        app: the SDK's application.
        store: where sessions are kept.
        clock: epoch seconds; all processes on a store go by about the same.
    """

    def __init__(self, app: ASGIApp, store: Store, clock: Clock) -> None:
        self.app = app
        self._rows = store.face_sessions
        self._store = store
        self._clock = clock
        self._name = uuid4().hex
        self._open: dict[str, OrderedDict[str, OpenSession]] = {}
        """By client, and by what the client shows, the most recently used at the end."""
        self._adopting: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._passing = RateLimiter(*PASSED_ON)
        self._cleared = 0.0
        self._task: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        who: object = scope.get(PRINCIPAL)
        version = header_of(scope["headers"], VERSION)
        if not isinstance(who, Principal) or (version and version not in HANDSHAKE_PROTOCOL_VERSIONS):
            await self.app(scope, receive, send)
            return
        presented = header_of(scope["headers"], SESSION)
        body = (await receive()).get("body", b"") if scope["method"] == "POST" else b""
        message = message_in(body)
        receive = replay_body(body, receive)
        if presented:
            await SessionRequest(self, who, presented, scope=scope, body=body).answer(receive, send)
        elif message.method == "initialize":
            await self._opened(who, message, scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def close(self) -> None:
        """Follow the notes of others no longer."""
        if self._task is not None:
            self._task.cancel()

    # -- opening ----------------------------------------------------------------------------------------------

    async def _opened(self, who: Principal, hello: ClientMessage, scope: Scope, receive: Receive, send: Send) -> None:
        """Have the SDK open a session, and keep it before its client hears of it."""
        if not await self._has_room(who.name, ends=True):
            await too_many_sessions(who.name)(scope, receive, send)
            return

        async def keeping(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 400:
                if presented := header_of(list(message["headers"]), SESSION):
                    await self._keep(who.name, presented, hello, scope)
            await send(message)

        await self.app(scope, receive, keeping)

    async def _keep(self, client: str, presented: str, message: ClientMessage, scope: Scope) -> None:
        now = self._clock.now()
        if now - self._cleared > CLEAR_EVERY_S:
            self._cleared = now
            await self._rows.end_old("mcp", idle_since=now - IDLE_S, begun_before=now - LONGEST_S)
        session = FaceSession(hash_session_id(presented), "mcp", client, handshake(message), begun=now, used=now)
        await self._rows.put(session, at_most=MAX_STORED)
        self._add(client, presented, OpenSession(session.id, presented, scope, used=now))

    def _add(self, client: str, presented: str, session: OpenSession) -> None:
        self._open.setdefault(client, OrderedDict())[presented] = session
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._follow(), name="notes of other faces")

    async def _has_room(self, client: str, *, ends: bool) -> bool:
        """Whether one more session may be open here, after closing an idle one if necessary; `ends`: for all."""
        sessions = self._open.get(client, OrderedDict[str, OpenSession]())
        if len(sessions) < MAX_SESSIONS:
            return True
        idle = next(((presented, session) for presented, session in sessions.items() if not session.under_way), None)
        if idle is None:
            return False
        logger.info("%s has %d sessions; the one that it used least recently ends", client, len(sessions))
        presented, session = idle
        if ends:
            await self._rows.end(session.id, FaceNote(session.id, self._name), self._clock.now())
        await self.drop(client, presented)
        return True

    # -- using ------------------------------------------------------------------------------------------------

    async def find(self, who: Principal, presented: str, scope: Scope) -> OpenSession | None:
        """The session that a client shows, open in this process; None where there is none of that client."""
        row = await self._rows.get(hash_session_id(presented))
        now = self._clock.now()
        if row is None or row.kind != "mcp" or row.client != who.name or now - row.used > IDLE_S:
            await self.drop(who.name, presented)
            return None
        async with self._adopting.setdefault(row.id, asyncio.Lock()):
            session = self._open.get(who.name, OrderedDict[str, OpenSession]()).get(presented)
            if session is None:
                session = await self._adopted(who.name, presented, row, scope)
        if session is not None:
            self._open[who.name].move_to_end(presented)
            session.scope = scope
            if now - session.used > USED_EVERY_S:
                session.used = now
                await self._rows.used(session.id, now)
        return session

    async def _adopted(self, client: str, presented: str, row: FaceSession, scope: Scope) -> OpenSession | None:
        """Make the SDK's session of one that another process opened, or that was idle for long.

        Raises:
            TooManyInUse: this client uses as many as it may.
        """
        if not await self._has_room(client, ends=False):
            raise TooManyInUse
        opened = await self.post(scope, "", rpc("initialize", msgspec.json.decode(row.body), "again"))
        if opened.status >= 400 or not opened.session:
            return None
        session = OpenSession(row.id, opened.session, scope, used=row.used)
        await self.post(scope, session.inner, rpc("notifications/initialized", {}))
        self._add(client, presented, session)
        await self.subscribe(session)
        return session

    async def subscribe(self, session: OpenSession) -> None:
        """Have the SDK's session subscribe to what its client subscribes to, through whichever process."""
        wanted = await self._rows.subscriptions(session.id)
        for verb, uris in (("subscribe", wanted - session.wanted), ("unsubscribe", session.wanted - wanted)):
            for uri in sorted(uris):
                await self.post(session.scope, session.inner, rpc(f"resources/{verb}", {"uri": uri}, f"again {uri}"))
        session.wanted = set(wanted)

    async def drop(self, client: str, presented: str) -> None:
        """Close a session in this process. It may be open in others."""
        sessions = self._open.get(client)
        session = sessions.pop(presented, None) if sessions is not None else None
        if session is None:
            return
        if not sessions:
            del self._open[client]
        await self.post(session.scope, session.inner, b"", "DELETE")

    async def ended(self, session: OpenSession) -> None:
        """Its client ends a session: in every process."""
        await self._rows.end(session.id, FaceNote(session.id, self._name), self._clock.now())

    async def post(self, scope: Scope, inner: str, body: bytes, method: Method = "POST") -> ResponseHead:
        """Post a message to the SDK's session, or end it, as its client would."""
        head = ResponseHead()
        with anyio.move_on_after(PASS_S):
            await self.app(inner_post(scope, inner, method), replay_body(body, nothing_more), head)
        return head

    async def pass_on(self, client: str, session: OpenSession, body: bytes) -> bool:
        """Pass a message on to whichever process it is for; False where its client sends too many of them."""
        if len(body) > MAX_NOTE:
            logger.warning("a message of %d bytes about a request elsewhere is too long to be passed on", len(body))
            return True
        if self._passing.take(client):
            return False
        await self._rows.tell(FaceNote(session.id, self._name, body.decode("utf-8", "replace")), self._clock.now())
        return True

    async def changed(self, session: OpenSession, message: ClientMessage) -> bool:
        """Its client changes what it subscribes to; whether it may have so many. Every process learns it."""
        note, uri, now = FaceNote(session.id, self._name), message.values().uri, self._clock.now()
        if message.method == "resources/subscribe":
            if not await self._rows.subscribe(note, uri, now, at_most=MAX_SUBSCRIPTIONS):
                return False
            session.wanted.add(uri)
        else:
            await self._rows.unsubscribe(note, uri, now)
            session.wanted.discard(uri)
        return True

    # -- notes of other processes -----------------------------------------------------------------------------

    async def _follow(self) -> None:
        """Do what others tell of sessions that are in use here, until cancelled."""
        seen: dict[int, float] = {}
        with closing(self._store.agenda.watch(conversations=False)) as changes:
            while True:
                try:
                    if in_use := self._in_use():
                        now = self._clock.now()
                        seen = {number: at for number, at in seen.items() if at > now - 2 * BACK_S}
                        notes = await self._rows.notes(now - BACK_S, by=self._name, seen=seen)
                        seen |= dict.fromkeys([note.number for note in notes], now)
                        await self._do_all(notes, in_use)
                except StoreError as exc:
                    logger.warning("what other processes tell of sessions cannot be read: %s", exc)
                await changes.wait(LOOK_S)

    def _in_use(self) -> Mapping[str, tuple[str, str, OpenSession]]:
        """The sessions with a request or a stream in this process, by id, with their clients and what these show."""
        return {
            session.id: (client, presented, session)
            for client, sessions in self._open.items()
            for presented, session in sessions.items()
            if session.under_way
        }

    async def _do_all(self, notes: Sequence[FaceNote], in_use: Mapping[str, tuple[str, str, OpenSession]]) -> None:
        """Do what notes say, of each session in order; a client that does not read holds up no other."""
        async with anyio.create_task_group() as tasks:
            for id, bodies in by_session(notes).items():
                if id in in_use:
                    tasks.start_soon(self._do, bodies, *in_use[id])

    async def _do(self, bodies: Sequence[str], client: str, presented: str, session: OpenSession) -> None:
        for body in bodies:
            if body:
                await self.post(session.scope, session.inner, body.encode())
            else:
                await self._look_at(client, presented, session)

    async def _look_at(self, client: str, presented: str, session: OpenSession) -> None:
        """A session has ended, or subscribes to other resources."""
        if await self._rows.get(session.id) is None:
            await self.drop(client, presented)
            return
        before = session.wanted
        await self.subscribe(session)
        with anyio.move_on_after(PASS_S):
            for uri in sorted(session.wanted - before):
                # It may have changed since another process answered that it is subscribed to.
                await notify(session, uri)


class TooManyInUse(Exception):
    """A client uses as many sessions as it may."""


def too_many_sessions(client: str) -> Response:
    """The response to a client that uses as many sessions as it may."""
    why = f"{client} has {MAX_SESSIONS} sessions in use. End one (DELETE) before you open another."
    return rpc_error(429, INTERNAL_ERROR, why)


class SessionRequest(Struct, frozen=True):
    """One request that shows a session."""

    sessions: SharedSessions
    who: Principal
    presented: str
    scope: Scope
    body: bytes

    async def answer(self, receive: Receive, send: Send) -> None:
        """Answer it; a session that the SDK has forgotten meanwhile is made again, once."""
        try:
            for _ in range(2):
                session = await self.sessions.find(self.who, self.presented, self.scope)
                if session is None:
                    break
                if await self._tried(session, receive, send):
                    return
                await self.sessions.drop(self.who.name, self.presented)
        except TooManyInUse:
            await too_many_sessions(self.who.name)(self.scope, receive, send)
            return
        # As for a session that there never was: its client opens another.
        await rpc_error(404, INVALID_REQUEST, "Session not found")(self.scope, receive, send)

    async def _tried(self, session: OpenSession, receive: Receive, send: Send) -> bool:
        """Pass it to the SDK; False if that knows the session no longer, and nothing was sent."""
        rpc_message, method = message_in(self.body), self.scope["method"]
        if rpc_message.method in ("resources/subscribe", "resources/unsubscribe") and not await self.sessions.changed(
            session, rpc_message
        ):
            why = f"A session subscribes to at most {MAX_SUBSCRIPTIONS} resources."
            await rpc_error(429, INTERNAL_ERROR, why)(self.scope, receive, send)
            return True
        if method == "GET":
            await self.sessions.subscribe(session)
            if self.who.expose:  # whoever has listed tools is told when they change, and that may have been elsewhere
                await self.sessions.post(self.scope, session.inner, rpc("tools/list", {}, "again"))
        gone = False

        async def sending(message: Message) -> None:
            nonlocal gone
            if message["type"] == "http.response.start":
                gone = message["status"] == 404
                if method == "DELETE" and message["status"] == 200:
                    await self.sessions.ended(session)
                message = {**message, "headers": with_session_id(list(message["headers"]), self.presented)}
            if not gone:
                await send(message)
                if method == "GET" and message.get("status") == 200:
                    session.stream = send

        elsewhere = concerns_others(rpc_message, session)
        request = (rpc_message.id,) if rpc_message.kind == "request" else None
        session.under_way += 1
        session.requests |= {request} - {None}
        try:
            if elsewhere and not await self.sessions.pass_on(self.who.name, session, self.body):
                why = "Too many answers and cancellations at once. Send them more slowly."
                await rpc_error(429, INTERNAL_ERROR, why)(self.scope, receive, send)
                return True
            inner = with_session(self.scope, session.inner)
            await self.sessions.app(inner, replay_body(self.body, receive), sending)
        finally:
            session.under_way -= 1
            session.requests.discard(request)
            if session.stream is send:
                session.stream = None
            if method == "DELETE" and not gone:
                await self.sessions.drop(self.who.name, self.presented)
        return not gone
