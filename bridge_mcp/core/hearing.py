"""Voice messages as text: what is written beside the file, and how long an answer waits for it."""

from __future__ import annotations

from bridge_mcp.core.entries import Heard, Logged

__all__ = ["HEARD", "LONGEST_S", "has_speech", "transcribed_text", "untranscribed_text", "waits_until"]

LONGEST_S = 90.0
"""How long a turn waits for the words of a voice message, from when it came in."""

HEARD = "🎤 (heard, not typed)"
"""What marks words that a model has heard: they may be wrong."""

FAILED = "🎤 (a voice message; its words are not known: {})"


def has_speech(heard: Heard) -> bool:
    """Whether a message brings audio of its own."""
    return any(file.kind == "audio" and not file.quoted for file in heard.attachments)


def transcribed_text(caption: str, words: str) -> str:
    """A message's text once its words are known."""
    transcript = f"{HEARD} {words}" if words else f"{HEARD} (nothing that can be understood)"
    return f"{caption}\n\n{transcript}" if caption else transcript


def untranscribed_text(caption: str, reason: str) -> str:
    """A message's text where its words could not be had."""
    notice = FAILED.format(reason)
    return f"{caption}\n\n{notice}" if caption else notice


def waits_until(logged: Logged) -> float:
    """Until when a turn waits for the words of this message; 0 for one without speech."""
    return logged.at + LONGEST_S if isinstance(logged.entry, Heard) and has_speech(logged.entry) else 0.0
