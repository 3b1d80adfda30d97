"""The scripted chat completions server of the player of model files.

It answers the entries of a `script` in turn and refuses what the rules named in `strict` refuse; a refusal uses up no
entry. It knows nothing of the bridge.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from tests.cases.model_rules import RULES, refusal_of

__all__ = ["ModelServer", "Received"]

Received = tuple[dict[str, Any], str]
"""A request's body, and why it was refused ("" if it was not)."""

AT_ITS_END = {"text": "(the script is at its end)"}


class ModelServer:
    """The server, on threads of its own while it is entered. `requests` holds what came in."""

    def __init__(self, script: Sequence[Mapping[str, Any]], strict: Sequence[str] = ()) -> None:
        self.requests: list[Received] = []
        self.unknown = [rule for rule in strict if rule not in RULES]
        """Rules that nobody here knows."""
        self._script = list(script)
        self._strict = [rule for rule in strict if rule in RULES]
        self._next = 0
        self._lock = threading.Lock()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"{}")
                with suppress(ConnectionError):
                    owner.take(self, body)

            def do_GET(self) -> None:
                give_json(self, 200, {"object": "list", "data": []})

            def log_message(self, format: str, *args: Any) -> None:
                """Standard error is for what the player says."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def url(self) -> str:
        """What belongs into `base_url`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def take(self, handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        """Record a request, and answer it."""
        with self._lock:
            refusal = refusal_of(body, self._strict)
            self.requests.append((body, refusal[1] if refusal else ""))
            entry: Mapping[str, Any] = {}
            if refusal is None:
                entry = self._script[self._next] if self._next < len(self._script) else AT_ITS_END
                self._next += 1
        if refusal is not None:
            give_json(handler, *refusal_answer(*refusal))
        else:
            give(handler, entry, streams=bool(body.get("stream")))


def refusal_answer(rule: str, words: str) -> tuple[int, Any]:
    """The status and the body of a refusal: Gemini, which wants signatures, wraps its error in a list."""
    error = {"error": {"message": words, "type": "invalid_request_error", "code": 400}}
    return 400, [error] if rule == "signature" else error


def give(handler: BaseHTTPRequestHandler, entry: Mapping[str, Any], *, streams: bool) -> None:
    """Answer with an entry of a script: an error or a body as it is, else a stream or a whole completion."""
    if "status" in entry or "body" in entry or ("error" in entry and "deltas" not in entry):
        body = entry.get("body", {"error": entry["error"]} if "error" in entry else {})
        give_json(handler, int(entry.get("status", 200)), body, entry.get("headers") or {})
    elif streams or "raw_events" in entry:
        give_stream(handler, entry)
    else:
        give_json(handler, 200, completion(entry))


def give_json(handler: BaseHTTPRequestHandler, status: int, body: Any, headers: Mapping[str, str] = {}) -> None:
    data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    handler.send_response(status)
    handler.send_header("content-type", "text/plain" if isinstance(body, str) else "application/json")
    handler.send_header("content-length", str(len(data)))
    for name, value in headers.items():
        handler.send_header(name, str(value))
    handler.end_headers()
    handler.wfile.write(data)


def give_stream(handler: BaseHTTPRequestHandler, entry: Mapping[str, Any]) -> None:
    handler.send_response(200)
    handler.send_header("content-type", "text/event-stream")
    handler.send_header("connection", "close")
    handler.end_headers()
    for event in events(entry):
        handler.wfile.write(event.encode())
        handler.wfile.flush()
        time.sleep(float(entry.get("pace") or 0))
    handler.close_connection = True


def events(entry: Mapping[str, Any]) -> Iterator[str]:
    """The events of a stream as they are sent."""
    if "raw_events" in entry:
        for raw in entry["raw_events"]:
            if not isinstance(raw, str):
                yield f"data: {json.dumps(raw)}\n\n"
            elif raw.startswith(("data:", "event:", ":", "id:", "retry:")) or "\n" in raw:
                yield raw if raw.endswith("\n\n") else f"{raw}\n\n"
            else:
                yield f"data: {raw}\n\n"
        return
    for delta in deltas_of(entry):
        yield event({"index": 0, "delta": delta, "finish_reason": None})
    finish = entry.get("finish", "stop")
    if finish is not None:
        yield event({"index": 0, "delta": {}, "finish_reason": finish})
    if entry.get("usage"):
        yield f"data: {json.dumps({'choices': [], 'usage': entry['usage']})}\n\n"
    if entry.get("done", True):
        yield "data: [DONE]\n\n"


def event(choice: Mapping[str, Any]) -> str:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "played"}
    return f"data: {json.dumps({**head, 'choices': [choice]})}\n\n"


def deltas_of(entry: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What an entry says, as deltas."""
    if "deltas" in entry:
        return list(entry["deltas"])
    if "message" in entry:
        return [entry["message"]]
    return [{"content": entry["text"]}] if "text" in entry else []


def completion(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What an entry says, as one whole completion."""
    message: dict[str, Any] = {"role": "assistant", "content": None}
    for delta in deltas_of(entry):
        for name, value in delta.items():
            join: Callable[[Any, Any], Any] | None = JOINS.get(type(value).__name__)
            if name == "tool_calls":
                join = joined_calls
            kept = message.get(name)
            message[name] = join(kept, value) if join is not None and kept is not None else value
    told = {"index": 0, "message": message, "finish_reason": entry.get("finish", "stop")}
    usage = entry.get("usage") or {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    return {"id": "chatcmpl-1", "object": "chat.completion", "model": "played", "choices": [told], "usage": usage}


JOINS: Mapping[str, Callable[[Any, Any], Any]] = {"str": lambda kept, more: kept + more, "list": lambda a, b: a + b}


def joined_calls(kept: list[dict[str, Any]], more: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The calls so far, and those of one more delta: without a name it goes on with the last call."""
    for call in more:
        function: dict[str, Any] = call.get("function") or {}
        if kept and not function.get("name"):
            last = kept[-1]["function"]
            last["arguments"] = f"{last.get('arguments') or ''}{function.get('arguments') or ''}"
        else:
            kept = [*kept, call]
    return kept
