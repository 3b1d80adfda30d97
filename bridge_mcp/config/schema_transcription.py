"""The section of bridge.toml about turning speech into text."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bridge_mcp.config.schema_approvals import Section, Text

__all__ = ["Transcription"]


class Transcription(Section):
    """[transcription]: who turns voice messages and audio into text, at an endpoint of OpenAI's format."""

    model: Text
    """The model as the endpoint names it, such as `whisper-1` or `gpt-4o-mini-transcribe`."""
    base_url: Text | None = None
    """An endpoint that has `/audio/transcriptions` (whisper.cpp, Speaches, a gateway, litellm's proxy); else OpenAI."""
    api_key_env: Text | None = None
    """The variable that holds the key."""
    api_key_file: Text | None = None
    """The file that holds the key."""
    language: Annotated[str, Field(pattern="^[a-z]{2,3}$")] | None = None
    """The language that is spoken, as `de`; without it the model finds out."""
    timeout_s: float = Field(default=60.0, gt=0, le=600)
    """Seconds for one file."""
    max_mb: float = Field(default=20.0, gt=0, le=25)
    """Larger files are not transcribed."""
    usd_per_minute: float | None = Field(default=None, ge=0)
    """Dollars for a minute of speech, where the endpoint tells how long it was; without it the cost is unknown."""
