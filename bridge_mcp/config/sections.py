"""Sections and keys of bridge.toml that concern nothing beside them, read as the values that others take."""

from __future__ import annotations

from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo

from bridge_mcp.config import schema
from bridge_mcp.config.problems import Problems
from bridge_mcp.config.secrets import Secrets
from bridge_mcp.core.errors import BadInput
from bridge_mcp.models.prices import Prices
from bridge_mcp.models.settings import SpeechSettings, TranscriptionSettings
from bridge_mcp.ports import EventRules
from bridge_mcp.ports.quiet import QuietHours

__all__ = ["events", "prices", "quiet_hours", "speech", "transcription"]

MILLION = 1e6


def events(section: schema.Events, problems: Problems) -> EventRules:
    """How clients may get events."""
    for host in section.local_hosts:
        name, _, port = host.rpartition(":")
        if not name or not port.isdecimal():
            problems.add(
                "events.local_hosts", f"'{host}' names no port.", 'Write "HOST:PORT", such as "10.0.0.5:8443".'
            )
    return EventRules(
        poll="poll" in section.delivery,
        webhooks="webhook" in section.delivery,
        local_hosts=frozenset(host.lower() for host in section.local_hosts),
        of_client=section.max_subscriptions,
    )


def quiet_hours(key: str, hours: str | None, zone: str, problems: Problems) -> QuietHours | None:
    """The quiet hours of a section; None where it has none, or none that can be read."""
    try:
        return None if hours is None else QuietHours.of(hours, zone_of(zone))
    except BadInput as exc:
        problems.add(f"{key}.quiet", str(exc).removesuffix(exc.fix).strip(), exc.fix)
        return None


def zone_of(name: str) -> tzinfo:
    """A time zone; UTC for one that there is not, of which `timezone` tells."""
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        return UTC


def prices(key: str, section: schema.ModelSection, problems: Problems) -> Prices | None:
    """The prices of a section, None where it names none; `key` is how the file calls the section."""
    input_price, output_price, cached_price = (
        section.usd_per_million_input,
        section.usd_per_million_output,
        section.usd_per_million_cached,
    )
    if input_price is not None and output_price is not None:
        return Prices(
            input_price / MILLION, output_price / MILLION, None if cached_price is None else cached_price / MILLION
        )
    for name, price in (("input", input_price), ("output", output_price), ("cached", cached_price)):
        if price is not None:
            problems.add(
                f"{key}.usd_per_million_{name}",
                "a call has a price only where questions and answers have one.",
                "Set both usd_per_million_input and usd_per_million_output; 0 is free.",
            )
    return None


def transcription(
    section: schema.Transcription | None, problems: Problems, secrets: Secrets
) -> TranscriptionSettings | None:
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


def speech(section: schema.Speech | None, problems: Problems, secrets: Secrets) -> SpeechSettings | None:
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
