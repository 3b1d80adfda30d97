"""Posts to callbacks of clients: signed, to public addresses alone, without redirects, bounded in size and time.

Clients choose these URLs, and the requests leave from inside the bridge's own network: server-side request forgery. The
address is checked where the connection is made, so a name that resolves to another address the second time gains
nothing.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from urllib.parse import urlsplit

from msgspec import Struct

from bridge_mcp import __version__
from bridge_mcp.core.errors import BadJSON
from bridge_mcp.core.json_reader import read_json
from bridge_mcp.core.network_places import place_among
from bridge_mcp.server.tools.json_text import compact

if TYPE_CHECKING:
    import aiohttp

__all__ = ["CallbackFailed", "Callbacks", "Reason", "authority_of", "echoes", "signature_headers"]

Reason: TypeAlias = Literal["connection_refused", "timeout", "tls_error", "http_4xx", "http_5xx", "challenge_failed"]
"""Why a callback failed, in the words of the extension: nothing of what the callback answered."""

LookUp: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the addresses of a host."""

POST_S = 10.0
"""Seconds for one post, from the name to the end of the answer."""
MAX_ANSWER = 4096
"""Bytes of an answer that are read."""


class CallbackFailed(Exception):
    """A callback could not be reached, or answered no."""

    def __init__(self, reason: Reason, status: int = 0) -> None:
        super().__init__(reason)
        self.reason: Reason = reason
        self.status = status
        """Of HTTP; 0 where there was no answer."""


class NotPublic(OSError):
    """A host has an address that requests of clients may not go to."""


async def look_up(host: str, port: int) -> Sequence[str]:
    """The addresses of a host, as the system knows them."""
    addresses = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(each[4][0]) for each in addresses]


class Callbacks(Struct, frozen=True):
    """Callbacks of clients. `local_hosts` (HOST:PORT) may be in private networks too."""

    local_hosts: frozenset[str] = frozenset()
    look_up: LookUp = look_up
    timeout_s: float = POST_S

    async def post(self, url: str, subscription: str, message: str, body: str, keys: Sequence[str]) -> bytes:
        """Post a message, signed with each of the keys; the beginning of the answer. `subscription`: of MCP Events.

        Raises:
            CallbackFailed: there was no answer of success.
        """
        import aiohttp

        headers = {
            "content-type": "application/json",
            "user-agent": f"bridge-mcp/{__version__}",
            **({"x-mcp-subscription-id": subscription} if subscription else {}),
            **signature_headers(message, body, keys),
        }
        try:
            async with (
                asyncio.timeout(self.timeout_s),
                aiohttp.ClientSession(
                    connector=await self._connector(),
                    cookie_jar=aiohttp.DummyCookieJar(),
                    trust_env=False,
                    auto_decompress=False,
                ) as session,
                session.post(url, data=body.encode(), headers=headers, allow_redirects=False) as response,
            ):
                if response.status >= 300:
                    raise CallbackFailed("http_5xx" if response.status >= 500 else "http_4xx", response.status)
                return await read_start(response.content)
        except TimeoutError:
            raise CallbackFailed("timeout") from None
        except (aiohttp.ClientSSLError, ssl.SSLError):
            raise CallbackFailed("tls_error") from None
        except (aiohttp.ClientError, OSError, ValueError):
            raise CallbackFailed("connection_refused") from None

    async def verify(self, url: str, subscription: str, key: str) -> None:
        """Ask a callback whether it wants deliveries: it has to send a challenge back.

        Raises:
            CallbackFailed: it does not.
        """
        challenge = secrets.token_urlsafe(32)
        message = f"msg_verification_{secrets.token_hex(16)}"
        body = compact({"type": "verification", "challenge": challenge})
        if not echoes(await self.post(url, subscription, message, body, [key]), challenge):
            raise CallbackFailed("challenge_failed")

    async def _connector(self) -> aiohttp.TCPConnector:
        """A connector for one post, which checks each address as it connects: by the name that it connects to."""
        import aiohttp
        from aiohttp.abc import AbstractResolver, ResolveResult

        look_up, local_hosts = self.look_up, self.local_hosts
        approved: set[tuple[str, int]] = set()

        class CheckedResolver(AbstractResolver):
            """Resolves to addresses that are allowed, all of them."""

            async def resolve(
                self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
            ) -> list[ResolveResult]:
                addresses = await look_up(host, port)
                check_public(addresses, authority(host, port) in local_hosts)
                approved.update((each, port) for each in addresses)
                return [
                    ResolveResult(
                        hostname=host,
                        host=each,
                        port=port,
                        family=socket.AF_INET6 if ":" in each else socket.AF_INET,
                        proto=socket.IPPROTO_TCP,
                        flags=socket.AI_NUMERICHOST,
                    )
                    for each in addresses
                ]

            async def close(self) -> None:
                """Does nothing: there is nothing to close."""

        def checked_socket(address: tuple[Any, ...]) -> socket.socket:
            host, port = str(address[4][0]), int(address[4][1])
            if (host, port) not in approved:  # a host that is an address itself has not passed the resolver
                check_public([host], authority(host, port) in local_hosts)
            return socket.socket(address[0], address[1], address[2])

        return aiohttp.TCPConnector(
            resolver=CheckedResolver(),
            socket_factory=checked_socket,
            ssl=await asyncio.to_thread(tls),
            use_dns_cache=False,
            force_close=True,
            limit=1,
        )


def echoes(answer: bytes, challenge: str) -> bool:
    """Whether an answer sends a challenge back."""
    try:
        fields = read_json(answer, max_size=MAX_ANSWER, max_depth=8)
    except BadJSON:
        return False
    echo = fields.get("challenge") if isinstance(fields, dict) else None
    return isinstance(echo, str) and hmac.compare_digest(echo.encode(), challenge.encode())


@cache
def tls() -> ssl.SSLContext:
    """How certificates are checked: by the authorities that the system trusts."""
    return ssl.create_default_context()


def authority_of(url: str) -> str:
    """HOST:PORT of a URL. Raises ValueError where it is none."""
    parts = urlsplit(url)
    return authority(parts.hostname or "", parts.port or (80 if parts.scheme == "http" else 443))


def authority(host: str, port: int) -> str:
    """HOST:PORT, as `local_hosts` has it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def read_start(content: aiohttp.StreamReader) -> bytes:
    """At most `MAX_ANSWER` bytes; the rest is not read."""
    start = bytearray()
    while len(start) < MAX_ANSWER and (part := await content.read(MAX_ANSWER - len(start))):
        start += part
    return bytes(start)


def check_public(addresses: Sequence[str], local: bool) -> None:
    """Raise unless requests of clients may go to these addresses.

    Raises:
        NotPublic: they may not.
    """
    network = place_among(addresses)
    if not addresses or network == "never" or (network != "global" and not local):
        raise NotPublic("not a public address")


def signature_headers(message: str, body: str, keys: Sequence[str]) -> dict[str, str]:
    """The headers of Standard Webhooks for a message that goes out now."""
    from standardwebhooks import Webhook

    now = datetime.now(UTC)
    return {
        "webhook-id": message,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(Webhook(key).sign(message, now, body) for key in keys),
    }
