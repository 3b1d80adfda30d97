"""[transcription] and [speech]: who turns voice messages into text, and who speaks answers."""

from __future__ import annotations

from bridge_mcp.config.problems import Problems
from bridge_mcp.config.schema_services import Speech, Transcription
from bridge_mcp.config.secrets import Secrets
from bridge_mcp.models.settings import SpeechSettings, TranscriptionSettings

__all__ = ["speech", "transcription"]


def transcription(section: Transcription | None, problems: Problems, secrets: Secrets) -> TranscriptionSettings | None:
    """The settings of the section; None without one."""
    if section is None:
        return None
    problems.add_unless_web("transcription.base_url", section.base_url)
    return TranscriptionSettings(
        model=section.model,
        via=section.via,
        api_key=secrets.read("transcription.api_key", section.api_key_env, section.api_key_file),
        base_url=section.base_url or "",
        language=section.language or "",
        timeout_s=section.timeout_s,
        max_bytes=int(section.max_mb * 1_000_000),
        usd_per_minute=section.usd_per_minute,
    )


def speech(section: Speech | None, problems: Problems, secrets: Secrets) -> SpeechSettings | None:
    """The settings of the section; None without one."""
    if section is None:
        return None
    problems.add_unless_web("speech.base_url", section.base_url)
    return SpeechSettings(
        model=section.model,
        voice=section.voice,
        api_key=secrets.read("speech.api_key", section.api_key_env, section.api_key_file),
        base_url=section.base_url or "",
        timeout_s=section.timeout_s,
        max_chars=section.max_chars,
        usd_per_million_chars=section.usd_per_million_chars,
    )
