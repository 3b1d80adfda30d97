"""The console as an ASGI application: its routes, who is signed in, and how errors are shown."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeAlias
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bridge_mcp.console import entering
from bridge_mcp.console.guard import ANSWER_HEADERS, SAFE, ConsoleHosts, Refused, check_origin, cookie_name
from bridge_mcp.console.navigation import PAGES, navigation
from bridge_mcp.console.rendering import compile_templates, environment, static_files
from bridge_mcp.console.sessions import Sessions, Visitor, same
from bridge_mcp.console.streams import Streams
from bridge_mcp.console.visits import BASE, MAX_ENTRY, Form, Page, Visit, read_form
from bridge_mcp.core.errors import AlreadyDecided, BadInput, BridgeError, Denied, NotFound, StoreError
from bridge_mcp.core.face_words import AS_PAGES, in_words
from bridge_mcp.server.http.rate_limit import RateLimiter
from bridge_mcp.service import Bridge

__all__ = ["Console", "SignIn"]

logger = logging.getLogger(__name__)

SignIn: TypeAlias = Callable[[str], Awaitable[Visitor | None]]
"""Whose token this is; None for nobody's."""

TRIES = (0.2, 8)
"""Tries to come in that may fail: so many a second in the long run, and so many at once."""

FOREVER = "public, max-age=31536000, immutable"


@dataclass(eq=False, slots=True)
class Console:
    """The console of one bridge.

    Args:
        bridge: what the pages show and change.
        sessions: who is signed in, and the one-time links.
        sign_in: authenticates a token that somebody types.
        places: the names by which browsers reach it.
    """

    bridge: Bridge
    sessions: Sessions
    sign_in: SignIn
    places: ConsoleHosts = ConsoleHosts()
    taken: tuple[str, ...] = ()
    """Names of clients in the config, which no other client may have."""
    streams: Streams = field(default_factory=Streams)
    tries: RateLimiter = field(default_factory=lambda: RateLimiter(*TRIES))
    """Tries to come in that failed, by address."""
    prefix: str = BASE
    _app: ASGIApp | None = None
    _preparing: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if self._app is None:
            self._app = self._application()
        await self._app(scope, receive, send)

    def prepare(self) -> asyncio.Task[None]:
        """Once connections are accepted: make the first visit as quick as any other, in the background."""
        self._preparing = asyncio.create_task(compile_templates())
        return self._preparing

    def close(self) -> None:
        """End all streams, so that serving can end."""
        if self._preparing is not None:
            self._preparing.cancel()
        self.streams.close()

    async def page(self, template: str, visit: Visit, *, code: int = 200, **context: object) -> Response:
        """A whole page, with what its frame shows."""
        waiting = 0
        if visit.may("read"):
            waiting = (await self.bridge.page_approvals(visit.who, limit=1)).count
        return self.show(template, visit, code=code, waiting=waiting, navigation=navigation(visit), **context)

    def show(self, template: str, visit: Visit | None = None, *, code: int = 200, **context: object) -> Response:
        """A template as an answer."""
        return HTMLResponse(self.html(template, visit, **context), code)

    def html(self, template: str, visit: Visit | None = None, **context: object) -> str:
        """A template as a text."""
        return environment().get_template(template).render(visit=visit, **context)

    def _application(self) -> ASGIApp:
        routes = [
            Route(f"{BASE}/static/{{digest}}/{{name}}", static, methods=["GET"]),
            Route(f"{BASE}/enter", self._entering(entering.enter), methods=["GET", "POST"]),
            Route(f"{BASE}/sign-in", self._entering(entering.sign_in), methods=["GET", "POST"]),
            *[Route(f"{BASE}{page.path}", self._signed_in(page), methods=[page.method]) for page in PAGES],
            Route(f"{BASE}/sign-out", self._signed_in(Page("/sign-out", entering.sign_out, "POST")), methods=["POST"]),
        ]
        handlers = {BridgeError: self._refused, 404: self._missing, 405: self._missing}
        return Starlette(routes=routes, middleware=[Middleware(AnswerHeaders)], exception_handlers=handlers)  # pyright: ignore[reportArgumentType]

    def _entering(self, handler: Callable[[Console, Request, str, Form], Awaitable[Response]]) -> ASGIHandler:
        async def answer(request: Request) -> Response:
            null = request.url.path == f"{BASE}/enter"
            origin = check_origin(request, self.places, null=null)
            form = await read_form(request, MAX_ENTRY) if request.method == "POST" else Form()
            return await handler(self, request, origin, form)

        return answer

    def _signed_in(self, page: Page) -> ASGIHandler:
        async def answer(request: Request) -> Response:
            origin = check_origin(request, self.places)
            session = await self.sessions.find(request.cookies.get(cookie_name(origin), ""))
            if session is None:
                return self._strangers(request)
            form = Form() if request.method in SAFE else await read_form(request)
            csrf = request.headers.get("x-csrf-token") or form.get("csrf")
            if request.method not in SAFE and not same(csrf, session.csrf):
                raise Refused(403, "This form is of another session.", fix="Reload the page, and send it again.")
            visit = Visit(request, self, session, origin=origin, form=form)
            try:
                return await page.handler(visit)
            except BridgeError as exc:
                return await failed(visit, exc)

        return answer

    def _strangers(self, request: Request) -> Response:
        """The response for somebody who is not signed in: the page to sign in, or a status alone."""
        if request.headers.get("hx-request") == "true" or request.method not in SAFE:
            raise Refused(401, "You are not signed in any more.", fix="Reload the page.")
        if request.headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            # Browsers keep the cookie from whoever follows a link of another site; the same page, asked for by this
            # one, gets it.
            return self.show("again.html")
        path = request.url.path.removeprefix(BASE)
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(f"{BASE}/sign-in?next={quote(path + query)}", 303)

    async def _refused(self, request: Request, exc: Exception) -> Response:
        """The answer to a request that was refused before anybody looked at it."""
        status = exc.status if isinstance(exc, Refused) else status_of(exc)
        return self.show("refused.html", code=status, error=in_words(exc, AS_PAGES))

    async def _missing(self, request: Request, exc: Exception) -> Response:
        return self.show("refused.html", code=404, error="There is no such page.")


ASGIHandler: TypeAlias = Callable[[Request], Awaitable[Response]]


async def failed(visit: Visit, exc: BridgeError) -> Response:
    """An error as a page, or as a notice in the page that asked."""
    status = exc.status if isinstance(exc, Refused) else status_of(exc)
    message = "The store cannot serve this now." if isinstance(exc, StoreError) else in_words(exc, AS_PAGES)
    if isinstance(exc, StoreError):
        logger.warning("the console could not show a page: %s", exc)
    if visit.partial or isinstance(exc, StoreError):
        return visit.part("notice.html", code=status, error=message)
    return await visit.page("error.html", code=status, error=message)


def status_of(exc: Exception) -> int:
    """The HTTP status of an error."""
    match exc:
        case NotFound():
            return 404
        case BadInput():
            return 400
        case Denied():
            return 403
        case AlreadyDecided():
            return 409
        case StoreError():
            return 503
        case _:
            return 500


async def static(request: Request) -> Response:
    """A file of `static/`, for anybody: none of them is secret."""
    name, digest = str(request.path_params["name"]), str(request.path_params["digest"])
    data, current = static_files().get(name, (b"", ""))
    if not current or digest != current:
        return Response(status_code=404)
    kind = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}[name.rpartition(".")[2]]
    return Response(data, media_type=f"{kind}; charset=utf-8", headers={"cache-control": FOREVER})


class AnswerHeaders:
    """ASGI middleware: every answer has the headers of `guard.ANSWER_HEADERS`, unless it sets one itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                has = {name for name, _ in message["headers"]}
                missing = [(k.encode(), v.encode()) for k, v in ANSWER_HEADERS.items() if k.encode() not in has]
                message = {**message, "headers": [*message["headers"], *missing]}
            await send(message)

        await self._app(scope, receive, with_headers)
