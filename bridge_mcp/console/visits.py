"""One request of somebody who is signed in, as the pages get it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import parse_qsl, quote

import anyio
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from bridge_mcp.console.guard import Refused
from bridge_mcp.console.sessions import Session
from bridge_mcp.core.errors import BadInput
from bridge_mcp.core.policy import Principal, Scope
from bridge_mcp.service import Bridge

if TYPE_CHECKING:
    from bridge_mcp.console.app import Console

__all__ = ["BASE", "MAX_ENTRY", "Form", "Handler", "Page", "Visit", "form_of", "path_of", "read_form"]

BASE = "/console"
"""All pages are below this path."""

MAX_FORM = 4_000_000
"""Bytes of one form: the longest arguments, as browsers encode them."""
MAX_ENTRY = 32_000
"""Bytes of the form of somebody who is not signed in: a key, or a token."""
MAX_FIELDS = 2_000
FORM_S = 30.0
"""Seconds in which a form has to be here."""


class Form:
    """The fields of a form, in order. Browsers send line ends as CR LF; here they are LF."""

    def __init__(self, fields: Sequence[tuple[str, str]] = ()) -> None:
        self.fields = tuple((name, value.replace("\r\n", "\n")) for name, value in fields)

    def get(self, name: str, default: str = "") -> str:
        """The last value of a field."""
        return next((value for each, value in reversed(self.fields) if each == name), default)

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of a field."""
        return tuple(value for each, value in self.fields if each == name)

    def __contains__(self, name: str) -> bool:
        return any(each == name for each, _ in self.fields)


class Visit(Struct, frozen=True):
    """One request: who asks, for what, with which form."""

    request: Request
    console: Console
    session: Session
    origin: str
    form: Form
    framed: bool = False
    """Whether it is in a host's frame, as a card, where only the approvals are."""

    @property
    def frame(self) -> str:
        """The template around its pages."""
        return "framed.html" if self.framed else "base.html"

    @property
    def who(self) -> Principal:
        """As whom it acts."""
        return self.session.who

    @property
    def bridge(self) -> Bridge:
        """The bridge."""
        return self.console.bridge

    def may(self, scope: Scope) -> bool:
        """Whether the session has a scope; pages leave out what it cannot do."""
        return scope in self.who.scopes

    @property
    def partial(self) -> bool:
        """Whether htmx asks for a part of a page."""
        return self.request.headers.get("hx-request") == "true"

    def path(self, name: str) -> str:
        """A part of the path."""
        return str(self.request.path_params[name])

    def query(self, name: str) -> str:
        """A parameter of the query."""
        return self.request.query_params.get(name, "")

    async def page(self, template: str, *, code: int = 200, **context: object) -> Response:
        """A whole page from its template."""
        return await self.console.page(template, self, code=code, **context)

    def part(self, template: str, *, code: int = 200, **context: object) -> Response:
        """A part of a page, for htmx."""
        return self.console.show(template, self, code=code, **context)

    def html(self, template: str, **context: object) -> str:
        """The same as a text, for streams."""
        return self.console.html(template, self, **context)

    def go(self, path: str) -> Response:
        """Have the browser show another page of the console; what was sent is not sent again."""
        return RedirectResponse(BASE + path, 303)


Handler: TypeAlias = Callable[[Visit], Awaitable[Response]]


class Page(Struct, frozen=True):
    """One path of the console, below `BASE`, and what answers it."""

    path: str
    handler: Handler
    method: str = "GET"


def path_of(name: str) -> str:
    """A name as one part of a path; a conversation keeps its slashes, and its `#` and `%` are escaped."""
    return quote(name, safe="/:@")


async def read_form(request: Request, most: int = MAX_FORM) -> Form:
    """The fields of a form that was sent (`application/x-www-form-urlencoded`), of at most so many bytes.

    Raises:
        BadInput: it is no form, or of too many fields.
        Refused: it is too large, too slow, or of another type.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise Refused(415, "The console takes forms alone.", fix="Send application/x-www-form-urlencoded.")
    parts: list[bytes] = []
    size = 0
    with anyio.move_on_after(FORM_S) as limit:
        async for part in request.stream():
            size += len(part)
            if size > most:
                raise Refused(413, f"This form has at most {most:,} bytes.", fix="Send less.")
            parts.append(part)
    if limit.cancelled_caught:
        raise Refused(408, f"The form was not here within {FORM_S:g} s.", fix="Send it again.")
    return form_of(b"".join(parts).decode("latin-1"))


def form_of(text: str) -> Form:
    """The fields of a form as it is sent. Raises BadInput where it is none, or has too many fields."""
    try:
        text.encode("ascii")
        return Form(parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict"))
    except ValueError:  # a UnicodeEncodeError is one
        raise BadInput("This form cannot be read.", fix="Send it as browsers do.") from None
