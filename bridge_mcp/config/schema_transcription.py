"""The sections of bridge.toml about turning speech into text, and texts into speech."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bridge_mcp.config.schema_approvals import Section, Text

__all__ = ["Speech", "Transcription"]


class Transcription(Section):
    """[transcription]: who turns voice messages and audio into text: an endpoint of OpenAI's format, or litellm."""

    model: Text
    """The model, such as `whisper-1`; for litellm with its provider in front, such as `groq/whisper-large-v3`."""
    via: Literal["auto", "openai", "litellm"] = "auto"
    """Who asks it: the bridge at an endpoint of OpenAI's format (`openai`), or `litellm`, which knows providers and
    their prices. `auto`: litellm for a model with a provider in front, where there is no `base_url`."""
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


class Speech(Section):
    """[speech]: who speaks answers, at an endpoint of OpenAI's format, in channels that have `speak`."""

    model: Text
    """The model as the endpoint names it, such as `gpt-4o-mini-tts`."""
    voice: Text
    """The voice as the endpoint names it, such as `alloy`."""
    base_url: Text | None = None
    """An endpoint that has `/audio/speech` and gives `opus` (Speaches, Kokoro, a gateway); else OpenAI."""
    api_key_env: Text | None = None
    """The variable that holds the key."""
    api_key_file: Text | None = None
    """The file that holds the key."""
    timeout_s: float = Field(default=60.0, gt=0, le=600)
    """Seconds for one answer."""
    max_chars: int = Field(default=1_500, ge=1, le=4_096)
    """Longer answers are not spoken."""
    usd_per_million_chars: float | None = Field(default=None, ge=0)
    """Dollars for a million characters; without it the cost is unknown."""
