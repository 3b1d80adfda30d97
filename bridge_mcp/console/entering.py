"""Coming in and going out: one-time links, tokens, and the end of a session.

A link of the owner's is opened in one of two ways, neither of which has its key in a URL that a server is asked for:

- `bridge-mcp console` has the browser open a file that only the owner can read; its form posts the key here. The
  browser's command line names the file, and its history the file and this page.
- Where no browser can be started, the key stands behind the `#` of a printed address, which browsers send nobody. The
  page takes it out of the address and the history, and posts it.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import escape
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from bridge_mcp.console.guard import Refused, cookie_name
from bridge_mcp.console.sessions import Visitor
from bridge_mcp.console.visits import BASE, Form, Visit
from bridge_mcp.server.http.jwks import IssuerAway

if TYPE_CHECKING:
    from bridge_mcp.console.app import Console

__all__ = ["enter", "launcher", "printed_link", "sign_in", "sign_out"]

HOME = "/approvals"

LAUNCHER = """\
<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="referrer" content="no-referrer"><title>bridge-mcp console</title>
<form method="post" action="{action}"><input type="hidden" name="key" value="{key}">
<p>Opening the console… <button>Open it</button></p></form>
<script>document.forms[0].submit()</script></html>
"""


def launcher(folder: Path, origin: str, key: str) -> Path:
    """Write the file that takes a browser into the console: only its owner can read it, and it works once."""
    path = folder / "open-console.html"
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(LAUNCHER.format(action=escape(f"{origin}{BASE}/enter"), key=escape(key)))
    return path


def printed_link(origin: str, key: str) -> str:
    """The address that takes a browser into the console, to be copied from a terminal."""
    return f"{origin}{BASE}/enter#{key}"


async def enter(console: Console, request: Request, origin: str, form: Form) -> Response:
    """Come in by a one-time link. The key alone counts: whoever has it may come from anywhere."""
    if request.method == "GET":
        return console.show("enter.html")
    address = limited(console, request)
    visitor = console.sessions.redeem(form.get("key"))
    if visitor is None:
        message = "This link was used, or is older than a minute. Run bridge-mcp console again for a new one."
        return console.show("refused.html", code=403, error=message)
    console.tries.give_back(address)
    answer = console.show("entered.html", next=HOME)
    return await with_session(console, answer, visitor, origin)


async def sign_in(console: Console, request: Request, origin: str, form: Form) -> Response:
    """Come in by a client's token."""
    following = following_of(request.query_params.get("next", "") or form.get("next"))
    if request.method == "GET":
        return console.show("sign-in.html", next=following, error="")
    address = limited(console, request)
    try:
        visitor = await console.sign_in(form.get("token").strip())
    except IssuerAway as exc:
        raise Refused(503, str(exc).capitalize() + ".", fix=f"Try again in {math.ceil(exc.retry_s)} s.") from None
    if visitor is None:
        message = "This token is not known. It was shown once, when bridge-mcp clients add made it."
        return console.show("sign-in.html", code=403, next=following, error=message)
    console.tries.give_back(address)
    return await with_session(console, RedirectResponse(BASE + following, 303), visitor, origin)


async def sign_out(visit: Visit) -> Response:
    """End the session."""
    name = cookie_name(visit.origin)
    await visit.console.sessions.close(visit.request.cookies.get(name, ""))
    answer = RedirectResponse(f"{BASE}/sign-in", 303)
    answer.delete_cookie(name, path=BASE)
    return answer


async def with_session(console: Console, answer: Response, visitor: Visitor, origin: str) -> Response:
    """The answer, with the cookie of a new session. Browsers forget it when they close."""
    answer.set_cookie(
        cookie_name(origin),
        await console.sessions.open(visitor),
        path=BASE,
        httponly=True,
        samesite="strict",
        secure=origin.startswith("https://"),
    )
    return answer


def limited(console: Console, request: Request) -> str:
    """The address of a client that tries to sign in, for counting its failures.

    Raises:
        Refused: it tries too often.
    """
    address = request.client.host if request.client else ""
    if seconds := console.tries.take(address):
        raise Refused(429, "There were too many tries to sign in.", fix=f"Try again in {seconds} s.")
    return address


def following_of(path: str) -> str:
    """The page to go on to: one of the console's own, whatever the address says."""
    is_local = path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    return path if is_local and path.isascii() and not path.startswith("/sign-") else HOME
