"""[speech]: who speaks answers."""

from __future__ import annotations

from bridge_mcp.config.problems import Problems
from bridge_mcp.config.schema_transcription import Speech
from bridge_mcp.config.secrets import Secrets
from bridge_mcp.models.settings import SpeechSettings

__all__ = ["speech"]


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
