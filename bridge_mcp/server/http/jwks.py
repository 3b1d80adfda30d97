"""The public keys of a token issuer (JWKS, RFC 7517): a cache with one fetch at a time, and a limit for how often.

A made-up token can name an unknown key and cause a fetch. So concurrent requests share one fetch, failures are cached
too, and known keys stay valid through an outage of their issuer. PyJWT's own client fetches on a thread of the
caller's, one after the other, and caches successes only (as of 2.15).
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import anyio
import jwt

from bridge_mcp.core.backoff import Backoff

__all__ = ["Fetch", "IssuerAway", "IssuerKeys", "fetch_keys"]

logger = logging.getLogger(__name__)

Fetch: TypeAlias = Callable[[str], Awaitable[bytes]]

FRESH_S = 300.0
"""How long fetched keys are used before they are fetched again."""
STALE_S = 3600.0
"""How long they are used while fetching fails."""
COOLDOWN_S = 30.0
"""The shortest time between two fetches because of an unknown key."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 120.0
"""The pause after a failure, which doubles with each."""
FETCH_S = 10.0
"""The time-out of a whole fetch."""
MAX_KEYS = 512 * 1024
"""Bytes of a response with keys."""


class IssuerAway(Exception):
    """The keys cannot be fetched now. `retry_s`: seconds until the next attempt."""

    def __init__(self, retry_s: float) -> None:
        super().__init__("the issuer's keys cannot be fetched")
        self.retry_s = retry_s


class IssuerKeys:
    """The keys at one URL.

    Args:
        url: the issuer's `jwks_uri`.
        fetch: returns the bytes there, or raises; its time-out is `FETCH_S`.
        now: seconds of a monotonic clock.
    """

    def __init__(self, url: str, fetch: Fetch | None = None, now: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._fetch = fetch or fetch_keys
        self._now = now
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = -STALE_S
        self._next_at = now()
        """The earliest time of the next fetch."""
        self._backoff = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        self._fetching: asyncio.Task[None] | None = None

    async def key(self, kid: str) -> jwt.PyJWK:
        """The key of this id.

        Raises:
            jwt.PyJWKClientError: the issuer has no such key.
            IssuerAway: the keys cannot be fetched.
        """
        age = self._now() - self._fetched_at
        if kid in self._keys and age < STALE_S:
            if age > FRESH_S:
                self._begin()  # the cached key is used meanwhile
            return self._keys[kid]
        fetching = self._begin()
        if fetching is not None:
            await asyncio.shield(fetching)
        if kid in self._keys and self._now() - self._fetched_at < STALE_S:
            return self._keys[kid]
        if self._backoff.failures:
            raise IssuerAway(max(1.0, self._next_at - self._now()))
        raise jwt.PyJWKClientError("the issuer has no such key")

    def _begin(self) -> asyncio.Task[None] | None:
        """The current fetch, or a new one; None while there may be none."""
        if self._fetching is None and self._now() >= self._next_at:
            self._fetching = asyncio.create_task(self._refresh())
        return self._fetching

    async def _refresh(self) -> None:
        try:
            with anyio.fail_after(FETCH_S):
                key_set = jwt.PyJWKSet.from_json((await self._fetch(self._url)).decode())
        except Exception as exc:  # whatever it is, it becomes the error of all who wait for the key
            pause = self._backoff.next()
            self._next_at = self._now() + pause
            why = "no answer in time" if isinstance(exc, TimeoutError) else f"{type(exc).__name__}: {exc}"[:300]
            logger.error("the keys at %s cannot be fetched, next try in %.0f s: %s", self._url, pause, why)
        else:
            self._backoff.reset()
            self._fetched_at = self._now()
            self._next_at = self._fetched_at + COOLDOWN_S
            self._keys = {key.key_id: key for key in key_set.keys if key.key_id and key.public_key_use in ("sig", None)}
        finally:
            self._fetching = None


async def fetch_keys(url: str) -> bytes:
    """The bytes at a URL, without following redirects.

    Raises:
        ValueError: the status is not 200, or the response is too large.
        httpx2.HTTPError: the request failed.
    """
    import httpx2

    async with (
        httpx2.AsyncClient(verify=await asyncio.to_thread(ssl.create_default_context), timeout=FETCH_S) as http,
        http.stream("GET", url, follow_redirects=False) as response,
    ):
        if response.status_code != 200:
            raise ValueError(f"HTTP {response.status_code}")
        parts = bytearray()
        async for part in response.aiter_bytes():
            parts += part
            if len(parts) > MAX_KEYS:
                raise ValueError(f"more than {MAX_KEYS:,} bytes")
    return bytes(parts)
