"""Endpoints that speak OpenAI's chat format (Ollama, LM Studio, vLLM, a gateway), and OpenAI itself: one POST a call.

Through aiohttp and not the openai SDK, of which only the generic `post` could be used here, since the typed one
validates every message (170 ms for a history of 1,000): a streamed call takes 0.3 ms of CPU instead of 1.2, and the
import 0.25 s of CPU and 11 MB instead of 1.6 s and 50 MB. Answers are streamed even when nobody watches: it costs 0.1
ms, a server that hangs is detected by its silence, and no gateway takes a long answer for an idle connection. Knows
nothing of litellm.
"""

from __future__ import annotations

import io
import re
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import anyio

from bridge_mcp.core.errors import BadJSON
from bridge_mcp.core.json_reader import MESSAGE_DEPTH, read_json
from bridge_mcp.core.tools import JSON, ToolSpec
from bridge_mcp.models.endpoint import Endpoint, EndpointConnection
from bridge_mcp.models.errors import ProviderError, connection_error, failed
from bridge_mcp.models.files import FileView
from bridge_mcp.models.model_info import ModelInfo
from bridge_mcp.models.openai_format import ToolsJson, chat_body, checked_params
from bridge_mcp.models.openai_responses import read_completion, reported
from bridge_mcp.models.response_limits import ResponseTooLarge, events, whole_body
from bridge_mcp.models.settings import ModelSettings
from bridge_mcp.models.stream_accumulator import StreamAccumulator
from bridge_mcp.models.timeouts import CallTimeouts
from bridge_mcp.ports import ModelReply, ModelRequest, OnText

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

__all__ = ["OpenAIModel"]

STREAMS: tuple[Mapping[str, JSON], ...] = (
    {"stream": True, "stream_options": {"include_usage": True}},
    {"stream": True},
    {},
)
"""Streaming parameters, the best first. If a server refuses one, the next is used, now and from then on."""

JSON_TYPE = {"Content-Type": "application/json"}
TAIL_S = 3.0
"""How long the end of a stream may take after the finish reason: only the usage comes there."""

UNABLE = frozenset({400, 404, 405, 422, 501})
"""The statuses by which servers refuse such a parameter."""


class OpenAIModel:
    """A `Model` behind an OpenAI-compatible `base_url`, or at OpenAI itself.

    Raises:
        ConfigError: `params` sets what the bridge sets itself.
    """

    def __init__(self, settings: ModelSettings) -> None:
        self.settings = settings
        self._params = {name: value for name, value in checked_params(settings).items() if name != "extra_headers"}
        self._model = settings.model.removeprefix("openai/")
        self._connection = EndpointConnection(settings)
        self._offer = ToolsJson()
        self._mode = len(STREAMS) - 1 if settings.stream is False else 0

    async def warm(self) -> None:
        """Import aiohttp on a worker thread."""
        await self._connection.open()

    async def close(self) -> None:
        """Close its connections; open calls fail with `ModelFailed`."""
        await self._connection.close()

    async def known(self) -> ModelInfo:
        """Capabilities of OpenAI's own models, by litellm's map; unknown at other endpoints."""
        endpoint, _ = await self._connection.open()
        return endpoint.known

    async def reply(
        self, request: ModelRequest, on_text: OnText | None = None, views: Mapping[str, FileView] | None = None
    ) -> ModelReply:
        """One call. See `ports.Model`."""
        endpoint, session = await self._connection.open()
        body = chat_body(self._model, request, self._params, views, self.settings.identity)
        began = time.perf_counter()
        with CallTimeouts(self.settings) as patience:
            completion = await self._ask(endpoint, session, body, request.tools, patience, on_text)
            latency_s = time.perf_counter() - began
            return read_completion(self.settings, completion, latency_s=latency_s, prices=endpoint.known.prices)
        raise patience.spent()

    async def _ask(
        self,
        endpoint: Endpoint,
        session: ClientSession,
        body: Mapping[str, JSON],
        tools: Sequence[ToolSpec],
        patience: CallTimeouts,
        on_text: OnText | None,
    ) -> object:
        """The response's JSON, or its text if it is no JSON; streamed if the server can."""
        from aiohttp import ClientError

        while True:
            mode = self._mode
            if streams := bool(STREAMS[mode]):
                patience.listen()
            data = io.BytesIO(self._offer.with_tools({**body, **STREAMS[mode]}, tools).encode())
            try:
                # A redirect would take the conversation, and headers beside the key, to a host that nobody configured.
                async with session.post(endpoint.url, data=data, headers=JSON_TYPE, allow_redirects=False) as response:
                    if response.status < 300:
                        if streams and response.content_type == "text/event-stream":
                            return await self._read(response, patience, StreamAccumulator(self.settings, on_text))
                        return parsed(await whole_body(response))
                    failure = refusal(response, parsed(await whole_body(response)))
            except (ClientError, OSError) as exc:
                raise failed(self.settings, connection_error(exc) or ProviderError(str(exc))) from None
            except ResponseTooLarge as exc:
                raise failed(self.settings, ProviderError(str(exc), kind="provider")) from None
            unable = response.status in UNABLE and re.search(r"\bstream", failure.message, re.IGNORECASE)
            if mode + 1 == len(STREAMS) or not unable:
                raise failed(self.settings, failure)
            self._mode = max(self._mode, mode + 1)

    async def _read(self, response: ClientResponse, patience: CallTimeouts, assembly: StreamAccumulator) -> object:
        """Read a stream to its end. The usage after the finish reason may be missing: it is awaited for `TAIL_S`."""
        from aiohttp import ClientError

        with anyio.CancelScope() as tail:
            try:
                async for data in events(response):
                    patience.listen()
                    if data == b"[DONE]":
                        assembly.done()
                    elif (chunk := self._chunk(data, ended=assembly.ended)) is not None:
                        assembly.add(chunk)
                    if assembly.ended:
                        tail.deadline = min(tail.deadline, anyio.current_time() + TAIL_S)
            except ClientError:
                if not assembly.ended:
                    raise
        return assembly.checked()

    def _chunk(self, data: bytes, *, ended: bool) -> object:
        """The chunk in a line; None for anything else, once the answer is `ended`.

        Raises:
            ModelFailed: it is no chunk, and the answer is not complete.
        """
        try:
            return read_json(data, max_depth=MESSAGE_DEPTH, odd="mend")
        except BadJSON:
            if ended:
                return None
            quoted = data[:500].decode(errors="replace")
            raise failed(
                self.settings, ProviderError(f"this is not part of an answer: {quoted}", kind="provider"), aloud=True
            ) from None


def parsed(data: bytes) -> object:
    """A response's JSON, or its text if it is no JSON."""
    try:
        return read_json(data, max_depth=MESSAGE_DEPTH, odd="mend")
    except BadJSON:
        return data.decode(errors="replace")


def refusal(response: ClientResponse, body: object) -> ProviderError:
    """A response with an error status, as a `ProviderError`."""
    error = reported(body) if body else ProviderError(response.reason or "")
    if 300 <= response.status < 400:
        to = urlsplit(response.headers.get("Location", ""))
        error = ProviderError(urlunsplit((to.scheme, to.netloc.rpartition("@")[2], to.path, "", "")))
    return ProviderError(error.message, response.status, error.codes, headers=dict(response.headers))
