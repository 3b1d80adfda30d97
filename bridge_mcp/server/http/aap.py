"""The Agent Approval Protocol, version 1, at `/aap`: verdicts for agents that run their own calls, over HTTP and JSON.

    POST   /aap/v1/requests                  ask (Idempotency-Key)
    GET    /aap/v1/requests/ID[?wait=30s]    how it stands; holds the answer until it is decided
    DELETE /aap/v1/requests/ID               take it back while it waits
    POST   /aap/v1/requests/ID/consume       take the verdict, once (Idempotency-Key)
    POST   /aap/v1/requests/ID/outcome       tell what came of the call

It is what `request_approval`, `consume_approval` and `report_outcome` do, in other words (`aap_format`). An instance is
a client with the scope `tools`, and its credential that client's token: the owner makes it, or a provisioner at
`/v1/instances` (`aap_instances`), with a webhook that tells when a request is decided (`aap_webhooks`). A call runs as
it was asked for or not at all, since the protocol knows no edited arguments.

https://agentapprovalprotocol.io; consume and outcome as its published client (0.3) speaks them.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Generator
from contextlib import contextmanager
from typing import Any, TypeAlias, cast
from urllib.parse import parse_qs
from uuid import uuid4

import anyio
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bridge_mcp.core.errors import (
    AlreadyDecided,
    BadInput,
    BridgeError,
    Denied,
    KeyUsed,
    NotFound,
    StoreError,
    TooEarly,
    TooMany,
)
from bridge_mcp.core.policy import Principal
from bridge_mcp.core.requests import RequestState
from bridge_mcp.core.tools import MAX_ARGUMENTS
from bridge_mcp.server.http import aap_format
from bridge_mcp.server.http.aap_instances import InstanceRefused, Instances
from bridge_mcp.server.http.authenticator import PRINCIPAL
from bridge_mcp.server.http.body_limit import body_within
from bridge_mcp.service import Bridge

__all__ = ["PREFIX", "ApprovalProtocol", "LongPolls", "ProtocolErrorMiddleware"]

logger = logging.getLogger(__name__)

PREFIX = "/aap"
REQUESTS = f"{PREFIX}/v1/requests"
INSTANCES = f"{PREFIX}/v1/instances"

MAX_BODY = MAX_ARGUMENTS + 200_000
"""Bytes of one request: its arguments, and what stands beside them."""
BODY_S = 20.0
"""Seconds in which the body of a request has to be here."""
LONGEST_WAIT_S = 30.0
RETRY_S = 5
"""After how many seconds a client may ask again of which too many calls wait."""

TYPES = {401: "authentication", 403: "authorization", 404: "not_found", 409: "conflict", 429: "rate_limit",
         500: "internal", 503: "dependency"}  # fmt: skip
"""Its word for each status of an error; any other is an `invalid_request`."""

Answer: TypeAlias = tuple[int, RequestState]


class AapRefused(Exception):
    """A request that is refused with this status and code."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class LongPolls:
    """Requests that wait for a verdict; all are answered when serving ends."""

    def __init__(self) -> None:
        self._held: set[anyio.CancelScope] = set()

    @contextmanager
    def held(self) -> Generator[None]:
        """Hold a request open: the body of this context is cancelled when serving ends."""
        with anyio.CancelScope() as scope:
            self._held.add(scope)
            try:
                yield
            finally:
                self._held.discard(scope)

    def close(self) -> None:
        """Answer all requests that wait, as things stand."""
        for scope in tuple(self._held):
            scope.cancel()


class ApprovalProtocol:
    """ASGI application: answers what is below `PREFIX`, to whoever the gate before it let in; the rest is `app`'s."""

    def __init__(self, app: ASGIApp, bridge: Bridge, polls: LongPolls) -> None:
        self._app = app
        self._bridge = bridge
        self._polls = polls
        self._instances = Instances(bridge)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] != "http" or not is_here(scope):
            await self._app(scope, receive, send)
            return
        try:
            if scope["path"].rstrip("/") == INSTANCES:
                status, body = await self._instance(scope, receive)
            else:
                status, request = await self._response(scope, receive)
                body = aap_format.resource(request)
        except Exception as exc:
            refused = refusal(exc)
            status, body = refused.status, {"error": refused.code, "error_description": str(refused)}
        await JSONResponse(body, status)(scope, receive, send)

    async def _instance(self, scope: Scope, receive: Receive) -> tuple[int, dict[str, Any]]:
        """The answer to a provisioner. Raises what it is refused for."""
        if scope["method"] != "POST":
            raise AapRefused(405, "method_not_allowed", f"There is no {scope['method']} here.")
        try:
            return await self._instances.create(
                cast("Principal", scope[PRINCIPAL]), key_of(scope), await read_body(receive)
            )
        except InstanceRefused as exc:
            raise AapRefused(exc.status, exc.code, str(exc)) from None

    async def _response(self, scope: Scope, receive: Receive) -> Answer:
        """The status and the request of an answer. Raises what it is refused for."""
        who = cast("Principal", scope[PRINCIPAL])
        method, path = scope["method"], str(scope["path"]).rstrip("/")
        if path == REQUESTS and method == "POST":
            return await self._create(who, key_of(scope), await read_body(receive))
        name, _, act = path.removeprefix(f"{REQUESTS}/").partition("/")
        if path != REQUESTS and (not path.startswith(f"{REQUESTS}/") or act not in ("", "consume", "outcome")):
            raise NotFound("There is nothing here.")
        call = await self._own(who, name)
        match method, act:
            case "GET", "":
                query = parse_qs(scope["query_string"].decode("latin-1"))
                wait_s = min(LONGEST_WAIT_S, aap_format.seconds((query.get("wait") or [""])[0]))
                with self._polls.held():
                    return 200, await self._bridge.settled_request(who, call, wait_s)
                return 200, await self._bridge.settled_request(who, call, 0.0)
            case "DELETE", "":
                return await self._changed(who, call, self._bridge.withdraw_request(who, call), "already_terminal", "")
            case "POST", "consume":
                consumed = self._bridge.consume_request(who, call, key_of(scope))
                return await self._changed(who, call, consumed, "", "not_approved")
            case "POST", "outcome":
                outcome, note = aap_format.outcome_in(await read_body(receive))
                finished = self._bridge.finish_request(who, call, outcome, note)
                return await self._changed(who, call, finished, "outcome_conflict", "not_consumed")
            case _:
                raise AapRefused(405, "method_not_allowed", f"There is no {method} here.")

    async def _own(self, who: Principal, name: str) -> str:
        """The conversation of a request that `who` has made by this protocol."""
        call = self._bridge.request_named(who, aap_format.handle_in(name))
        if not (await self._bridge.settled_request(who, call, 0.0)).external.given:
            raise NotFound("There is no such request.")
        return call

    async def _create(self, who: Principal, key: str, body: bytes) -> Answer:
        submission = aap_format.submission(body)
        try:
            request, new = await self._bridge.file_request(who, submission, f"aap {key}")
        except KeyUsed as exc:
            raise AapRefused(409, "idempotency_conflict", str(exc)) from exc
        return (201 if new else 200), request

    async def _changed(self, who: Principal, call: str, act: Awaitable[RequestState], late: str, early: str) -> Answer:
        """The request after an act, or the code for why it is as it was: `late`, or by how it stands, or `early`."""
        try:
            return 200, await act
        except AlreadyDecided as exc:
            request = await self._bridge.settled_request(who, call, 0.0)
            raise AapRefused(409, late or aap_format.why_not(request), str(exc)) from exc
        except TooEarly as exc:
            raise AapRefused(409, early, str(exc)) from exc


class ProtocolErrorMiddleware:
    """ASGI middleware: whoever refuses a request below `PREFIX`, it is told in the protocol's form, with its id."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] != "http" or not is_here(scope):
            await self._app(scope, receive, send)
            return
        exchange, start = str(uuid4()), None

        async def send_in_form(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"x-request-id", exchange.encode())]}
                if message["status"] >= 400:
                    start = message
                    return
            elif start is not None:
                body = error_body(start["status"], message.get("body", b""), exchange)
                headers = [each for each in start["headers"] if each[0] != b"content-length"]
                length = (b"content-length", str(len(body)).encode())
                await send({**start, "headers": [*headers, length]})
                message = {"type": "http.response.body", "body": body}
                start = None
            await send(message)

        await self._app(scope, receive, send_in_form)


def is_here(scope: Scope) -> bool:
    """Whether a request is of this protocol."""
    return scope["path"] == PREFIX or str(scope["path"]).startswith(f"{PREFIX}/")


def error_body(status: int, body: bytes, exchange: str) -> bytes:
    """An error of the gate or of the routes as the protocol writes it."""
    plain: dict[str, Any] = json.loads(body)
    error = {
        "type": TYPES.get(status, "invalid_request"),
        "code": plain["error"],
        "message": plain["error_description"],
        "request_id": exchange,
    }
    return json.dumps({"error": error}).encode()


def refusal(exc: Exception) -> AapRefused:
    """With which status and code a request is refused."""
    match exc:
        case AapRefused():
            return exc
        case NotFound():
            return AapRefused(404, "not_found", str(exc))
        case BadInput():
            return AapRefused(400, exc.code, str(exc))
        case Denied():
            return AapRefused(403, exc.code, str(exc))
        case TooMany():
            return AapRefused(429, exc.code, str(exc))
        case StoreError():
            return AapRefused(503, exc.code, "The store cannot serve this now.")
        case BridgeError():
            return AapRefused(409, exc.code, str(exc))
        case _:
            logger.error("a request of the Agent Approval Protocol failed unexpectedly", exc_info=exc)
            return AapRefused(500, "internal", "The bridge could not do this; its log says why.")


def key_of(scope: Scope) -> str:
    """The key of a request.

    Raises:
        AapRefused: there is none, or it is too long.
    """
    key = dict(scope["headers"]).get(b"idempotency-key", b"").decode("latin-1")
    if not 0 < len(key) <= 180:
        raise AapRefused(400, "missing_idempotency_key", "Send an Idempotency-Key header of 1 to 180 characters.")
    return key


async def read_body(receive: Receive) -> bytes:
    """The body of a request.

    Raises:
        AapRefused: it is too large, or not here in time.
    """
    with anyio.move_on_after(BODY_S):
        body = await body_within(receive, MAX_BODY)
        if body is None:
            raise AapRefused(413, "too_large", f"A request has at most {MAX_BODY:,} bytes.")
        return body
    raise AapRefused(408, "too_slow", f"The request was not here within {BODY_S:g} s.")
