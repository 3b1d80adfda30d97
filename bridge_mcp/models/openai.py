"""Endpoints that speak OpenAI's chat format (Ollama, LM Studio, vLLM, a gateway), through the openai SDK.

The SDK's own `chat.completions.create` walks every message through its typed parameters, which costs more than all the
rest of a call; its generic `post` sends the body as it is. Answers are streamed even when nobody is shown them, because
that costs next to nothing here, and a server that hangs is found out by its silence. The SDK is imported on a worker
thread, at the first call or by `warm`. Knows nothing of litellm.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, cast

import anyio
import anyio.to_thread

from bridge_mcp.core.tools import JSON
from bridge_mcp.models.failures import Trouble, failed, trouble_of
from bridge_mcp.models.files import Shown
from bridge_mcp.models.knowledge import UNKNOWN, Known, look_up, read_map
from bridge_mcp.models.patience import Patience
from bridge_mcp.models.settings import ModelSettings
from bridge_mcp.models.stream import Assembly
from bridge_mcp.models.wire import chat_body, checked_params, read_completion, reported
from bridge_mcp.ports import ModelReply, ModelRequest, OnText

if TYPE_CHECKING:
    import httpx
    from openai import APIStatusError, AsyncOpenAI, Omit

__all__ = ["OpenAIModel"]

CONNECT_S = 10.0
"""How long reaching the server may take, within `timeout_s`."""

STREAMS: tuple[Mapping[str, JSON], ...] = (
    {"stream": True, "stream_options": {"include_usage": True}},
    {"stream": True},
    {},
)
"""Ways to ask for an answer, the best first. A server that refuses one is asked in the next, now and from then on."""

TAIL_S = 3.0
"""How long the end of a stream may take to come, once the model said that it is done: only its usage stands there."""

UNABLE = frozenset({400, 404, 405, 422, 501})
"""The statuses by which servers say that they know no such way."""


class OpenAIModel:
    """A `Model` behind an OpenAI-compatible `base_url`, or at OpenAI itself.

    Raises:
        ConfigError: `params` sets what the bridge sets itself.
    """

    def __init__(self, settings: ModelSettings) -> None:
        self.settings = settings
        self._params = checked_params(settings)
        self._model = settings.model.removeprefix("openai/")
        self._client: AsyncOpenAI | None = None
        self._known = UNKNOWN
        self._connecting = anyio.Lock()
        self._way = len(STREAMS) - 1 if settings.stream is False else 0

    async def warm(self) -> None:
        """Import the SDK; the event loop stays free meanwhile."""
        await self._connected()

    async def close(self) -> None:
        """Close its connections; calls under way end as `ModelFailed`."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def known(self) -> Known:
        """Of OpenAI's own models what litellm's map says; of an endpoint's nothing."""
        await self._connected()
        return self._known

    async def reply(
        self, request: ModelRequest, on_text: OnText | None = None, shown: Mapping[str, Shown] | None = None
    ) -> ModelReply:
        """One call. See `ports.Model`."""
        client = await self._connected()
        body = chat_body(self._model, request, self._params, shown)
        began = time.perf_counter()
        with Patience(self.settings) as patience:
            completion = await self._ask(client, body, patience, on_text)
            return read_completion(self.settings, completion, latency_s=time.perf_counter() - began)
        raise patience.spent()

    async def _connected(self) -> AsyncOpenAI:
        async with self._connecting:
            if self._client is None:
                connected = await anyio.to_thread.run_sync(connect, self.settings, abandon_on_cancel=True)
                self._client, self._known = connected
            return self._client

    def _headers(self, omit: Omit) -> dict[str, str | Omit]:
        """Keeps what the environment holds for OpenAI itself (a key, an organization) from going elsewhere."""
        if not self.settings.base_url:
            return {}
        unsent = {} if self.settings.api_key else {"Authorization": omit}
        return {"OpenAI-Organization": omit, "OpenAI-Project": omit, **unsent}

    async def _ask(
        self, client: AsyncOpenAI, body: Mapping[str, JSON], patience: Patience, on_text: OnText | None
    ) -> object:
        """The completion, in the best way that the server knows."""
        import httpx
        import openai

        while True:
            way = self._way
            try:
                return await self._post(client, {**body, **STREAMS[way]}, patience, on_text)
            except openai.APIStatusError as exc:
                told = refusal(exc)
                unable = exc.status_code in UNABLE and re.search(r"\bstream", told.message, re.IGNORECASE)
                if way + 1 == len(STREAMS) or not unable:
                    raise failed(self.settings, told) from None
                self._way = max(self._way, way + 1)
            except (openai.APIError, httpx.HTTPError) as exc:
                raise failed(self.settings, trouble_of(exc) or Trouble(str(exc))) from None

    async def _post(
        self, client: AsyncOpenAI, body: Mapping[str, JSON], patience: Patience, on_text: OnText | None
    ) -> object:
        """The answer's JSON, or its text where it is none."""
        import httpx
        import openai

        streams = "stream" in body
        if streams:
            patience.listen()
        answer = await client.post(
            "/chat/completions",
            body=body,
            cast_to=httpx.Response,
            options={"headers": self._headers(openai.omit)},
            stream=streams,
            stream_cls=openai.AsyncStream[object],
        )
        response = cast("httpx.Response", answer)
        try:
            if streams and response.headers.get("content-type", "").startswith("text/event-stream"):
                return await self._read(response, patience, Assembly(self.settings, on_text))
            await response.aread()
        finally:
            with anyio.CancelScope(shield=True):
                await response.aclose()
        try:
            return response.json()
        except ValueError:
            return response.text

    async def _read(self, response: httpx.Response, patience: Patience, assembly: Assembly) -> object:
        """Read a stream to its end. What comes after the model's last word is waited for, but may be missing."""
        import httpx

        with anyio.CancelScope() as tail:
            try:
                async for data in events(response):
                    patience.listen()
                    if data == b"[DONE]":
                        assembly.ended = True
                    else:
                        assembly.add(self._parsed(data))
                    if assembly.ended:
                        tail.deadline = min(tail.deadline, anyio.current_time() + TAIL_S)
            except httpx.HTTPError:
                if not assembly.ended:
                    raise
        return assembly.checked()

    def _parsed(self, data: bytes) -> object:
        try:
            return json.loads(data)
        except ValueError:
            told = data[:500].decode(errors="replace")
            raise failed(self.settings, Trouble(f"this is no part of an answer: {told}", kind="provider")) from None


async def events(response: httpx.Response) -> AsyncIterator[bytes]:
    """The data of server-sent events, which the chat format writes on one line each. Comments are passed over.

    The SDK's own reader hides the end mark, without which a stream that was cut off cannot be told from a whole one.
    """
    rest = b""
    async for part in response.aiter_bytes():
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                yield line[5:].strip()
    if rest.startswith(b"data:"):
        yield rest[5:].strip()


def connect(settings: ModelSettings) -> tuple[AsyncOpenAI, Known]:
    """A client for this endpoint alone, and what is known of the model there."""
    import httpx
    import openai

    # Without a base_url this is OpenAI itself, whose key the SDK also finds in the environment.
    nowhere = "none" if settings.base_url else None
    try:
        client = openai.AsyncOpenAI(
            api_key=settings.api_key or nowhere,
            base_url=settings.base_url or None,
            max_retries=0,
            timeout=httpx.Timeout(settings.timeout_s, connect=min(CONNECT_S, settings.timeout_s)),
        )
    except openai.OpenAIError as exc:
        raise failed(settings, Trouble(str(exc), kind="bad_key")) from None
    return client, UNKNOWN if settings.base_url else look_up(settings.model, read_map())


def refusal(error: APIStatusError) -> Trouble:
    """What an answer with an error status says."""
    told = reported(error.body) if error.body else Trouble(error.response.text or error.message)
    return Trouble(told.message, error.status_code, told.codes, dict(error.response.headers))
