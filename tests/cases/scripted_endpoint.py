"""A chat completions endpoint on loopback that answers as a file says, and tells what it was asked.

A script is a list of answers in order: a text, or an object with `text`, `calls` ([[tool, arguments], ...]), `wait`
(seconds before it), `pace` and `chunks` (a stream in so many pieces, with so many seconds between), or `status` and
`body` for a refusal. Where the script has ended, request N is answered with "answer N".
"""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
import time
from collections.abc import Callable
from typing import Any, TypeAlias, cast

from tests.cases.transcripts import Transcript, short

__all__ = ["RULES", "ScriptedEndpoint"]

Object: TypeAlias = dict[str, Any]
LAST_SHOWN = 8
"""Messages of a request that a transcript shows."""


def refused(message: str, **more: object) -> Object:
    return {"status": 400, "body": {"error": {"message": message, "type": "invalid_request_error", **more}}}


def no_webp(body: Object) -> Object | None:
    """A model that reads no WebP."""
    return refused("failed to decode image", code=400) if "data:image/webp" in json.dumps(body) else None


def no_large(body: Object) -> Object | None:
    """A model that takes no image at all, with the words of one that minds their size."""
    words = "At least one of the image dimensions exceed max allowed size: 8000 pixels"
    where = "messages.0.content.1.image.source.base64.data"
    return refused(f"{where}: {words}") if "data:image/" in json.dumps(body) else None


RULES: dict[str, Callable[[Object], Object | None]] = {"no-webp": no_webp, "no-large": no_large}


class ScriptedEndpoint:
    """The endpoint; `url` is what a `base_url` is set to.

    Args:
        tell: where requests and refusals are told.
        wait_s: seconds before an answer that says nothing of it.
        rule: what is refused whatever the script says; a name of RULES.
        last_only: tell only the last message of each request.
        show_system: tell the first system prompt.
    """

    def __init__(
        self, tell: Transcript, *, wait_s: float, rule: str = "", last_only: bool = False, show_system: bool = False
    ) -> None:
        self.script: list[Any] = []
        self.requests: list[Object] = []
        self._tell, self._wait_s, self._last_only, self._show_system = tell, wait_s, last_only, show_system
        self._rule = RULES[rule] if rule else None
        self._lock = threading.Lock()
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: Any) -> None:
                """The transcript tells it."""

            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                with contextlib.suppress(ConnectionError):  # whoever asked was stopped meanwhile
                    endpoint.answer(self, json.loads(self.rfile.read(length)))

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, handler: http.server.BaseHTTPRequestHandler, body: Object) -> None:
        """Answer one request."""
        with self._lock:
            self.requests.append(body)
            number = len(self.requests)
            self._tell(f"MODEL <- request {number}: {self._told(body)}")
            step: Any = self.script.pop(0) if self.script else f"answer {number}"
        if self._rule is not None and (refusal := self._rule(body)):
            step = refusal
        answer = cast("Object", {"text": step} if isinstance(step, str) else step)
        time.sleep(answer.get("wait", self._wait_s))
        if "status" in answer:
            self._tell(f"MODEL -> {number}: HTTP {answer['status']} {short(answer['body'], 200)}")
            whole(handler, json.dumps(answer["body"]).encode(), status=answer["status"])
        elif not body.get("stream"):
            whole(handler, json.dumps(completion(number, answer)).encode())
        elif "pace" in answer:
            slowly(handler, number, answer)
        else:
            whole(handler, b"".join(events(number, [message_of(number, answer)], answer)), kind="text/event-stream")

    def _told(self, body: Object) -> str:
        lines: list[str] = []
        messages: list[Object] = body["messages"]
        for message in messages[-1:] if self._last_only else messages:
            if message["role"] == "system":
                if not self._show_system:
                    continue
                self._show_system = False
            calls = message.get("tool_calls")
            called = f" calls={[call['function']['name'] for call in calls]}" if calls else ""
            lines.append(f"\n      {message['role']}: {short(content_of(message), 700)!r}{called}")
        return f"{len(messages)} messages, {len(json.dumps(body))} bytes{''.join(lines[-LAST_SHOWN:])}"


def content_of(message: Object) -> str:
    """The content of a message in one text; parts are divided by two bars."""
    content = message.get("content")
    if isinstance(content, list):
        return " || ".join(part.get("text") or short(part, 120) for part in cast("list[Object]", content))
    return content or ""


def message_of(number: int, answer: Object) -> Object:
    """The assistant's message that an answer is."""
    message: Object = {"role": "assistant", "content": answer.get("text")}
    if answer.get("calls"):
        message["tool_calls"] = [
            {
                "id": f"call_{number}_{index}",
                "index": index,
                "type": "function",
                "function": {"name": name, "arguments": json.dumps(arguments)},
            }
            for index, (name, arguments) in enumerate(answer["calls"])
        ]
    return message


def completion(number: int, answer: Object) -> Object:
    """A whole answer."""
    choice = {"index": 0, "message": message_of(number, answer), "finish_reason": finish_of(answer)}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    return head(number, "chat.completion") | {"choices": [choice], "usage": usage}


def finish_of(answer: Object) -> str:
    return "tool_calls" if answer.get("calls") else "stop"


def head(number: int, kind: str) -> Object:
    return {"id": f"c{number}", "object": kind, "created": 1, "model": "m"}


def events(number: int, deltas: list[Object], answer: Object) -> list[bytes]:
    """The events of a stream: these deltas, and how it ended."""
    choices: list[Object] = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": finish_of(answer)})
    chunks = [head(number, "chat.completion.chunk") | {"choices": [choice]} for choice in choices]
    return [*(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks), b"data: [DONE]\n\n"]


def slowly(handler: http.server.BaseHTTPRequestHandler, number: int, answer: Object) -> None:
    """A stream with a pause behind each piece of its text."""
    handler.send_response(200)
    handler.send_header("Content-Type", "text/event-stream")
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.close_connection = True
    text, count = answer["text"], answer.get("chunks", 10)
    size = -(-len(text) // count)
    pieces: list[Object] = [{"content": text[at : at + size]} for at in range(0, size * count, size)]
    for event in events(number, pieces, answer):
        handler.wfile.write(event)
        handler.wfile.flush()
        time.sleep(answer["pace"])


def whole(
    handler: http.server.BaseHTTPRequestHandler, data: bytes, *, status: int = 200, kind: str = "application/json"
) -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)
