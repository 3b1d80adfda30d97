"""What was said and asked for, as attributes of spans: messages in the JSON of the conventions, bounded in length."""

from __future__ import annotations

import json
from collections.abc import Sequence

from bridge_mcp.core.entries import Call

__all__ = ["clip", "message_parts"]

LONGEST = 20_000
"""Characters of one text: collectors refuse or cut more."""


def message_parts(role: str, text: str, calls: Sequence[Call] = (), finish: str = "") -> str:
    """One message as `gen_ai.input.messages` and `gen_ai.output.messages` have it: a role, and parts with a type."""
    parts = [{"type": "text", "content": clip(text)}] if text else []
    parts += [
        {"type": "tool_call", "id": call.id, "name": call.tool, "arguments": clip(call.arguments)} for call in calls
    ]
    message: dict[str, object] = {"role": role, "parts": parts}
    if finish:
        message["finish_reason"] = finish
    return json.dumps([message], ensure_ascii=False)


def clip(text: str) -> str:
    """A text, or its beginning with a word on what is left out."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text) - LONGEST:,} characters are left out)"
