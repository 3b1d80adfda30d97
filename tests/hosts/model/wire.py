"""What the four dialects share: what a host asked, how events are written, and where images stand. Knows no host."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

__all__ = ["Asked", "Dialect", "Event", "Shown", "is_image", "objects", "text_of", "whole_text"]

Event = tuple[str, "dict[str, Any]"]
"""The name of a server-sent event ("" for none) and its data."""

SIGNATURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF")


@dataclass(frozen=True, slots=True)
class Shown:
    """What a host showed its model of a tool's result: the text, and whether a picture stands with it."""

    text: str
    image: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """A request to the model: the names of the tools on offer, and the results of calls by their ids."""

    tools: list[str]
    results: dict[str, Shown] = field(default_factory=dict[str, Shown])


class Dialect(Protocol):
    """One API of models, as far as hosts use it here."""

    suffix: str
    """How the path of a request for an answer ends."""
    streams: bool
    """Whether a request that says nothing of it wants a stream."""
    ended: str
    """What stands behind the last event."""

    def asked(self, body: Mapping[str, Any]) -> Asked:
        """What is in a request."""
        ...

    def says(self, text: str) -> Iterable[Event]:
        """The events of an answer in words."""
        ...

    def calls(self, call: str, tool: str, arguments: Mapping[str, Any]) -> Iterable[Event]:
        """The events of a call with this id of a tool, by the name that the host gave it."""
        ...

    def whole(self, events: Sequence[Event]) -> dict[str, Any]:
        """The same answer to a request that wants no stream."""
        ...


def objects(value: object) -> list[dict[str, Any]]:
    """The objects of a list; of anything else none."""
    items = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("dict[str, Any]", each) for each in items if isinstance(each, dict)]


def text_of(value: object) -> str:
    """A text as it is, the texts of blocks one below the other, all else as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "\n".join(str(block["text"]) for block in objects(cast("object", value)) if "text" in block)
    return json.dumps(value)


def is_image(value: object) -> bool:
    """Whether a picture stands anywhere in a value: base64, in a data URL or not, that begins as pictures do."""
    return any(base64_of(text).startswith(SIGNATURES) for text in texts(value))


def texts(value: object) -> Iterator[str]:
    """Every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in cast("dict[str, object]", value).values():
            yield from texts(each)
    elif isinstance(value, list):
        for each in cast("list[object]", value):
            yield from texts(each)


def base64_of(text: str) -> bytes:
    """The first bytes of what a text encodes; none where it is no base64."""
    start = text.rpartition(";base64,")[2] if text.startswith("data:") else text
    try:
        return base64.b64decode(start[:16], validate=True)
    except ValueError:
        return b""


def whole_text(events: Iterable[Event], ended: str) -> bytes:
    """Server-sent events as they go over the wire."""
    lines = (f"{f'event: {name}' + chr(10) if name else ''}data: {json.dumps(data)}\n\n" for name, data in events)
    return ("".join(lines) + ended).encode()
