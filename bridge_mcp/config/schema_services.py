"""The sections of bridge.toml about the store and its files, the log and telemetry, and speech."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bridge_mcp.config.schema_approvals import Section, Text

__all__ = ["Files", "Log", "Speech", "Store", "Telemetry", "Transcription"]


class Store(Section):
    """[store]: where everything is kept, and how much of it."""

    url: Text | None = None
    """Where it is, as `sqlite:///PATH` or (with the extra `postgres`) `postgresql://USER@HOST/DATABASE`; no password
    stands here. Without it: `bridge.db` in the state folder."""
    url_env: Text | None = None
    """The variable that holds the URL, with its password."""
    url_file: Text | None = None
    """The file that holds the URL, with its password."""
    direct_url: Text | None = None
    """Where `url` leads to a pooler such as PgBouncer: the URL of Postgres itself, for notices and locks."""
    direct_url_env: Text | None = None
    """The variable that holds that URL."""
    direct_url_file: Text | None = None
    """The file that holds that URL."""
    reads_at_once: int = Field(default=4, ge=1, le=64)
    """How many reads of Postgres a process makes at once, each on a connection of its own; searches have half as many
    beside them. A face has up to three other connections, and a worker nine."""
    max_file_mb: float = Field(default=20.0, gt=0, le=1000)
    """The largest file from a chat or a tool that is kept, in megabytes."""
    max_files_mb: float = Field(default=1000.0, gt=0)
    """How much all kept files may take; the oldest are removed first."""
    keep_events: int = Field(default=1_000_000, ge=1000)
    """How many events the feed keeps; a reader who comes later is told that some are gone."""


class Files(Section):
    """[files]: which files of this machine may be sent."""

    outbox: list[Text] | None = None
    """Folders whose files may be sent; without it: `outbox` in the state folder."""


class Log(Section):
    """[log]: how the log on standard error is written."""

    format: Literal["text", "json"] = "text"
    """`json`: each line is an object with `time`, `level`, `logger` and `message`; `--log-json` says the same."""


class Telemetry(Section):
    """[telemetry]: traces and metrics by OpenTelemetry, sent by OTLP over HTTP; needs the extra `otel`."""

    endpoint: Text | None = None
    """The collector's base URL, such as `http://127.0.0.1:4318`; without it nothing is recorded. What else is needed,
    such as headers, is in the variables that OpenTelemetry names (`OTEL_EXPORTER_OTLP_HEADERS`)."""
    service: Text = "bridge-mcp"
    """The `service.name` of all of it."""
    contents: bool = False
    """Whether spans carry what people and models said, and arguments and results of tools: whoever reads traces reads
    chats then."""
    sample: float = Field(default=1.0, ge=0, le=1)
    """The share of turns that are traced; in a client's trace, it decides as well."""


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
