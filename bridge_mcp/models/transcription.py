"""Speech to text at an endpoint of OpenAI's format: one POST of a file to `/audio/transcriptions`.

OpenAI's API reference, "Create transcription": multipart fields `file`, `model`, `language` and `response_format`. The
answer to `json` is `{"text": …, "usage": …}`, where `usage` tells seconds (`{"type": "duration", "seconds": 12}`) or
tokens (`{"type": "tokens", "input_tokens": …, "output_tokens": …}`). Local servers (whisper.cpp, Speaches, LocalAI) and
litellm's proxy speak the same.
"""

from __future__ import annotations

import math
import time

from bridge_mcp.core.entries import Usage
from bridge_mcp.core.errors import ModelFailed
from bridge_mcp.core.file_names import plain_name
from bridge_mcp.models.audio_endpoint import AudioEndpoint, json_body
from bridge_mcp.models.openai_responses import mapping, tokens
from bridge_mcp.models.settings import ModelSettings, TranscriptionSettings
from bridge_mcp.ports import Transcript

__all__ = ["OpenAITranscriber", "as_model", "file_name", "transcript_of"]

MAX_ANSWER = 1_000_000
MAX_TEXT = 50_000
"""Characters of a transcript that are kept."""
EXTENSIONS = {"audio/ogg": "ogg", "audio/opus": "ogg", "audio/mpeg": "mp3", "audio/mp4": "m4a", "audio/x-wav": "wav"}
"""What servers tell the format by, where the file's own name does not say."""


class OpenAITranscriber:
    """See `ports.Transcriber`."""

    def __init__(self, settings: TranscriptionSettings) -> None:
        self._settings = settings
        self._endpoint = AudioEndpoint(as_model(settings))

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
        await self._endpoint.close()

    async def transcribe(self, data: bytes, *, name: str, mime: str) -> Transcript:
        """See `ports.Transcriber`."""
        began = time.perf_counter()
        form = self._form(data, name, mime)
        body = await self._endpoint.post("/audio/transcriptions", form=form, most=MAX_ANSWER)
        return transcript_of(json_body(body), self._settings, time.perf_counter() - began)

    def _form(self, data: bytes, name: str, mime: str) -> object:
        from aiohttp import FormData

        form = FormData()
        form.add_field("file", data, filename=file_name(name, mime), content_type=mime or "application/octet-stream")
        form.add_field("model", self._settings.model)
        form.add_field("response_format", "json")
        if self._settings.language:
            form.add_field("language", self._settings.language)
        return form


def as_model(settings: TranscriptionSettings) -> ModelSettings:
    """The section as what reaches models takes it."""
    return ModelSettings(
        "transcription", settings.model, settings.api_key, base_url=settings.base_url, timeout_s=settings.timeout_s
    )


def transcript_of(answer: object, settings: TranscriptionSettings, latency_s: float) -> Transcript:
    """The transcript of an answer.

    Raises:
        ModelFailed: it is none.
    """
    text = mapping(answer).get("text")
    if not isinstance(text, str):
        raise ModelFailed("the answer has no text")
    usage = usage_of(mapping(answer).get("usage"), settings.usd_per_minute, latency_s)
    return Transcript(text.strip()[:MAX_TEXT], usage)


def usage_of(usage: object, usd_per_minute: float | None, latency_s: float) -> Usage:
    """What it took, as far as the endpoint tells; the cost where it is known."""
    usage = mapping(usage)
    seconds = usage.get("seconds")
    cost: float | None = None
    if usd_per_minute is not None and isinstance(seconds, int | float) and 0 <= seconds < 1e6:
        cost = math.ceil(seconds) / 60 * usd_per_minute
    counts = tokens(usage.get("input_tokens")), tokens(usage.get("output_tokens"))
    return Usage(*counts, cost_usd=cost, latency_s=latency_s)


def file_name(name: str, mime: str) -> str:
    """A name whose ending says the format: endpoints go by it."""
    plain = plain_name(name).encode("ascii", "replace").decode().replace("?", "_") or "voice"
    ending = EXTENSIONS.get(mime.partition(";")[0].strip().lower())
    has_ending = plain.rpartition(".")[2].lower() in {"flac", "mp3", "mp4", "mpeg", "mpga", "m4a", "ogg", "wav", "webm"}
    return plain if has_ending or ending is None else f"{plain.rpartition('.')[0] or plain}.{ending}"
