"""What a chat completions server may answer: the shapes of OpenAI's public API reference. Knows no server."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct, field

from bridge_mcp.core.tools import JSON

__all__ = ["Answer", "calling", "cut", "failing", "saying", "silent", "streaming", "trickling"]


class Answer(Struct, frozen=True):
    """What the server gives to one request. `body` is sent as JSON, or as it is where it is a text.

    A completion goes out in chunks where a stream was asked for.
    """

    body: JSON = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    ending: Literal["whole", "cut", "silent", "trickle"] = "whole"
    """`cut`: the connection breaks in the middle of the body; `silent`: nothing is sent; `trickle`: it never ends."""
    chunks: Sequence[JSON] = ()
    """Instead of a body: the events of a stream, one by one; a text among them is sent as it is."""


def saying(
    text: str | None, *, finish: str = "stop", usage: Mapping[str, JSON] | None = None, **message: JSON
) -> Answer:
    """A completion with this text. `message` adds fields to the message, such as `refusal`."""
    return completion({"role": "assistant", "content": text, **message}, finish, usage)


def calling(*calls: tuple[str, Mapping[str, JSON] | str], text: str | None = None) -> Answer:
    """A completion that asks for these calls at once: pairs of a tool's name and its arguments (or their text)."""
    asked: list[JSON] = [
        {
            "id": f"call_{index}",
            "type": "function",
            "function": {"name": name, "arguments": given if isinstance(given, str) else json.dumps(dict(given))},
        }
        for index, (name, given) in enumerate(calls)
    ]
    return completion({"role": "assistant", "content": text, "tool_calls": asked}, "tool_calls", None)


def completion(message: dict[str, JSON], finish: str, usage: Mapping[str, JSON] | None) -> Answer:
    """A chat completion with one choice."""
    tokens = usage or {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}
    return Answer(
        {
            "object": "chat.completion",
            "created": 1_700_000_000,
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
            "usage": dict(tokens),
        }
    )


def streaming(*deltas: Mapping[str, JSON] | str, finish: str | None = "stop") -> Answer:
    """A stream of these deltas of a message, each in a chunk of its own; a text among them is sent as it is.

    With a `finish` it ends as a stream should; with None it ends without a word.
    """
    head: dict[str, JSON] = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000}
    head["model"] = "gpt-test"

    def chunk(delta: Mapping[str, JSON], reason: str | None) -> JSON:
        return {**head, "choices": [{"index": 0, "delta": dict(delta), "finish_reason": reason}]}

    chunks = [delta if isinstance(delta, str) else chunk(delta, None) for delta in deltas]
    return Answer(chunks=[*chunks, chunk({}, finish), "data: [DONE]\n\n"] if finish else chunks)


def failing(
    status: int, message: str, *, code: str | None = None, kind: str = "", headers: Mapping[str, str] | None = None
) -> Answer:
    """An error as OpenAI gives it. `kind` is the error's `type`; by default what fits the status."""
    usual = {401: "invalid_request_error", 429: "rate_limit_error"}.get(
        status, "server_error" if status >= 500 else "invalid_request_error"
    )
    error: dict[str, JSON] = {"message": message, "type": kind or usual, "param": None, "code": code}
    return Answer({"error": error}, status, headers or {})


def cut() -> Answer:
    """A completion whose connection ends in the middle."""
    return Answer(saying("this will not arrive whole").body, ending="cut")


def silent() -> Answer:
    """The request is taken, and nothing is said."""
    return Answer(ending="silent")


def trickling() -> Answer:
    """An answer that has begun, and goes on for ever, a little at a time."""
    return Answer(ending="trickle")
