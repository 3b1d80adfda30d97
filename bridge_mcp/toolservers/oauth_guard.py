"""Guards OAuth logins of nested servers against SSRF: the hosts that requests may go to, and the size of responses.

A server names its own authorization server (RFC 9728, RFC 8414), so it chooses URLs that the bridge requests from
inside its own network: server-side request forgery, as the MCP specification's security best practices describe.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator

import anyio
import httpx2
from mcp.client.auth import OAuthFlowError

from bridge_mcp.core.network_places import Place, place_among

__all__ = ["MAX_BODY", "BoundedStream", "Steered", "check_place"]

MAX_BODY = 256 * 1024
"""Bytes of one response in a login."""


class Steered(OAuthFlowError):
    """The server sends its login to a host that is not allowed."""


async def check_place(url: httpx2.URL, home: httpx2.URL) -> None:
    """Check the URL of a login request of the server at `home`: its own origin, or a public host by https.

    A server on this machine, or in a private network, may send its login to other hosts there.

    Raises:
        Steered: any other host.
    """
    if (url.scheme, url.host, url.port) == (home.scheme, home.host, home.port):
        return
    target_place, home_place = await place_of(url.host), await place_of(home.host)
    if target_place == "never" or target_place not in ("global", home_place):
        raise Steered(f"it sends its login to '{url.host[:100]}', an address that is not open to it; refused")
    if url.scheme != "https" and target_place == "global":
        raise Steered(f"it sends its login to '{url.host[:100]}' without https; refused")


async def place_of(host: str) -> Place:
    """The kind of a host, by the nearest of its addresses; one that does not resolve here is left to a proxy."""
    try:
        addresses = await anyio.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return "global"
    return place_among(str(address[4][0]) for address in addresses)


class BoundedStream(httpx2.AsyncByteStream):
    """A response's bytes, up to `MAX_BODY`."""

    def __init__(self, response: httpx2.Response) -> None:
        self._response = response
        self._stream = response.stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._response.headers.get("content-encoding", "identity").lower() != "identity":
            raise OAuthFlowError("it packs the answers of its login, which it was asked not to")
        size = 0
        assert isinstance(self._stream, httpx2.AsyncByteStream)
        async for part in self._stream:
            size += len(part)
            if size > MAX_BODY:
                raise OAuthFlowError(f"an answer of its login is larger than {MAX_BODY:,} bytes")
            yield part

    async def aclose(self) -> None:
        """Give the connection back to the pool."""
        assert isinstance(self._stream, httpx2.AsyncByteStream)
        await self._stream.aclose()
