"""A chat completion cut into the chunks of a stream, as OpenAI's public API reference shows them. Knows no server."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import cast

from bridge_mcp.core.tools import JSON

__all__ = ["DONE", "cut_into_chunks", "event"]

DONE = b"data: [DONE]\n\n"
HEAD = ("id", "created", "model", "service_tier")
"""What stands in every chunk as it stands in the whole."""
PIECE = 12
"""Characters of a delta: short enough that most texts and arguments come in several."""


def event(chunk: JSON) -> bytes:
    """A chunk as it is sent; a text as it is."""
    return chunk.encode() if isinstance(chunk, str) else b"data: " + json.dumps(chunk).encode() + b"\n\n"


def cut_into_chunks(completion: Mapping[str, JSON], *, usage: bool) -> Iterator[JSON]:
    """The chunks of one completion; `usage` adds the one that tells it, whose choices are empty."""
    choice = cast("dict[str, JSON]", cast("list[JSON]", completion["choices"])[0])
    message = cast("dict[str, JSON]", choice["message"])
    head: dict[str, JSON] = {name: completion[name] for name in HEAD if name in completion}
    head |= {"object": "chat.completion.chunk"}

    def chunk(delta: dict[str, JSON], finish: JSON = None) -> JSON:
        return {**head, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]}

    yield chunk({"role": "assistant", "content": None if message["content"] is None else ""})
    for name, value in message.items():
        if name in ("role", "tool_calls") or not value:
            continue
        for piece in pieces(value) if isinstance(value, str) else (value,):
            yield chunk({name: piece})
    for delta in call_deltas(cast("list[dict[str, JSON]]", message.get("tool_calls") or [])):
        yield chunk({"tool_calls": [delta]})
    yield chunk({}, choice["finish_reason"])
    if usage:
        yield {**head, "choices": [], "usage": completion["usage"]}


def call_deltas(calls: list[dict[str, JSON]]) -> Iterator[JSON]:
    """The deltas of calls: first each one's id and name, then their arguments by turns."""
    arguments: list[list[JSON]] = []
    for index, call in enumerate(calls):
        function = cast("dict[str, JSON]", call["function"])
        arguments.append(
            [{"index": index, "function": {"arguments": piece}} for piece in pieces(str(function["arguments"]))]
        )
        yield {**call, "index": index, "type": "function", "function": {**function, "arguments": ""}}
    for row in zip_longest(*arguments):
        yield from (delta for delta in row if delta is not None)


def pieces(text: str) -> Iterator[str]:
    return (text[at : at + PIECE] for at in range(0, len(text), PIECE))
