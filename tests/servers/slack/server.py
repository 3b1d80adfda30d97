"""The server: the Web API over HTTP, files, and Socket Mode, for one app in one workspace."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from aiohttp import web

from tests.servers.slack.deliveries import Deliveries
from tests.servers.slack.files import WithFiles
from tests.servers.slack.methods import SCOPES, Refused
from tests.servers.slack.people import Channel, Person
from tests.servers.slack.state import BOT, BOT_TEAM, ChannelState, Json, Message, UserState, Workspace

__all__ = ["APP_TOKEN", "BOT_TOKEN", "SECRET", "Fault", "SlackServer"]

BOT_TOKEN, APP_TOKEN, SECRET = "xoxb-planted-bot-token", "xapp-planted-app-token", "planted-signing-secret"


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one request."""

    error: str = ""
    status: int = 200
    retry_after: float | None = None
    """429, with this header."""
    takes_effect: bool = False
    """Whether it is done all the same."""
    hangs_up: bool = False
    """Whether the connection breaks in the place of an answer."""
    held: asyncio.Event | None = None
    """The request waits for this first."""


@dataclass(slots=True)
class Call:
    """A request that came in."""

    method: str
    given: Json
    answer: Json = field(default_factory=dict[str, Any])


class SlackServer:
    """`async with SlackServer() as server`."""

    def __init__(self, *, seed: int = 14) -> None:
        self.world = Workspace()
        self.bot_token, self.app_token, self.secret = BOT_TOKEN, APP_TOKEN, SECRET
        self.deliveries = Deliveries(self.world, APP_TOKEN, SECRET, seed)
        self.methods = WithFiles(self.world, self._tell, time.time)
        self.calls: list[Call] = []
        self.faults: dict[str, deque[Fault]] = {}
        self.changes = self.deliveries.changes
        self.messages_per_s = 0.0
        """How many messages a channel takes in a second, and four at once after a rest; 0: any number."""
        self.refused = 0
        """Requests that came too fast."""
        self._full: dict[str, float] = {}
        self._tickets: set[str] = set()
        self._runner: web.AppRunner | None = None
        self.base = ""

    def _tell(self, event: Json) -> None:
        """The app's own messages are events too."""
        self.deliveries.event(event)

    @property
    def url(self) -> str:
        """The base of the Web API."""
        return f"{self.base}/api/"

    async def __aenter__(self) -> SlackServer:
        app = web.Application(client_max_size=200 * 1024 * 1024)
        app.router.add_route("*", "/api/{method}", self._api)
        app.router.add_post("/upload/v1/{file}", self._upload)
        app.router.add_get("/files-pri/{file}/{rest:.*}", self._download)
        app.router.add_get("/link/", self._link)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.base = self.methods.base = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.deliveries.close()
        if self._runner is not None:
            await self._runner.cleanup()

    # -- who is there ------------------------------------------------------------------------------------------

    def user(self, name: str, *, team: str = BOT_TEAM, is_bot: bool = False) -> Person:
        """Somebody of the workspace, or of another one (Slack Connect)."""
        state = UserState(self.world.id("U"), name, team, is_bot)
        self.world.users[state.id] = state
        return Person(self, state)

    def channel(self, name: str, *members: Person, bot: bool = True, private: bool = False) -> Channel:
        """A channel with these people, and the app where `bot` says so."""
        inside = {each.id for each in members} | ({BOT} if bot else set[str]())
        made = ChannelState(self.world.id("C"), name, "group" if private else "channel", inside)
        made.shared = any(self.world.users[each].team != BOT_TEAM for each in inside)
        self.world.channels[made.id] = made
        return Channel(made.id)

    def ours(self, where: Channel) -> list[Message]:
        """What the app said in a channel, in order."""
        return [each for each in self.world.channels[where.id].messages.values() if each.ours and not each.deleted]

    def fail(self, method: str, *faults: Fault) -> None:
        """What goes wrong with the next requests of a method, in order."""
        self.faults.setdefault(method, deque()).extend(faults)

    async def until(self, holds: Callable[[], bool], timeout_s: float = 10.0) -> None:
        """Wait until something holds."""
        if not await self.changes.until(holds, timeout_s):
            last = [(each.method, each.answer.get("error", "ok")) for each in self.calls[-8:]]
            raise TimeoutError(f"it does not hold; the last requests: {last}")

    def called(self, method: str) -> list[Json]:
        """What a method was given, each time."""
        return [each.given for each in self.calls if each.method == method]

    # -- HTTP --------------------------------------------------------------------------------------------------

    async def _api(self, request: web.Request) -> web.StreamResponse:
        method, given = request.match_info["method"], await arguments(request)
        waiting = self.faults.get(method)
        fault = waiting.popleft() if waiting else Fault()
        if fault.held is not None:
            await fault.held.wait()
        call = Call(method, given)
        self.calls.append(call)
        if fault.retry_after is not None:
            call.answer = {"ok": False, "error": "ratelimited"}
            return web.json_response(call.answer, status=429, headers={"Retry-After": f"{fault.retry_after:g}"})
        if method == "chat.postMessage" and self._too_fast(str(given.get("channel"))):
            self.refused += 1
            call.answer = {"ok": False, "error": "ratelimited"}
            return web.json_response(call.answer, status=429, headers={"Retry-After": "1"})
        wrong = bool(fault.error) or fault.status != 200 or fault.hangs_up
        if not wrong or fault.takes_effect:
            call.answer = self._answer(method, given, request)
            self.changes.tell()
        if fault.hangs_up:
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        if fault.status != 200:
            return web.Response(status=fault.status, text="<html>Service Unavailable</html>", content_type="text/html")
        if fault.error:
            return web.json_response({"ok": False, "error": fault.error})
        return web.json_response(call.answer, headers={"x-oauth-scopes": SCOPES} if method == "auth.test" else {})

    def _too_fast(self, channel: str) -> bool:
        """https://docs.slack.dev/apis/web-api/rate-limits: one message a second in a channel, with short bursts."""
        if not self.messages_per_s:
            return False
        now, every = time.monotonic(), 1 / self.messages_per_s
        full = max(now, self._full.get(channel, now)) + every
        if full - now > 4 * every:
            return True
        self._full[channel] = full
        return False

    def _answer(self, method: str, given: Json, request: web.Request) -> Json:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ") or str(given.get("token") or "")
        try:
            if method == "apps.connections.open":
                if token != self.app_token:
                    raise Refused("invalid_auth")
                ticket = uuid.uuid4().hex
                self._tickets.add(ticket)
                return {
                    "ok": True,
                    "url": f"{self.base.replace('http', 'ws', 1)}/link/?ticket={ticket}&app_id=A0BRIDGE0",
                }
            if token != self.bot_token:
                raise Refused("not_authed" if not token else "invalid_auth")
            return self.methods.call(method, given)
        except Refused as exc:
            return exc.body

    async def _link(self, request: web.Request) -> web.StreamResponse:
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets:
            return web.Response(status=401)
        self._tickets.discard(ticket)
        return await self.deliveries.socket(request)

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        file = self.world.files.get(request.match_info["file"])
        if file is None or file.put:
            return web.Response(status=404)
        file.data, file.put = await request.read(), True
        return web.Response(text=f"OK - {len(file.data)}")

    async def _download(self, request: web.Request) -> web.StreamResponse:
        file = self.world.files.get(request.match_info["file"])
        if file is None:
            return web.Response(status=404)
        if request.headers.get("Authorization") != f"Bearer {self.bot_token}":
            return web.Response(text="<html>Sign in</html>", content_type="text/html")
        return web.Response(body=file.data, content_type=file.mime)


async def arguments(request: web.Request) -> Json:
    """The arguments of a request: of the query, of a form, or as JSON."""
    made: Json = dict(request.query)
    if request.content_type == "application/json":
        body = await request.text()
        return made | (json.loads(body) if body else {})
    form = await request.post()
    made |= {name: value for name, value in form.items() if isinstance(value, str)}
    for name in ("blocks", "metadata", "view"):
        if isinstance(made.get(name), str):
            made[name] = json.loads(made[name])
    return made
