"""A hand-written HTTP server that does what the SDK does not let a server do: `python -m tests.servers.wild_web WAY`.

Streamable HTTP of the older era at any path, with answers as JSON; `--stream` answers as event streams. With `--sse` it
is a server of the oldest kind. `--restless` ends each event stream at once, and wants it opened again without a pause.
Standard library only.
"""

from __future__ import annotations

import json
import queue
import sys
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias

Message: TypeAlias = "dict[str, Any]"


def nested(levels: int) -> object:
    """A list in a list in a list."""
    value: object = []
    for _ in range(levels):
        value = [value]
    return value


EMPTY: Message = {"type": "object"}
TOOLS: dict[str, list[Message]] = {
    "plain": [{"name": "go", "inputSchema": EMPTY}, {"name": "stay", "inputSchema": EMPTY}],
    "bad-tools": [
        {"name": "go", "inputSchema": EMPTY},
        {"name": "no schema"},
        {"name": "wrong hints", "inputSchema": EMPTY, "annotations": {"readOnlyHint": "maybe"}},
        {"name": "odd schema", "inputSchema": {"properties": {"n": {"type": "integer"}}}},
        {"name": "stay", "inputSchema": EMPTY},
    ],
    "streams": [{"name": "streams", "inputSchema": EMPTY}],
    "odd": [{"name": name, "inputSchema": EMPTY} for name in ("half", "infinite", "deep", "stay")],
}
ODD: dict[str, Message] = {
    "half": {"content": [{"type": "text", "text": "a\ud800b"}]},
    "infinite": {"content": [], "structuredContent": {"n": float("inf")}},
    "deep": {"content": [], "structuredContent": {"a": nested(300)}},
}
CHUNK = b"x" * 1_000_000


class Handler(BaseHTTPRequestHandler):
    """Answers one connection's requests."""

    protocol_version = "HTTP/1.1"
    sse: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    opened = 0
    """How many event streams were asked for."""

    def do_GET(self) -> None:
        """The event stream of the oldest kind; otherwise there is none."""
        if "--restless" in sys.argv:
            Handler.opened += 1
            return self.body(200, b"retry: 0\nid: %d\ndata:\n\n" % self.opened, "text/event-stream")
        if "--sse" not in sys.argv:
            return self.body(405, b"no", "text/plain")
        said = Handler.sse = queue.SimpleQueue()
        self.head(200, "text/event-stream")
        self.write(b"event: endpoint\ndata: /messages\n\n")
        while True:
            self.write(said.get())

    def do_DELETE(self) -> None:
        """A session's end."""
        self.body(200, b"", "text/plain")

    def do_POST(self) -> None:
        """A message."""
        message = json.loads(self.rfile.read(int(self.headers["content-length"])))
        answer = self.answer(message)
        if "--sse" in sys.argv:
            if answer is not None:
                self.sse.put(b"event: message\ndata: " + json.dumps(answer).encode() + b"\n\n")
            elif message.get("method") == "tools/call":
                self.sse.put(b"event: message\ndata: ")
                for _ in range(50):
                    self.sse.put(CHUNK)
            return self.body(202, b"", "text/plain")
        if "id" not in message:
            return self.body(202, b"", "text/plain")
        if answer is None:
            return self.flood()
        if "--stream" in sys.argv:
            return self.body(
                200, b"event: message\ndata: " + json.dumps(answer).encode() + b"\n\n", "text/event-stream"
            )
        self.body(200, json.dumps(answer).encode(), "application/json")

    def answer(self, message: Message) -> Message | None:
        """The answer to a message; None for a flood, or for nothing."""
        match message:
            case {"method": "initialize", "id": number}:
                info = {"name": "wild", "version": "1"}
                result: Message = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": info}
            case {"method": "tools/list", "id": number}:
                result = {"tools": TOOLS.get(sys.argv[1], TOOLS["plain"])}
            case {"method": "tools/call", "id": number, "params": {"name": "streams"}}:
                result = {"content": [{"type": "text", "text": str(self.opened)}]}
            case {"method": "tools/call", "id": number, "params": {"name": name}} if name in ODD:
                result = ODD[name]
            case {"method": "tools/call", "id": number, "params": {"name": name, "arguments": arguments}} if (
                name != "go"
            ):
                result = {"content": [{"type": "text", "text": f"{name} {json.dumps(arguments)}"}]}
            case {"method": "tools/call"}:
                return None
            case {"id": number, "method": method}:
                return {"jsonrpc": "2.0", "id": number, "error": {"code": -32601, "message": f"no {method}"}}
            case _:
                return None
        return {"jsonrpc": "2.0", "id": number, "result": result}

    def flood(self) -> None:
        """Far more than anybody wants, packed or not, as JSON or as one event."""
        self.head(200, "text/event-stream" if "--stream" in sys.argv else "application/json", "--packed" in sys.argv)
        packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
        if "--stream" in sys.argv:
            self.write(b"event: message\ndata: ")
        for _ in range(4_000):
            self.write(packer.compress(CHUNK) + packer.flush(zlib.Z_SYNC_FLUSH) if "--packed" in sys.argv else CHUNK)
        self.close_connection = True

    def head(self, status: int, kind: str, packed: bool = False) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("transfer-encoding", "chunked")
        if packed:
            self.send_header("content-encoding", "gzip")
        self.end_headers()

    def write(self, data: bytes) -> None:
        """One chunk."""
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def body(self, status: int, data: bytes, kind: str) -> None:
        """A whole answer."""
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        if "--restless" in sys.argv:
            self.send_header("mcp-session-id", "one")
        self.end_headers()
        self.wfile.write(data)

    def handle(self) -> None:
        """As the base does; a client that hangs up is nothing to speak of."""
        try:
            super().handle()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


def main() -> None:
    """Serve on loopback, and tell the port on stdout."""
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--http") + 1])), Handler)
    server.daemon_threads = True
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
