"""The Web API of one app: requests over one session, open while somebody uses it, and what came of each."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from math import isnan
from typing import Any, cast

import aiohttp
import anyio
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from bridge_mcp.channels.slack.rates import Pace
from bridge_mcp.channels.slack.settings import Patience, SlackSettings

__all__ = ["SlackFault", "SlackWeb"]

SDK = logging.getLogger(f"{__name__}.sdk")
SDK.setLevel(logging.CRITICAL)
"""The library's own lines repeat what is told here, and hold addresses with tickets."""

UNSURE = frozenset({"internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"})
"""Errors of Slack's behind which an operation may have taken effect."""

MAX_ANSWER = 8_000_000
"""Bytes of one answer: 200 messages with all their blocks are some 3 MB."""
LONGEST_WAIT_S = 3600.0
"""No longer than that is waited without asking again, whatever an answer says."""


@dataclass(slots=True)
class SlackFault(Exception):
    """A request gave no good answer.

    https://docs.slack.dev/apis/web-api/#errors; where Slack answers 429, `Retry-After` holds for this one method.
    """

    error: str
    """Slack's word, such as `channel_not_found`; "" where there was no answer of Slack's."""
    told: str
    """For people."""
    retry_after_s: float | None = None
    """Slack asked to wait so long."""
    begun: bool = False
    """Whether it may have taken effect."""

    def __str__(self) -> str:
        """For people."""
        return self.told


class BoundedResponse(aiohttp.ClientResponse):
    """A response whose whole body has at most `MAX_ANSWER` bytes. So the library reads it; files are read in pieces."""

    async def read(self) -> bytes:
        """As in aiohttp.

        Raises:
            aiohttp.ClientPayloadError: it is longer.
        """
        if self._body is None:
            parts, left = list[bytes](), MAX_ANSWER
            async for part in self.content.iter_any():
                parts.append(part)
                left -= len(part)
                if left < 0:
                    self.close()
                    raise aiohttp.ClientPayloadError(f"the answer is longer than {MAX_ANSWER:,} bytes")
            self._body = b"".join(parts)
        return self._body


class SlackWeb:
    """The Web API, as one app's bot."""

    def __init__(self, settings: SlackSettings, patience: Patience) -> None:
        self.settings, self.patience = settings, patience
        self._pace = Pace()
        self._users = 0
        self._lock = anyio.Lock()
        self._client: AsyncWebClient | None = None
        self._session: aiohttp.ClientSession | None = None

    @property
    def client(self) -> Any:
        """The library's `AsyncWebClient`, whose own types say little; only while it is open."""
        assert self._client is not None
        return self._client

    @property
    def session(self) -> aiohttp.ClientSession:
        """The session of its requests; only while it is open."""
        assert self._session is not None
        return self._session

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        """Keep the session open."""
        async with self._lock:
            if not self._users:
                timeout = aiohttp.ClientTimeout(total=self.patience.request)
                self._session = aiohttp.ClientSession(timeout=timeout, trust_env=True, response_class=BoundedResponse)
                self._client = AsyncWebClient(
                    self.settings.bot_token,
                    base_url=self.settings.base_url,
                    session=self._session,
                    logger=SDK,
                    retry_handlers=[],  # who sends knows what may be repeated
                )
            self._users += 1
        try:
            yield
        finally:
            with anyio.CancelScope(shield=True):
                async with self._lock:
                    self._users -= 1
                    if not self._users and self._session is not None:
                        await self._session.close()
                        self._session = self._client = None

    async def call(self, method: Callable[..., Awaitable[Any]], **arguments: object) -> dict[str, Any]:
        """One request by a method of `client`; what Slack answers.

        Raises:
            SlackFault: it gave no good answer.
        """
        if wait := await self._pace.turn(getattr(method, "__name__", ""), arguments):
            raise SlackFault("ratelimited", "Slack's rate is kept", retry_after_s=wait)
        try:
            answer = await method(**arguments)
        except SlackApiError as exc:
            raise fault_of(exc) from exc
        except SlackClientError as exc:
            raise SlackFault("", self.clean(str(exc))) from exc
        except aiohttp.ClientConnectorError as exc:
            raise SlackFault("", f"Slack cannot be reached ({type(exc).__name__})") from exc
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as exc:
            raise SlackFault("", f"Slack gave no answer that counts ({type(exc).__name__})", begun=True) from exc
        return cast("dict[str, Any]", answer.data)

    async def scopes(self) -> tuple[dict[str, Any], frozenset[str]]:
        """Who we are, and the scopes that the bot's token has; none where Slack does not tell them.

        Raises:
            SlackFault: it gave no good answer.
        """
        granted = frozenset[str]()

        async def auth_test() -> Any:
            nonlocal granted
            answer = await self.client.auth_test()
            scopes = str(answer.headers.get("x-oauth-scopes", ""))
            granted = frozenset(each.strip() for each in scopes.split(",")) - {""}
            return answer

        return await self.call(auth_test), granted

    def clean(self, text: str) -> str:
        """A text without the app's tokens."""
        for token in (self.settings.bot_token, self.settings.app_token):
            text = text.replace(token, "…") if token else text
        return text


def fault_of(exc: SlackApiError) -> SlackFault:
    """What an answer means that is not ok."""
    response: Any = exc.response
    data: object = getattr(response, "data", None)
    status = int(getattr(response, "status_code", 0) or getattr(response, "status", 0) or 0)
    error = str(cast("dict[str, object]", data).get("error", "")) if isinstance(data, dict) else ""
    if status == 429 or error in ("ratelimited", "rate_limited"):
        return SlackFault("ratelimited", "Slack asks to wait", retry_after_s=waited(getattr(response, "headers", {})))
    if not error:
        return SlackFault(
            "", f"Slack gave no answer that counts (HTTP {status})", begun=status not in (400, 401, 403, 404)
        )
    needed = str(cast("dict[str, object]", data).get("needed", "") or "")
    message = f"Slack says {error}" + (f" (the app needs the scope {needed})" if needed else "")
    return SlackFault(error, message, begun=error in UNSURE)


def waited(headers: Any) -> float:
    """The seconds of `Retry-After`, at most an hour's; 1 where there are none."""
    value: Any = headers.get("Retry-After", headers.get("retry-after", "1"))
    try:
        wait = float(value)
    except (TypeError, ValueError):
        return 1.0
    return 1.0 if isnan(wait) else min(max(0.0, wait), LONGEST_WAIT_S)
