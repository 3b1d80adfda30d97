"""Speech to text at an endpoint of OpenAI's format: one POST of a file to `/audio/transcriptions`.

OpenAI's API reference, "Create transcription": multipart fields `file`, `model`, `language` and `response_format`. The
answer to `json` is `{"text": …, "usage": …}`, where `usage` tells seconds (`{"type": "duration", "seconds": 12}`) or
tokens (`{"type": "tokens", "input_tokens": …, "output_tokens": …}`). Local servers (whisper.cpp, Speaches, LocalAI) and
litellm's proxy speak the same.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
from msgspec.structs import replace

from bridge_mcp.core.entries import Usage
from bridge_mcp.core.errors import BadJSON, ModelFailed
from bridge_mcp.core.file_names import plain_name
from bridge_mcp.core.json_reader import read_json
from bridge_mcp.core.tools import JSON
from bridge_mcp.models.endpoint import Endpoint, endpoint_of, session_at
from bridge_mcp.models.response_limits import TooMuch, whole_body
from bridge_mcp.models.settings import ModelSettings, TranscriptionSettings
from bridge_mcp.ports import Transcript

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

__all__ = ["OpenAITranscriber"]

MAX_ANSWER = 1_000_000
MAX_TEXT = 50_000
"""Characters of a transcript that are kept."""
EXTENSIONS = {"audio/ogg": "ogg", "audio/opus": "ogg", "audio/mpeg": "mp3", "audio/mp4": "m4a", "audio/x-wav": "wav"}
"""What servers tell the format by, where the file's own name does not say."""


class OpenAITranscriber:
    """See `ports.Transcriber`."""

    def __init__(self, settings: TranscriptionSettings) -> None:
        self._settings = settings
        self._as_model = ModelSettings(
            "transcription", settings.model, settings.api_key, base_url=settings.base_url, timeout_s=settings.timeout_s
        )
        self._connection: tuple[Endpoint, ClientSession] | None = None

    @property
    def max_bytes(self) -> int:
        """See `ports.Transcriber`."""
        return self._settings.max_bytes

    @property
    def model(self) -> str:
        """See `ports.Transcriber`."""
        return self._settings.model

    async def close(self) -> None:
        """Close the connections."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection[1].close()

    async def transcribe(self, data: bytes, *, name: str, mime: str) -> Transcript:
        """See `ports.Transcriber`."""
        from aiohttp import ClientError

        endpoint, session = await self._connected()
        began = time.perf_counter()
        try:
            with anyio.fail_after(self._settings.timeout_s):
                form = self._form(data, name, mime)
                # A redirect would take the voice, and headers beside the key, to a host that nobody configured.
                async with session.post(url_of(endpoint), data=form, allow_redirects=False) as response:
                    if 300 <= response.status < 400:
                        raise ModelFailed("the endpoint redirects to another address, to which nothing was sent")
                    body = await whole_body(response, MAX_ANSWER)
                    return self._read(response, body, time.perf_counter() - began)
        except TimeoutError:
            raise ModelFailed(f"no answer within {self._settings.timeout_s:.0f} s") from None
        except TooMuch as exc:
            raise ModelFailed(str(exc)) from exc
        except (ClientError, OSError) as exc:
            raise ModelFailed(f"the endpoint cannot be reached ({type(exc).__name__})") from exc

    async def _connected(self) -> tuple[Endpoint, ClientSession]:
        if self._connection is None:
            found = await anyio.to_thread.run_sync(endpoint_of, self._as_model, abandon_on_cancel=True)
            endpoint = replace(found, headers=without_type(found.headers))
            self._connection = endpoint, session_at(endpoint, self._settings.timeout_s)
        return self._connection

    def _form(self, data: bytes, name: str, mime: str) -> object:
        from aiohttp import FormData

        form = FormData()
        form.add_field("file", data, filename=file_name(name, mime), content_type=mime or "application/octet-stream")
        form.add_field("model", self._settings.model)
        form.add_field("response_format", "json")
        if self._settings.language:
            form.add_field("language", self._settings.language)
        return form

    def _read(self, response: ClientResponse, body: bytes, latency_s: float) -> Transcript:
        """The transcript of an answer.

        Raises:
            ModelFailed: it is none.
        """
        try:
            told: JSON = read_json(body)
        except BadJSON as exc:
            raise ModelFailed(f"HTTP {response.status}, and no JSON") from exc
        if response.status != 200:
            raise ModelFailed(f"HTTP {response.status}: {message_of(told)}")
        text = told.get("text") if isinstance(told, dict) else None
        if not isinstance(text, str):
            raise ModelFailed("the answer has no text")
        usage = told.get("usage") if isinstance(told, dict) else None
        return Transcript(text.strip()[:MAX_TEXT], self._usage(usage, latency_s))

    def _usage(self, told: JSON, latency_s: float) -> Usage:
        """What it took, as far as the endpoint tells; the cost where it is known."""
        tokens = [0, 0]
        cost: float | None = None
        if isinstance(told, dict):
            tokens = [count(told.get(each)) for each in ("input_tokens", "output_tokens")]
            seconds = told.get("seconds")
            price = self._settings.usd_per_minute
            if price is not None and isinstance(seconds, int | float) and 0 <= seconds < 1e6:
                cost = math.ceil(seconds) / 60 * price
        return Usage(tokens[0], tokens[1], cost_usd=cost, latency_s=latency_s)


def count(told: JSON) -> int:
    """A number of tokens that can be one."""
    return told if isinstance(told, int) and 0 <= told < 10**9 else 0


def url_of(endpoint: Endpoint) -> str:
    return endpoint.url.removesuffix("/chat/completions") + "/audio/transcriptions"


def without_type(headers: Mapping[str, str]) -> dict[str, str]:
    """Those of the endpoint, but for the type of the body, which has a boundary of its own."""
    return {name: value for name, value in headers.items() if name != "Content-Type"}


def file_name(name: str, mime: str) -> str:
    """A name whose ending says the format: endpoints go by it."""
    plain = plain_name(name).encode("ascii", "replace").decode().replace("?", "_") or "voice"
    ending = EXTENSIONS.get(mime.partition(";")[0].strip().lower())
    known = plain.rpartition(".")[2].lower() in {"flac", "mp3", "mp4", "mpeg", "mpga", "m4a", "ogg", "wav", "webm"}
    return plain if known or ending is None else f"{plain.rpartition('.')[0] or plain}.{ending}"


def message_of(told: JSON) -> str:
    """What an endpoint says of its refusal, in short."""
    error = told.get("error") if isinstance(told, dict) else None
    said = error.get("message") if isinstance(error, dict) else error
    return str(said)[:200] if said else "no reason given"
