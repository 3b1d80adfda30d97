"""A server on loopback that speaks Anthropic's Messages API: what an OpenAI-style one cannot show of translations.

Written from Anthropic's public API documentation: system, content blocks, tool use and results, server-sent events,
errors, an overloaded server. It is scripted with the same `answers`; a completion is told as a message.

    with AnthropicServer(keys={"sk-ant-test"}) as server:
        server.answer(saying("Hello."), refusing(529, "Overloaded"))
        ...                                   # talk to server.base_url
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from bridge_mcp.core.tools import JSON
from tests.servers.model_apis.answers import Answer, saying
from tests.servers.model_apis.anthropic_format import as_events, as_message, message_problems, sent
from tests.servers.model_apis.openai_server import OpenAIServer, ReceivedRequest

__all__ = ["AnthropicServer", "failing_event", "refusing"]

KINDS = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}


def refusing(status: int, message: str, *, kind: str = "", headers: Mapping[str, str] | None = None) -> Answer:
    """An error as Anthropic gives it. `kind` is the error's `type`; by default what fits the status."""
    return Answer(error(kind or KINDS.get(status, "invalid_request_error"), message), status, headers or {})


def failing_event(kind: str, message: str) -> str:
    """An error in the middle of a stream."""
    return sent(error(kind, message))


def error(kind: str, message: str) -> dict[str, JSON]:
    return {"type": "error", "error": {"type": kind, "message": message}}


class AnthropicServer(OpenAIServer):
    """The server, on a thread of its own while it is entered. See `OpenAIServer` for what it takes."""

    path = "/messages"

    def __init__(self, *, keys: frozenset[str] | set[str] | None = None, port: int = 0) -> None:
        super().__init__(keys=keys, port=port, respond=echo)

    @property
    def base_url(self) -> str:
        """What clients of Anthropic add `/v1/messages` to."""
        return self.url.removesuffix("/v1")

    def _problems(self, body: Mapping[str, Any], headers: Mapping[str, str]) -> tuple[str, ...]:
        missing = () if "anthropic-version" in headers else ("anthropic-version: header is required",)
        return (*missing, *message_problems(body))

    def _refusal(self, request: ReceivedRequest) -> Answer | None:
        if self._keys is not None and request.key not in self._keys:
            return refusing(401, "invalid x-api-key")
        return refusing(400, "; ".join(request.problems)) if request.problems else None

    def _in_chunks(self, completion: Mapping[str, JSON], request: Mapping[str, Any]) -> Sequence[JSON]:
        return list(as_events(as_message(completion)))

    def _whole(self, completion: dict[str, JSON]) -> JSON:
        return as_message(completion)


def echo(request: ReceivedRequest) -> Answer:
    """A message that repeats the last user text."""
    said = ""
    for message in request.body["messages"]:
        if message["role"] == "user" and isinstance(message["content"], str):
            said = message["content"]
        elif message["role"] == "user":
            for block in cast("list[dict[str, JSON]]", message["content"]):
                said = str(block.get("text") or said)
    return saying(f"You said: {said}")
