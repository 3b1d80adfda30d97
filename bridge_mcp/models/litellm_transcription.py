"""Speech to text by litellm, in its process: for the providers whose format is not OpenAI's."""

from __future__ import annotations

import time
from base64 import b64encode

import anyio
from msgspec.structs import replace

from bridge_mcp.core.errors import ModelFailed
from bridge_mcp.models.litellm_process import LitellmProcess
from bridge_mcp.models.settings import TranscriptionSettings
from bridge_mcp.models.transcription import as_model, file_name, transcript_of
from bridge_mcp.ports import Transcript

__all__ = ["LitellmTranscriber"]


class LitellmTranscriber:
    """See `ports.Transcriber`. The process belongs to whoever gave it."""

    def __init__(self, settings: TranscriptionSettings, litellm: LitellmProcess) -> None:
        self._settings, self._litellm = settings, litellm
        self._as_model = as_model(settings)

    @property
    def max_bytes(self) -> int:
        """See `ports.Transcriber`."""
        return self._settings.max_bytes

    @property
    def model(self) -> str:
        """See `ports.Transcriber`."""
        return self._settings.model

    async def close(self) -> None:
        """There is nothing of its own to close."""

    async def transcribe(self, data: bytes, *, name: str, mime: str) -> Transcript:
        """See `ports.Transcriber`."""
        body = {
            "data": b64encode(data).decode(),
            "name": file_name(name, mime),
            "mime": mime or "application/octet-stream",
            "language": self._settings.language,
        }
        began = time.perf_counter()
        try:
            with anyio.fail_after(self._settings.timeout_s):
                answer = await self._litellm.ask(self._as_model, body, what="transcript")
        except TimeoutError:
            raise ModelFailed(f"no answer within {self._settings.timeout_s:.0f} s") from None
        transcript = transcript_of(answer.completion, self._settings, time.perf_counter() - began)
        if answer.cost_usd is None:
            return transcript
        return replace(transcript, usage=replace(transcript.usage, cost_usd=answer.cost_usd))
