"""Provider fields: what a provider adds to an answer and wants back with the next request.

Reasoning, thought signatures, and any other field of a message or call that is not part of the chat format.

They are kept unread, as the text of a JSON object of at most `MAX_KEPT` characters, and only sent to the model that
gave them. Knows the format, no provider.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import cast

from bridge_mcp.core.tools import JSON

__all__ = ["FUNCTION", "MAX_KEPT", "ProviderFields", "call_fields", "kept_text", "restored"]

MAX_KEPT = 128_000
"""Characters that are kept of one message, and of one call: some 30,000 tokens of reasoning."""

MESSAGE = frozenset(
    {"role", "content", "refusal", "tool_calls", "function_call", "annotations", "audio", "images", "name", "index"}
    | {"citations", "executed_tools", "tool_call_id", "finish_reason", "logprobs", "token_ids", "stop_reason"}
)
"""Fields of the chat format itself, and fields that a request may not hold."""
CALL = frozenset({"id", "index", "type", "function"})
FUNCTION = frozenset({"name", "arguments"})

LABEL = re.compile(
    r"(?:^|_)(?:id|type|format|status|signature|signatures|model|name|index|role|data)\Z|signature", re.I
)
"""Names of fields whose text does not grow by deltas: each delta has it whole, or one has."""
THOUGHT = re.compile(r"reason|think|thought", re.I)


class ProviderFields:
    """The provider fields of one message, collected from its deltas or from the whole message."""

    def __init__(self) -> None:
        self._values: dict[str, JSON] = {}
        self._growing: dict[str, list[str]] = {}

    def add(self, message: Mapping[str, object]) -> None:
        """Merge one delta."""
        for name, value in message.items():
            if name in MESSAGE or not value:
                continue
            if isinstance(value, str) and not LABEL.search(name):
                self._growing.setdefault(name, []).append(value)
            else:
                self._values[name] = merged(name, self._values.get(name), cast("JSON", value))

    @property
    def thought(self) -> bool:
        """Whether there is any reasoning."""
        return any(THOUGHT.search(name) for name in (*self._growing, *self._values))

    def value(self) -> dict[str, JSON]:
        """All fields so far."""
        return {**self._values, **{name: "".join(pieces) for name, pieces in self._growing.items()}}


def call_fields(call: Mapping[str, object], before: Mapping[str, JSON] | None = None) -> dict[str, JSON]:
    """The provider fields of a call, merged with those that came `before`; its function's are under `function`."""
    fields: dict[str, JSON] = dict(before or {})
    for name, value in call.items():
        if name not in CALL and value:
            fields[name] = merged(name, fields.get(name), cast("JSON", value))
    function = call.get("function")
    inner = cast("dict[str, JSON]", function) if isinstance(function, dict) else {}
    extra: dict[str, JSON] = {name: value for name, value in inner.items() if name not in FUNCTION and value}
    if extra:
        fields["function"] = merged("function", fields.get("function"), extra)
    return fields


def merged(name: str, old: JSON, new: JSON) -> JSON:
    """A value, with a delta merged into it."""
    if old is None:
        return new
    if isinstance(old, str) and isinstance(new, str):
        return new if LABEL.search(name) or (THOUGHT.search(name) is None and old == new) else old + new
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **{key: merged(key, old.get(key), value) for key, value in new.items() if value is not None}}
    if isinstance(old, list) and isinstance(new, list):
        items = list(old)
        for item in new:
            add_item(items, item)
        return items
    return new


def add_item(items: list[JSON], item: JSON) -> None:
    """Merge an item into the one that it continues, or append it."""
    if isinstance(item, dict):
        for index in range(len(items) - 1, -1, -1):
            before = items[index]
            if isinstance(before, dict) and goes_on(before, item):
                items[index] = merged("", before, item)
                return
            if item.get("index") is None:
                break
    items.append(item)


def goes_on(before: Mapping[str, JSON], item: Mapping[str, JSON]) -> bool:
    """Whether an item continues a known one: by index and type, or because that one is not complete yet."""
    if item.get("type") not in (None, before.get("type")):
        return False
    if item.get("index") is not None or before.get("index") is not None:
        return item.get("index") == before.get("index")
    return not any(before.get(name) for name in ("signature", "data", "encrypted_content"))


def kept_text(value: Mapping[str, JSON]) -> str:
    """The text to keep; "" for none. If it is too long, the longest fields go first; of a thought its end stays."""
    if not value:
        return ""
    text = json.dumps(value)
    if len(text) <= MAX_KEPT:
        return text
    left = dict(value)
    for name in sorted(value, key=lambda name: len(json.dumps(value[name])), reverse=True):
        field = left.pop(name)
        room = MAX_KEPT - len(json.dumps(left)) - len(name) - 8
        if isinstance(field, str) and THOUGHT.search(name) and not LABEL.search(name) and room > 0:
            # A character takes up to twelve in JSON.
            end = field[-room:] if len(json.dumps(field[-room:])) <= room else field[-(room // 12) :]
            left[name] = end
        if len(text := json.dumps(left)) <= MAX_KEPT:
            return text if left else ""
    return ""


def restored(text: str) -> dict[str, JSON]:
    """The inverse of `kept_text`; a new value at each call."""
    value: object = json.loads(text) if text else {}
    return cast("dict[str, JSON]", value) if isinstance(value, dict) else {}
