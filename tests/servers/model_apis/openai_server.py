"""A server on loopback that speaks OpenAI's chat completions, for tests and for trying things out without a key.

Written from OpenAI's public API reference. It checks every request as strictly as `chat_format` does, and answers 400
where a careful provider would. What it says is scripted (`answers`); without a script it echoes. It streams on request.

In a program, on a thread of its own:

    with OpenAIServer(keys={"sk-test"}) as server:
        server.answer(calling(("files__list", {})), failing(429, "Slow down.", headers={"retry-after": "2"}))
        ...                                   # talk to server.url
        assert server.requests[0].key == "sk-test"

As a process (prints one JSON line with its url, serves until it is ended; `GET /requests` tells what came in):

    python -m tests.servers.model_apis.openai_server --port 0 --key sk-test --model gpt-test --answers answers.json

where the file holds a list of `Answer`s as JSON objects, e.g. `[{"status": 200, "body": {...}}, {"ending": "cut"}]`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import sys
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence, Set
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias, cast
from urllib.parse import urlsplit

import uvicorn
from msgspec.structs import replace

from bridge_mcp.core.tools import JSON
from tests.servers.model_apis.answers import Answer, failing, saying
from tests.servers.model_apis.chat_format import chat_problems
from tests.servers.model_apis.streams import DONE, cut_into_chunks, event

__all__ = ["OpenAIServer", "ReceivedRequest"]

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """One request as it came in. `headers` have lower-case names; `problems` is what `chat_problems` found."""

    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    problems: tuple[str, ...] = ()
    tokens: int = 0
    """As the server counts them, where it does."""

    @property
    def key(self) -> str:
        """The key it was sent with; empty for none."""
        return self.headers.get("x-api-key") or self.headers.get("authorization", "").removeprefix("Bearer ")


class OpenAIServer:
    """The server, on a thread of its own while it is entered.

    Args:
        keys: the keys it takes; None: any, or none at all.
        models: the models it knows; None: any.
        port: 0 for one that is free.
        respond: what it says when no scripted answer is left; by default it echoes the last user text.
        certificate: the files of a certificate and of its key; with them it speaks https.
        tokens_of: counts the tokens of a request's body; without it, they are what each answer says.
        window: how many of them it takes; a request of more is refused as OpenAI does. Only with `tokens_of`.
        stricter: what it wants as only some providers do; see `chat_format.STRICTER`.
        wraps_errors: whether its refusals stand in a list, as those of Gemini's endpoint do.
    """

    def __init__(
        self,
        *,
        keys: frozenset[str] | set[str] | None = None,
        models: frozenset[str] | set[str] | None = None,
        port: int = 0,
        respond: Callable[[ReceivedRequest], Answer] | None = None,
        certificate: tuple[Path, Path] | None = None,
        tokens_of: Callable[[Mapping[str, Any]], int] | None = None,
        window: int | None = None,
        stricter: Set[str] = frozenset(),
        wraps_errors: bool = False,
    ) -> None:
        self.requests: list[ReceivedRequest] = []
        self.hung_up = 0
        """How many clients went away while they were kept waiting."""
        self._keys, self._models, self._respond = keys, models, respond or echo
        self._tokens_of, self._window = tokens_of, window
        self._stricter, self._wraps_errors = stricter, wraps_errors
        self._answers: deque[Answer] = deque()
        self._ids = count(1)
        self._changed = threading.Condition()
        self._socket = listening(port)
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            self,
            loop="asyncio",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            date_header=False,
            ssl_certfile=certificate and certificate[0],
            ssl_keyfile=certificate and certificate[1],
        )
        self._scheme = "https" if certificate else "http"
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="openai-server")

    @property
    def url(self) -> str:
        """What belongs into `base_url`."""
        return f"{self._scheme}://127.0.0.1:{self.port}/v1"

    def answer(self, *answers: Answer) -> None:
        """Script the next answers, in order, behind those already waiting."""
        with self._changed:
            self._answers.extend(answers)

    def wait_for(self, *, requests: int = 0, hung_up: int = 0, timeout_s: float = 10.0) -> bool:
        """Block until so many requests came in and so many clients went away; False when time ran out.

        From an event loop: `await anyio.to_thread.run_sync(functools.partial(server.wait_for, requests=1))`.
        """
        with self._changed:
            return self._changed.wait_for(lambda: len(self.requests) >= requests and self.hung_up >= hung_up, timeout_s)

    def __enter__(self) -> Self:
        # The socket listens already: a client that comes before the loop runs waits in its backlog.
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = self._server.force_exit = True
        self._thread.join()
        self._socket.close()

    def serve(self) -> None:
        """Serve on this very thread until the process is told to end."""
        try:
            self._server.run([self._socket])
        finally:
            self._socket.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        raw = await read_body(receive)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        # Whoever takes this for a proxy sends a whole address.
        method, path = str(scope["method"]), urlsplit(str(scope["path"])).path.removeprefix("/v1")
        body: Mapping[str, Any] = {}
        if (method, path) == ("POST", self.path):
            answer, body = self._take(path, headers, raw)
        elif (method, path) == ("GET", "/models"):
            known: list[JSON] = [{"id": name, "object": "model"} for name in sorted(self._models or ())]
            answer = Answer({"object": "list", "data": known})
        elif (method, path) == ("GET", "/requests"):
            answer = Answer([dict(r.body) | {"authorization": r.key} for r in self.requests])
        else:
            answer = failing(404, f"Invalid URL ({method} {path})")
        await self._give(answer, receive, send, body)

    def _take(self, path: str, headers: Mapping[str, str], raw: bytes) -> tuple[Answer, Mapping[str, Any]]:
        """Record a request; choose its answer, and give it with the request's body."""
        try:
            parsed: object = json.loads(raw)
        except ValueError:
            return failing(400, "We could not parse the JSON body of your request."), {}
        body = cast("dict[str, Any]", parsed) if isinstance(parsed, dict) else {}
        problems = self._problems(body, headers)
        tokens = self._tokens_of(body) if self._tokens_of is not None and not problems else 0
        request = ReceivedRequest(path, headers, body, problems=problems, tokens=tokens)
        return counted(self._choose(request), tokens) if tokens else self._choose(request), body

    def _choose(self, request: ReceivedRequest) -> Answer:
        """What is wrong with a request comes first, then the script."""
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()
            refusal = self._refusal(request)
            if refusal is not None:
                return replace(refusal, body=[refusal.body]) if self._wraps_errors else refusal
            return self._answers.popleft() if self._answers else self._respond(request)

    def _refusal(self, request: ReceivedRequest) -> Answer | None:
        if self._keys is not None and request.key not in self._keys:
            shown = f"{request.key[:5]}***" if request.key else "none"
            return failing(401, f"Incorrect API key provided: {shown}.", code="invalid_api_key")
        if request.problems:
            return failing(400, f"Invalid request: {'; '.join(request.problems)}")
        if self._models is not None and request.body["model"] not in self._models:
            return failing(404, f"The model '{request.body['model']}' does not exist.", code="model_not_found")
        if self._window is not None and request.tokens > self._window:
            told = f"This model's maximum context length is {self._window} tokens. However, your messages resulted in"
            return failing(400, f"{told} {request.tokens} tokens.", code="context_length_exceeded")
        return None

    # -- what a server that speaks another format does in its own way ----------------------------------------------

    path = "/chat/completions"
    """Where requests go, below `/v1`."""

    def _problems(self, body: Mapping[str, Any], headers: Mapping[str, str]) -> tuple[str, ...]:
        """What a careful provider would refuse."""
        return chat_problems(body, self._stricter)

    def _in_chunks(self, completion: Mapping[str, JSON], request: Mapping[str, Any]) -> Sequence[JSON]:
        """A completion as the events of a stream."""
        usage = bool(cast("dict[str, Any]", request.get("stream_options") or {}).get("include_usage"))
        return [*cut_into_chunks(completion, usage=usage), DONE.decode()]

    def _whole(self, completion: dict[str, JSON]) -> JSON:
        """A completion as one answer."""
        return completion

    async def _give(self, answer: Answer, receive: Receive, send: Send, request: Mapping[str, Any]) -> None:
        streams = answer.status == 200 and bool(request.get("stream"))
        if answer.ending in ("silent", "trickle"):
            await keep_waiting(answer.ending == "trickle", streams, receive, send)
            with self._changed:
                self.hung_up += 1
                self._changed.notify_all()
            return
        body = answer.body
        if isinstance(body, dict) and body.get("object") == "chat.completion":
            body = {"id": f"chatcmpl-{next(self._ids)}", "model": request["model"], **body}
            if streams:
                await give_stream(answer, self._in_chunks(body, request), send)
                return
            body = self._whole(body)
        if answer.chunks:
            await give_stream(answer, answer.chunks, send)
            return
        content = body if isinstance(body, str) else json.dumps(body)
        data = content.encode()
        kind = "text/plain" if isinstance(body, str) else "application/json"
        await begin(answer, {"content-type": kind, "content-length": str(len(data))}, send)
        if answer.ending == "cut":
            # Returning with more promised makes uvicorn drop the connection.
            await send({"type": "http.response.body", "body": data[: len(data) // 2], "more_body": True})
        else:
            await send({"type": "http.response.body", "body": data})


async def begin(answer: Answer, headers: Mapping[str, str], send: Send) -> None:
    """The status and the headers of a response."""
    head = {**headers, **answer.headers}
    encoded = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in head.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": encoded})


async def give_stream(answer: Answer, chunks: Sequence[JSON], send: Send) -> None:
    """Server-sent events, one write each; a cut one stops after half of them."""
    await begin(answer, {"content-type": "text/event-stream; charset=utf-8"}, send)
    cut = answer.ending == "cut"
    for chunk in chunks[: len(chunks) // 2] if cut else chunks:
        await send({"type": "http.response.body", "body": event(chunk), "more_body": True})
    if not cut:
        await send({"type": "http.response.body", "body": b""})


def listening(port: int) -> socket.socket:
    """A listening socket on loopback. It says that it is TCP, without which asyncio leaves Nagle's delay on."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("127.0.0.1", port))
    made.listen(128)
    return made


async def keep_waiting(trickle: bool, streams: bool, receive: Receive, send: Send) -> None:
    """Return once the client has gone away; meanwhile send nothing, or what says nothing now and then."""
    gone = asyncio.ensure_future(receive())
    if trickle:
        kind, nothing = ("text/event-stream", b": still there\n\n") if streams else ("application/json", b" ")
        await begin(Answer(), {"content-type": kind}, send)
        while not (await asyncio.wait({gone}, timeout=0.02))[0]:
            await send({"type": "http.response.body", "body": nothing, "more_body": True})
    await gone


async def read_body(receive: Receive) -> bytes:
    """The whole body of a request."""
    parts: list[bytes] = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def counted(answer: Answer, tokens: int) -> Answer:
    """The answer with so many tokens for the request in its usage."""
    if not isinstance(answer.body, dict) or not isinstance(usage := answer.body.get("usage"), dict):
        return answer
    given = usage.get("completion_tokens")
    total = tokens + (given if isinstance(given, int) else 0)
    return replace(answer, body={**answer.body, "usage": {**usage, "prompt_tokens": tokens, "total_tokens": total}})


def echo(request: ReceivedRequest) -> Answer:
    """A completion that repeats the last user text."""
    texts = [message["content"] for message in request.body["messages"] if message["role"] == "user"]
    return saying(f"You said: {texts[-1]}" if texts else "Nobody said anything.")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the server as a process."""
    parser = argparse.ArgumentParser(prog="python -m tests.servers.model_apis.openai_server", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--key", action="append", help="a key it takes; may be given again; without it: any")
    parser.add_argument("--model", action="append", help="a model it knows; may be given again; without it: any")
    parser.add_argument("--answers", type=Path, help="a JSON file with a list of answers")
    given = parser.parse_args(arguments)
    keys = frozenset(cast("list[str]", given.key)) if given.key else None
    models = frozenset(cast("list[str]", given.model)) if given.model else None
    server = OpenAIServer(keys=keys, models=models, port=given.port)
    if given.answers is not None:
        server.answer(*(Answer(**entry) for entry in json.loads(given.answers.read_text("utf-8"))))
    sys.stdout.write(json.dumps({"url": server.url}) + "\n")
    sys.stdout.flush()
    server.serve()


if __name__ == "__main__":
    main()
