"""Web pages as clients (CORS): which pages may ask, and what a browser lets them read of the answers.

https://fetch.spec.whatwg.org/#http-cors-protocol. Only the origins that the owner lists: a page needs a token besides,
and a browser sends none by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from starlette.types import Message, Send

__all__ = ["exposing", "is_preflight", "preflight_headers"]

METHODS = "GET, POST, DELETE, OPTIONS"

TAKEN = (
    "accept", "accept-language", "authorization", "content-language", "content-type", "last-event-id",
    "mcp-method", "mcp-name", "mcp-protocol-version", "mcp-session-id",
)  # fmt: skip
"""Headers that a page may send; beside them any of MCP's, which are named for what tools declare (`Mcp-Param-…`)."""

EXPOSED = "Mcp-Session-Id, Mcp-Protocol-Version, WWW-Authenticate, Retry-After"
"""Headers of answers that a page may read."""

KEPT_S = 600
"""How long a browser may keep the answer."""


def is_preflight(method: str, headers: Mapping[bytes, bytes]) -> bool:
    """Whether a browser asks here, before a page's request, if the page may make it."""
    return method == "OPTIONS" and b"origin" in headers and b"access-control-request-method" in headers


def preflight_headers(origin: bytes, headers: Mapping[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    """What a browser is told for a page of a listed origin."""
    asked = headers.get(b"access-control-request-headers", b"").decode("latin-1").lower()
    more = sorted({name for name in names_in(asked) if name.startswith("mcp-")} - set(TAKEN))
    told = [
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-methods", METHODS.encode()),
        (b"access-control-allow-headers", ", ".join((*TAKEN, *more)).encode()),
        (b"access-control-max-age", str(KEPT_S).encode()),
        (b"vary", b"Origin, Access-Control-Request-Headers"),
        (b"content-length", b"0"),
    ]
    if headers.get(b"access-control-request-private-network") == b"true":
        told.append((b"access-control-allow-private-network", b"true"))
    return told


def names_in(asked: str) -> Iterable[str]:
    """Names of headers in a list of them; what is none is passed over."""
    for each in asked.split(","):
        name = each.strip()
        if name and all(char.isalnum() or char in "-_" for char in name) and name.isascii():
            yield name


def exposing(send: Send, origin: bytes) -> Send:
    """Send answers that a page of this origin may read."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            told = [
                (b"access-control-allow-origin", origin),
                (b"access-control-expose-headers", EXPOSED.encode()),
                (b"vary", b"Origin"),
            ]
            message = {**message, "headers": [*message.get("headers", []), *told]}
        await send(message)

    return sending
