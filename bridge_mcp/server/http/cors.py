"""CORS: which web pages may send requests, and which headers of responses they may read.

https://fetch.spec.whatwg.org/#http-cors-protocol. Only the origins that the owner lists; a page needs a token too, and
a browser sends none by itself.
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
"""Headers that a page may send, beside all of MCP's, whose names depend on tools (`Mcp-Param-…`)."""

EXPOSED = "Mcp-Session-Id, Mcp-Protocol-Version, WWW-Authenticate, Retry-After"
"""Headers of responses that a page may read."""

KEPT_S = 600
"""How long a browser may cache a preflight."""


def is_preflight(method: str, headers: Mapping[bytes, bytes]) -> bool:
    """Whether this is a browser's CORS preflight."""
    return method == "OPTIONS" and b"origin" in headers and b"access-control-request-method" in headers


def preflight_headers(origin: bytes, headers: Mapping[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    """The headers of a preflight's response, for a listed origin."""
    requested = headers.get(b"access-control-request-headers", b"").decode("latin-1").lower()
    more = sorted({name for name in names_in(requested) if name.startswith("mcp-")} - set(TAKEN))
    allowed = [
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-methods", METHODS.encode()),
        (b"access-control-allow-headers", ", ".join((*TAKEN, *more)).encode()),
        (b"access-control-max-age", str(KEPT_S).encode()),
        (b"vary", b"Origin, Access-Control-Request-Headers"),
        (b"content-length", b"0"),
    ]
    if headers.get(b"access-control-request-private-network") == b"true":
        allowed.append((b"access-control-allow-private-network", b"true"))
    return allowed


def names_in(header_list: str) -> Iterable[str]:
    """The names in a list of header names; invalid ones are skipped."""
    for each in header_list.split(","):
        name = each.strip()
        if name and all(char.isalnum() or char in "-_" for char in name) and name.isascii():
            yield name


def exposing(send: Send, origin: bytes) -> Send:
    """Wrap `send`, so that a page of this origin may read the responses."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [
                (b"access-control-allow-origin", origin),
                (b"access-control-expose-headers", EXPOSED.encode()),
                (b"vary", b"Origin"),
            ]
            message = {**message, "headers": [*message.get("headers", []), *headers]}
        await send(message)

    return sending
