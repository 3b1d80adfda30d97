"""What every request of the console passes first: where it comes from, whose it is, and what its answer forbids.

Another site's page can send requests here with the browser's help, and so can a page of another port of this host, to
which browsers give the cookie too (RFC 6265, 8.5: cookies know no ports). Hence, in this order:

- the Host header has to be one of ours, with the port (DNS rebinding);
- an Origin header has to be exactly the one of that host, and a request that changes something has to have one;
- of Fetch Metadata, only what our own pages or the address bar ask for passes, and links to whole pages;
- a request that changes something carries the session's token, in a field or a header.

https://www.w3.org/TR/fetch-metadata/
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from starlette.datastructures import Headers
from starlette.requests import Request

from bridge_mcp.core.errors import BridgeError

__all__ = ["ANSWER_HEADERS", "ConsoleHosts", "Refused", "check_origin", "cookie_name"]

ANSWER_HEADERS: Mapping[str, str] = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # Other sites get no referrer at all. Under `no-referrer` browsers would send `Origin: null` with our own forms.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "cache-control": "no-store",
}
"""On every answer; one that needs another value sets its own."""

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")

SAFE = frozenset({"GET", "HEAD"})


class Refused(BridgeError):
    """The console refuses a request for where it comes from, or what it lacks."""

    def __init__(self, status: int, message: str, *, fix: str = "") -> None:
        super().__init__(message, fix=fix)
        self.status = status


class ConsoleHosts(Struct, frozen=True):
    """Where this console is: which Host headers are its own.

    Beyond loopback it is reached by the names in `allowed` alone, through something that speaks TLS: cookies are
    `Secure` there, and origins have to be `https`.
    """

    allowed: frozenset[str] = frozenset()
    """Names, with or without a port, of `allowed_hosts` of `[http]`."""

    def origin(self, host: str, port: int) -> str:
        """The one origin of pages at this Host header; "" if it is not ours."""
        host = host.lower()
        local = {f"{name}:{port}" for name in LOOPBACK} | (set(LOOPBACK) if port == 80 else set[str]())
        if host in local:
            return f"http://{host}"
        name = host if host.startswith("[") else host.partition(":")[0]
        return f"https://{host}" if {host, name} & self.allowed else ""


def check_origin(request: Request, places: ConsoleHosts, *, null: bool = False) -> str:
    """The origin of the console as the browser knows it. With `null`, an opaque origin may ask too.

    Raises:
        Refused: the request does not come from a page of this very origin.
    """
    headers = request.headers
    port = (request.scope.get("server") or ("", 0))[1] or 0
    host = headers.get("host", "")
    if len(headers.getlist("host")) > 1 or len(headers.getlist("origin")) > 1:
        raise Refused(400, "There is more than one Host or Origin header.", fix="Send one.")
    own_origin = places.origin(host, port)
    if not own_origin:
        raise Refused(
            421,
            f"The console does not go by the name '{host[:80]}'.",
            fix=f"Use http://127.0.0.1:{port}/console here; names beyond this machine go into allowed_hosts of [http].",
        )
    origin = headers.get("origin")
    unsafe = request.method not in SAFE
    if origin is not None and origin != own_origin and not (null and origin == "null"):
        raise Refused(
            403, f"Pages of '{origin[:80]}' may not use the console.", fix=f"Open it at {own_origin}/console."
        )
    if unsafe and origin is None:
        raise Refused(403, "A request that changes something needs an Origin header.", fix="Use a browser of today.")
    if not null:
        check_metadata(request, headers)
    return own_origin


def check_metadata(request: Request, headers: Headers) -> None:
    """Raise unless our own pages or the address bar ask, or somebody followed a link to a whole page.

    Raises:
        Refused: another site's page asks, or one of another port.
    """
    site = headers.get("sec-fetch-site", "none")
    if site in ("same-origin", "none"):
        return
    linked = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    if not (linked and request.method in SAFE):
        raise Refused(403, "Another page asks for this.", fix="Open the console by its own address.")


def cookie_name(origin: str) -> str:
    """The session's cookie: a name for each port, since browsers give one port's cookies to all."""
    return "bridge_console_" + (origin.rpartition(":")[2] if origin.count(":") > 1 else "tls")
