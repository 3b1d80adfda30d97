"""Text to speech at an endpoint of OpenAI's format: one POST of a text to `/audio/speech`, answered by a file.

OpenAI's API reference, "Create speech": JSON with `model`, `input` (at most 4,096 characters), `voice` and
`response_format`; `opus` gives Ogg with Opus, which platforms show as a voice message. Errors are JSON. The answer
tells no usage: the cost is known where the owner gives a price.
"""

from __future__ import annotations

import time

from bridge_mcp.core.entries import Usage
from bridge_mcp.core.errors import ModelFailed
from bridge_mcp.models.audio_endpoint import AudioEndpoint
from bridge_mcp.models.settings import ModelSettings, SpeechSettings
from bridge_mcp.ports import Speech

__all__ = ["OpenAISpeaker"]

MAX_ANSWER = 10_000_000
"""Bytes of one spoken text; 4,096 characters are some 2 MB."""
OGG = b"OggS"


class OpenAISpeaker:
    """See `ports.Speaker`."""

    def __init__(self, settings: SpeechSettings) -> None:
        self._settings = settings
        self._endpoint = AudioEndpoint(
            ModelSettings(
                "speech", settings.model, settings.api_key, base_url=settings.base_url, timeout_s=settings.timeout_s
            )
        )

    @property
    def model(self) -> str:
        """See `ports.Speaker`."""
        return self._settings.model

    @property
    def max_chars(self) -> int:
        """See `ports.Speaker`."""
        return self._settings.max_chars

    async def close(self) -> None:
        """Close the connections."""
        await self._endpoint.close()

    async def speak(self, text: str) -> Speech:
        """See `ports.Speaker`."""
        request = {"model": self._settings.model, "voice": self._settings.voice, "response_format": "opus"}
        began = time.perf_counter()
        body = await self._endpoint.post("/audio/speech", json={**request, "input": text}, most=MAX_ANSWER)
        if not body.startswith(OGG):
            raise ModelFailed("the answer is no Ogg file")
        price = self._settings.usd_per_million_chars
        cost = None if price is None else len(text) / 1e6 * price
        return Speech(body, "audio/ogg", Usage(cost_usd=cost, latency_s=time.perf_counter() - began))
