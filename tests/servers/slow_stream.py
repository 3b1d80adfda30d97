"""An endpoint of OpenAI's chat format on loopback whose streams go on when a test says so, and that notes hang-ups."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

__all__ = ["SlowStream", "slow_stream"]

WAIT_S = 30.0


class SlowStream:
    """The words of one answer, each given once it is let go."""

    def __init__(self, *words: str) -> None:
        self.words = words
        self.address = ""
        self.hung_up = threading.Event()
        """Set once a client has left before the end."""
        self._let = threading.Semaphore(0)

    def let(self, count: int = 1) -> None:
        """Give so many more words."""
        self._let.release(count)

    def take(self) -> None:
        """Wait for leave to give the next one."""
        assert self._let.acquire(timeout=WAIT_S), "the test never let the stream go on"


@contextmanager
def slow_stream(*words: str) -> Generator[SlowStream]:
    stream = SlowStream(*words)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            assert asked.get("stream"), "the reply was to be streamed: somebody reads it"
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.end_headers()
            try:
                for word in stream.words:
                    stream.take()
                    self.event({"choices": [{"index": 0, "delta": {"role": "assistant", "content": word}}]})
                self.event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
                self.wfile.write(b"data: [DONE]\n\n")
            except OSError:
                stream.hung_up.set()

        def event(self, body: dict[str, object]) -> None:
            whole = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "slow", **body}
            self.wfile.write(f"data: {json.dumps(whole)}\n\n".encode())
            self.wfile.flush()

        def log_message(self, format: str, *args: object) -> None:
            """Prints nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        stream.address = f"http://127.0.0.1:{server.server_port}/v1"
        try:
            yield stream
        finally:
            stream.let(len(words) + 1)
            server.shutdown()
