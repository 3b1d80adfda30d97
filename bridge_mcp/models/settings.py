"""The settings of one `[models.NAME]` section. Knows neither the config file nor any adapter."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal
from urllib.parse import urlsplit

from msgspec import field

from bridge_mcp.core.secret_fields import HidesFields
from bridge_mcp.core.tools import JSON
from bridge_mcp.models.prices import Prices

__all__ = ["SCRIPTED", "ModelSettings", "SpeechSettings", "TranscriptionSettings"]

SCRIPTED = "scripted"
"""The `model` that needs no provider."""


class ModelSettings(HidesFields, frozen=True):
    """One configured model."""

    HIDDEN: ClassVar = frozenset({"api_key", "params"})

    name: str
    """Its section's name: `default` for `[models.default]`."""
    model: str
    """Any litellm name (`openai/gpt-5-mini`); with `base_url`, what that endpoint calls it; or `scripted`."""
    api_key: str = ""
    """Empty: litellm looks for its provider's usual environment variable, and an endpoint by `base_url` gets none."""
    base_url: str = ""
    """An endpoint that speaks OpenAI's chat format; `/chat/completions` is added to it. Via litellm: its provider's."""
    fallbacks: tuple[str, ...] = ()
    """Tried in order when this one fails: names of other sections, or models."""
    via: Literal["auto", "openai", "litellm"] = "auto"
    """The adapter; auto: OpenAI's format, directly, if there is a `base_url`, else litellm."""
    timeout_s: float = 300.0
    """The time-out of one call."""
    first_token_s: float = 60.0
    """The longest silence before the first token, and between two: only where the answer is streamed."""
    stream: bool | None = None
    """Whether answers are streamed; None: always from an endpoint, and through litellm if somebody watches."""
    tool_calling: Literal["auto", "native", "prompt"] = "auto"
    """Whether the model calls tools natively, or by text in the prompt; auto: natively, unless known not to."""
    vision: bool | None = None
    """Whether it sees images; None: as litellm's map says, and not at an endpoint."""
    prices: Prices | None = None
    """Its prices; None: as litellm's map says, for models through litellm and OpenAI's own; else unknown."""
    pdf: bool | None = None
    """Whether it reads PDFs; None: as litellm's map says, and not at an endpoint."""
    context_tokens: int | None = None
    """The context window: tokens of request and answer together; None: as litellm's map says."""
    reserve_tokens: int | None = None
    """How many of these are reserved for the answer; see `core.window`."""
    params: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    """Passed on with every request: `temperature`, `max_tokens`, … Not in the repr: headers may hold secrets."""
    script_path: Path | None = None
    """The rules of a `scripted` model; without them it echoes."""
    lacking: str = ""
    """A missing setting, with the fix; not empty: the model is never called."""

    @property
    def identity(self) -> str:
        """A key for the model and its endpoint: provider fields of one model are sent to no other."""
        host = urlsplit(self.base_url).netloc.rpartition("@")[2] if self.base_url else ""
        return f"{self.model} at {host}" if host else self.model


class TranscriptionSettings(HidesFields, frozen=True):
    """The section [transcription]."""

    HIDDEN: ClassVar = frozenset({"api_key"})

    model: str
    api_key: str = ""
    base_url: str = ""
    language: str = ""
    """ISO 639-1; empty: the model finds out."""
    timeout_s: float = 60.0
    max_bytes: int = 20_000_000
    usd_per_minute: float | None = None
    via: Literal["auto", "openai", "litellm"] = "auto"
    """`auto`: litellm for a model that names its provider (`groq/whisper-large-v3`), where there is no `base_url`."""

    @property
    def by_litellm(self) -> bool:
        """Whether litellm asks the provider."""
        return self.via == "litellm" or (self.via == "auto" and "/" in self.model and not self.base_url)


class SpeechSettings(HidesFields, frozen=True):
    """The section [speech]."""

    HIDDEN: ClassVar = frozenset({"api_key"})

    model: str
    voice: str
    api_key: str = ""
    base_url: str = ""
    timeout_s: float = 60.0
    max_chars: int = 1_500
    usd_per_million_chars: float | None = None
