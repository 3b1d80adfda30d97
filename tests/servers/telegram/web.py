"""The ASGI application: which bot and method a request is for, what strikes it, and how it is answered.

https://core.telegram.org/bots/api#making-requests. Knows HTTP and calls the methods; what they do is theirs.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any, cast

from starlette.requests import ClientDisconnect, Request

from tests.servers.telegram.call import Call
from tests.servers.telegram.faults import Fault, Faults, Page
from tests.servers.telegram.limits import Limiter
from tests.servers.telegram.listener import Listener, Receive, Scope, Send
from tests.servers.telegram.methods import METHODS, SENDING
from tests.servers.telegram.polling import delete_webhook, get_updates, set_webhook, webhook_info
from tests.servers.telegram.reading import read_call, read_json
from tests.servers.telegram.refusals import Refusal, flood, not_found
from tests.servers.telegram.texts import Object
from tests.servers.telegram.world import World

__all__ = ["Received", "Web"]

TOKEN = re.compile(r"\d+:[A-Za-z0-9_-]+")


@dataclass(slots=True)
class Received:
    """One request. `status` is what it was answered with; 0: nothing yet, or never."""

    method: str
    """As it was written, e.g. `sendMessage`."""
    args: Mapping[str, str]
    uploads: tuple[str, ...]
    """The names of the parts that hold files."""
    at: float
    status: int = 0
    description: str = ""
    """What a refusal said."""

    @property
    def json(self) -> dict[str, Any]:
        """The parameters, those that are JSON read."""
        return {name: readable(value) for name, value in self.args.items()}


def readable(value: str) -> object:
    try:
        return json.loads(value)
    except ValueError:
        return value


@dataclass(slots=True)
class Web:
    """The application. `limiter` None: no limits on sending."""

    token: str
    world: World
    faults: Faults
    limiter: Limiter | None = None
    listener: Listener | None = None
    requests: list[Received] = field(default_factory=list[Received])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        path: str = scope["path"]
        try:
            if path.startswith("/file/bot"):
                return await self.download(path.removeprefix("/file/bot"), request, send)
            token, _, method = path.removeprefix("/bot").partition("/")
            if not path.startswith("/bot") or not method:
                raise not_found()
            self.check_token(token)
            await self.serve(await read_call(method, request), method, scope, receive, send)
        except ClientDisconnect:
            return
        except Refusal as refusal:
            await answered(send, refusal.code, wire(refusal), refusal)

    def check_token(self, token: str) -> None:
        """404 for what is no token, 401 for one of another bot."""
        if not TOKEN.fullmatch(token):
            raise not_found()
        if token != self.token:
            raise Refusal(401, "Unauthorized")

    async def serve(self, call: Call, method: str, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, with whatever was scripted to strike it."""
        world = self.world
        received = Received(method, call.args, tuple(call.uploads), at=world.clock.now())
        with world.changes.lock:
            self.requests.append(received)
            fault = self.faults.strike(call.method, call.text("chat_id")) or Fault()
            world.changes.tell()
        await wait(fault.before_s, fault.hold_before)
        status, body, refusal = 200, b"", None
        if fault.effect:
            try:
                body = encoded(await self.effect(call, receive))
            except Refusal as problem:
                status, body, refusal = problem.code, wire(problem), problem
        await wait(fault.after_s, fault.hold_after)
        kind = "application/json"
        if isinstance(fault.answer, Page):
            status, body, kind = fault.answer.status, fault.answer.body.encode(), fault.answer.content_type
        elif fault.answer:
            status, body, refusal = fault.answer.code, wire(fault.answer), fault.answer
        with world.changes.lock:
            received.status = 0 if fault.ending in ("close", "hang") else status
            received.description = refusal.description if refusal else ""
            world.changes.tell()
        await self.finish(fault, scope, receive, send, (status, body, refusal, kind))

    async def finish(
        self, fault: Fault, scope: Scope, receive: Receive, send: Send, said: tuple[int, bytes, Refusal | None, str]
    ) -> None:
        """Give the answer, or end the connection as the fault says."""
        status, body, refusal, kind = said
        listener = self.listener
        if fault.ending == "answer" or listener is None:
            await answered(send, status, body, refusal, kind)
        elif fault.ending == "hang":
            await receive()
        elif fault.ending == "close":
            await listener.end(scope, receive, flush=False)
        else:
            await started(send, status, body, refusal, kind)
            await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
            await listener.end(scope, receive, flush=True)

    async def effect(self, call: Call, receive: Receive) -> tuple[Any, str]:
        """Carry out a request: its result, and what is said beside it. Raises `Refusal`."""
        world = self.world
        if world.logged_out:
            raise Refusal(400, "Logged out")
        if call.method == "getupdates":
            return await self.poll(call, receive), ""
        with world.changes.lock:
            try:
                if call.method in ("setwebhook", "deletewebhook"):
                    return (set_webhook if call.method == "setwebhook" else delete_webhook)(world, call)
                if call.method == "getwebhookinfo":
                    return webhook_info(world, call), ""
                method = METHODS.get(call.method)
                if method is None:
                    raise not_found("method not found")
                self.limit(call)
                return method(world, call), ""
            finally:
                world.changes.tell()

    def obey(self, asked: Object) -> None:
        """Carry out the method a webhook asked for in its answer; what comes of it shows in `requests` only."""
        name = str(asked["method"])
        method = METHODS.get(name.lower())
        if method is None or name.lower().startswith("get"):
            return
        args = read_json(json.dumps({key: value for key, value in asked.items() if key != "method"}).encode())
        received = Received(name, args, (), at=self.world.clock.now(), status=200)
        with self.world.changes.lock:
            self.requests.append(received)
            try:
                method(self.world, Call(name.lower(), args))
            except Refusal as refusal:
                received.status, received.description = refusal.code, refusal.description
            self.world.changes.tell()

    def limit(self, call: Call) -> None:
        """429 when too much was sent, if the limits are on."""
        chat = self.world.find_chat(call.text("chat_id"))
        if self.limiter is None or chat is None or call.method not in SENDING:
            return
        items = call.json("media") if call.method == "sendmediagroup" else None
        count = len(cast("list[object]", items)) if isinstance(items, list) else 1
        if seconds := self.limiter.admit(chat.id, chat.is_group, max(1, count)):
            raise flood(seconds)

    async def poll(self, call: Call, receive: Receive) -> list[Object]:
        """A long poll ends when the asker hangs up; what it would have been given waits for the next one."""
        hung_up = asyncio.ensure_future(watch(receive))
        hung_up.add_done_callback(lambda _: self.world.changes.tell())
        try:
            return await get_updates(self.world, call, hung_up.done)
        finally:
            hung_up.cancel()

    async def download(self, rest: str, request: Request, send: Send) -> None:
        """The bytes of a file, at the path `getFile` gave."""
        token, _, path = rest.partition("/")
        self.check_token(token)
        await request.body()
        with self.world.changes.lock:
            content = self.world.files.at_path(path)
            self.requests.append(
                Received("file", {"file_path": path}, (), at=self.world.clock.now(), status=200 if content else 404)
            )
            fault = self.faults.strike("file", "") or Fault()
        await wait(fault.before_s, fault.hold_before)
        if content is None:
            raise not_found()
        if isinstance(fault.answer, Refusal):
            raise fault.answer
        said = (200, content.data, None, content.mime)
        if isinstance(fault.answer, Page):
            said = (fault.answer.status, fault.answer.body.encode(), None, fault.answer.content_type)
        await self.finish(fault, request.scope, request.receive, send, said)


async def watch(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def wait(seconds: float, hold: Any) -> None:
    if seconds:
        await asyncio.sleep(seconds)
    if hold is not None:
        await hold.passed()


def encoded(result: tuple[Any, str]) -> bytes:
    value, description = result
    said = {"description": description} if description else {}
    return json.dumps({"ok": True, "result": value} | said, ensure_ascii=True).encode()


def wire(refusal: Refusal) -> bytes:
    body: Object = {"ok": False, "error_code": refusal.code, "description": refusal.description}
    return json.dumps(body | ({"parameters": dict(refusal.parameters)} if refusal.parameters else {})).encode()


async def started(send: Send, status: int, body: bytes, refusal: Refusal | None, kind: str) -> None:
    headers = [
        (b"date", formatdate(usegmt=True).encode()),
        (b"content-type", kind.encode()),
        (b"content-length", str(len(body)).encode()),
    ]
    if refusal and "retry_after" in refusal.parameters:
        headers.append((b"retry-after", str(refusal.parameters["retry_after"]).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def answered(
    send: Send, status: int, body: bytes, refusal: Refusal | None = None, kind: str = "application/json"
) -> None:
    await started(send, status, body, refusal, kind)
    await send({"type": "http.response.body", "body": body})
