"""The approvals of the console as a card in a host's frame: the same pages, by calls of tools, not by requests."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from functools import cache
from hashlib import sha256
from typing import TypeAlias, cast
from urllib.parse import unquote

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import compile_path

from bridge_mcp.console.app import failed
from bridge_mcp.console.pages import approval, approvals
from bridge_mcp.console.rendering import environment, static_files
from bridge_mcp.console.serving import ConsoleOptions, make_console
from bridge_mcp.console.sessions import Session, Visitor
from bridge_mcp.console.visits import BASE, Visit, form_of
from bridge_mcp.core.errors import BridgeError, NotFound
from bridge_mcp.core.policy import Principal
from bridge_mcp.service import Bridge

__all__ = ["Card"]

PAGES = tuple((compile_path(BASE + page.path)[0], page) for page in (*approvals.PAGES, *approval.PAGES))

Parts: TypeAlias = AsyncIterator[bytes]


class Card:
    """See `server.apps.cards.CardPages`."""

    def __init__(self, bridge: Bridge) -> None:
        self._console = make_console(bridge, ConsoleOptions())

    def resource(self) -> str:
        """The card as one file; its contents come by calls of tools."""
        return card_html()

    async def answer(self, who: Principal, address: str, form: str | None = None, *, decides: bool = False) -> str:
        """The page at an address below `/console/approvals`, or what a form that is sent there is answered with.

        Raises:
            BadInput: the form cannot be read.
            NotFound: there is no such page; or, unless `decides`, none that decides nothing.
        """
        response = await self._response(who, address, form, decides=decides)
        if response.status_code == 303:
            response = await self._response(who, response.headers["location"])
        if isinstance(response, StreamingResponse):
            return "".join([str(part, "utf-8") async for part in cast("Parts", response.body_iterator)])
        return str(response.body, "utf-8")

    async def _response(
        self, who: Principal, address: str, form: str | None = None, *, decides: bool = False
    ) -> Response:
        path, _, query = address.partition("?")
        method = "GET" if form is None else "POST"
        for pattern, page in PAGES:
            match = pattern.match(path)
            reads = method == "GET" or page.handler is approval.preview
            if match and page.method == method and reads is not decides:
                break
        else:
            raise NotFound(f"The card has no page '{path[:80]}'.", fix="Begin with /console/approvals.")
        names = {name: unquote(part) for name, part in match.groupdict().items()}
        headers = [(b"hx-request", b"true")] if page.handler is approval.preview else []
        scope = {"type": "http", "method": method, "path": path, "query_string": query.encode(), "path_params": names}
        visit = Visit(
            Request(scope | {"headers": headers}),
            self._console,
            Session(Visitor(who), csrf=""),
            origin="",
            form=form_of(form or ""),
            framed=True,
        )
        try:
            return await page.handler(visit)
        except BridgeError as exc:
            return await failed(visit, exc)


@cache
def card_html() -> str:
    """The card. Its content security policy allows what is in it now, nothing added later, and no requests."""
    texts = {name: static_files()[name][0].decode() for name in ("console.css", "console.js", "card.js")}
    style, script = texts["console.css"], texts["console.js"] + texts["card.js"]
    runs = f"script-src {source_of(script)}; style-src {source_of(style)}"
    policy = f"default-src 'none'; {runs}; form-action 'none'; base-uri 'none'"
    parts = {name: Markup(text) for name, text in (("policy", policy), ("style", style), ("script", script))}
    return environment().get_template("card.html").render(parts)


def source_of(text: str) -> str:
    """The hash of this text as a source of a content security policy."""
    return f"'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}'"
