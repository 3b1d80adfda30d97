"""Requests to Discord's API: one attempt each, by the limits that its headers tell, with bounded answers.

https://docs.discord.com/developers/topics/rate-limits. This is discord.py's `HTTPClient` with another `request`: the
library's own repeats a request up to five times and sleeps as long as it is told to. Here a message waits a moment, or
fails with the time, and the outbox tries again: nothing is tried by both.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from math import isnan
from typing import Any, cast

import aiohttp
from cachetools import LRUCache
from discord import File
from discord.errors import DiscordServerError, Forbidden, HTTPException, NotFound, RateLimited
from discord.http import HTTPClient, Route

from bridge_mcp.channels.discord.bot.settings import DiscordSettings, Patience
from bridge_mcp.core.errors import BadJSON
from bridge_mcp.core.json_reader import MESSAGE_DEPTH, read_json

__all__ = ["REQUEST_ERRORS", "InvalidResponse", "Path", "Requests"]

MAX_ANSWER = 8 * 1024 * 1024
"""Bytes of one answer: a hundred messages are some hundred thousand."""
MAX_EVENT = 32 * 1024 * 1024
"""Bytes of one message of the gateway: a large guild is some millions."""
MAX_BUCKETS = 4096
LONGEST_WAIT_S = 86_400.0
REASONS = "X-RateLimit-Bucket", "X-RateLimit-Remaining", "X-RateLimit-Reset-After"


class InvalidResponse(Exception):
    """A response with status 200 that is not the API's: a captive portal's page, half a JSON text."""


REQUEST_ERRORS = (HTTPException, RateLimited, InvalidResponse, aiohttp.ClientError, OSError)
"""What `Requests.request` raises; a `TimeoutError` is an `OSError`."""


class Path(Route):
    """A route on the server of the settings, which need not be Discord's."""

    def __init__(self, base: str, route: Route) -> None:
        super().__init__(route.method, route.path)
        self.channel_id, self.guild_id = route.channel_id, route.guild_id
        self.webhook_id, self.webhook_token = route.webhook_id, route.webhook_token
        self.url = base + route.url.removeprefix(Route.BASE)


@dataclass(slots=True)
class Bucket:
    """What is left of a limit, and when it begins anew (monotonic)."""

    left: int
    until: float


class Requests(HTTPClient):
    """The requests of one bot. Open it before use; several may use it at once."""

    def __init__(self, settings: DiscordSettings, patience: Patience) -> None:
        super().__init__(asyncio.get_running_loop())
        self._base, self._patience = settings.base_url, patience
        self.token = settings.token
        self._session_: aiohttp.ClientSession | None = None
        self._users = 0
        self._of_route: LRUCache[str, str] = LRUCache(MAX_BUCKETS)
        self._left: LRUCache[str, Bucket] = LRUCache(MAX_BUCKETS)
        self._global_until = 0.0

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        """Connections, as long as somebody uses them."""
        self._users += 1
        try:
            yield
        finally:
            self._users -= 1
            if not self._users and self._session_ is not None:
                session, self._session_ = self._session_, None
                await session.close()

    @property
    def session(self) -> aiohttp.ClientSession:
        """The connections; made when they are first needed."""
        if self._session_ is None:
            self._session_ = aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(), trust_env=True, auto_decompress=True
            )
        return self._session_

    def clean(self, text: str) -> str:
        """A text without the token."""
        return text.replace(self.token, "…") if self.token else text

    async def request(
        self,
        route: Route,
        *,
        files: Sequence[File] | None = None,
        form: Iterable[dict[str, Any]] | None = None,
        **kwargs: Any,
    ) -> Any:
        """One request.

        Raises:
            RateLimited: it would have to wait for longer than a moment, or Discord says so; it was not carried out.
            HTTPException: Discord refuses it, or fails.
            InvalidResponse: the answer is none.
            aiohttp.ClientError, TimeoutError: it may have been carried out, but for `ClientConnectorError`.
        """
        await self._turn(route)
        headers = {"User-Agent": self.user_agent, "Authorization": f"Bot {self.token}"}
        data: Any = None
        if form is not None:
            data = aiohttp.FormData(quote_fields=False)
            for each in form:
                data.add_field(**each)
        limit = self._patience.upload if files else self._patience.request
        async with self.session.request(
            route.method,
            Path(self._base, route).url,
            headers=headers,
            data=data,
            json=kwargs.get("json"),
            params=kwargs.get("params"),
            timeout=aiohttp.ClientTimeout(limit),
            allow_redirects=False,
        ) as answer:
            body = await bounded(answer)
            self._note(route, answer.headers)
            return self._result(route, answer, body)

    def _result(self, route: Route, answer: aiohttp.ClientResponse, body: Any) -> Any:
        if answer.status == 204:
            return None
        if 200 <= answer.status < 300:
            if body is None:
                raise InvalidResponse("its answer is no JSON that can be read")
            return body
        if answer.status == 429:
            raise self._shut(route, body, answer.headers)
        kinds = {403: Forbidden, 404: NotFound}
        kind = DiscordServerError if answer.status >= 500 else kinds.get(answer.status, HTTPException)
        raise kind(answer, cast("Any", body) if isinstance(body, dict) else answer.reason)

    def _shut(self, route: Route, answer: Any, headers: Mapping[str, str]) -> RateLimited:
        """Note a 429: for this route, or for all."""
        body = cast("dict[str, Any]", answer) if isinstance(answer, dict) else {}
        retry_after = body.get("retry_after", headers.get("Retry-After"))
        try:
            retry_s = float(retry_after) if retry_after is not None else 60.0
        except (TypeError, ValueError, OverflowError):
            retry_s = 60.0
        wait = 60.0 if isnan(retry_s) else min(max(retry_s, 0.0), LONGEST_WAIT_S)
        until = time.monotonic() + wait
        if body.get("global") is True or not body:
            # Without a body it is the firewall in front: then nothing gets through.
            self._global_until = until
        else:
            self._left[self._key(route)] = Bucket(0, until)
        return RateLimited(wait)

    def _key(self, route: Route) -> str:
        name = f"{route.method} {route.path}"
        return f"{self._of_route.get(name, name)}:{route.major_parameters}"

    def _note(self, route: Route, headers: Mapping[str, str]) -> None:
        """Keep what the headers tell of a limit."""
        bucket, left, after = (headers.get(name) for name in REASONS)
        try:
            bucket_state = Bucket(int(left or ""), time.monotonic() + min(float(after or ""), LONGEST_WAIT_S))
        except ValueError:
            return
        if bucket:
            self._of_route[f"{route.method} {route.path}"] = bucket[:100]
        previous = self._left.get(self._key(route))
        if previous is not None and previous.until > time.monotonic():
            # Answers overtake each other: the lower count is the later one.
            bucket_state.left = min(bucket_state.left, previous.left)
        self._left[self._key(route)] = bucket_state

    def wait_s(self, route: Route) -> float:
        """How long a request would have to wait now."""
        now = time.monotonic()
        bucket = self._left.get(self._key(route))
        bucket_wait = bucket.until - now if bucket is not None and bucket.left <= 0 else 0.0
        everybody = 0.0 if route.path.startswith(("/interactions", "/webhooks")) else self._global_until - now
        return max(0.0, bucket_wait, everybody)

    def spare(self, route: Route) -> bool:
        """Whether there is room for a request that may be dropped, and for one more behind it."""
        bucket = self._left.get(self._key(route))
        full = bucket is not None and bucket.until > time.monotonic() and bucket.left <= 1
        return not full and not self.wait_s(route)

    async def _turn(self, route: Route) -> None:
        wait = self.wait_s(route)
        if wait > self._patience.wait:
            raise RateLimited(wait)
        if wait:
            await asyncio.sleep(wait)
        bucket = self._left.get(self._key(route))
        if bucket is not None and bucket.until > time.monotonic():
            bucket.left -= 1

    async def ws_connect(self, url: str, *, compress: int = 0) -> aiohttp.ClientWebSocketResponse:
        """A connection to the gateway, with messages of bounded size."""
        return await self.session.ws_connect(
            url,
            max_msg_size=MAX_EVENT,
            timeout=aiohttp.ClientWSTimeout(ws_close=5.0),  # pyright: ignore[reportCallIssue]
            autoclose=False,
            headers={"User-Agent": self.user_agent},
        )


async def bounded(answer: aiohttp.ClientResponse) -> Any:
    """The JSON of a response; None if it is no JSON, or too large."""
    data = bytearray()
    async for chunk in answer.content.iter_chunked(65_536):
        data += chunk
        if len(data) > MAX_ANSWER:
            return None
    try:
        return read_json(bytes(data), max_depth=MESSAGE_DEPTH, max_size=MAX_ANSWER, odd="mend")
    except BadJSON:
        return None
