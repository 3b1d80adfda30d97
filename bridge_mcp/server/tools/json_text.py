"""Writes JSON text: compact, and valid for every parser."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["compact", "without_lone_surrogates"]


ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def compact(value: Any) -> str:
    """A JSON value as text, without spaces, characters unescaped."""
    return ENCODER.encode(value)


def without_lone_surrogates(text: str) -> str:
    """The text with each lone surrogate, which JSON parsers refuse, replaced by U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
