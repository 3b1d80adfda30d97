"""A server whose tools answer what a file says, as it stands there: `python -m tests.servers.replies FILE`.

The file is a JSON object, from a tool's name to the `result` of its calls. It speaks stdio, or with `--http PORT`
Streamable HTTP of the older era (`--stream` answers as event streams, `--sse` is a server of the oldest kind).
"""

from __future__ import annotations

import json
import sys
from http.server import ThreadingHTTPServer
from pathlib import Path

from tests.servers import wild_web
from tests.servers.wild_web import EMPTY, Message

RESULTS: dict[str, object] = json.loads(Path(sys.argv[1]).read_text("utf-8"))
READ_ONLY = {"readOnlyHint": True}


def answer(message: Message) -> Message | None:
    """The answer to a message; None for nothing."""
    result: object
    match message:
        case {"method": "initialize", "id": number}:
            info = {"name": "replies", "version": "1"}
            result = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": info}
        case {"method": "tools/list", "id": number}:
            result = {"tools": [{"name": name, "inputSchema": EMPTY, "annotations": READ_ONLY} for name in RESULTS]}
        case {"method": "tools/call", "id": number, "params": {"name": name}}:
            result = RESULTS[name]
        case {"id": number, "method": method}:
            return {"jsonrpc": "2.0", "id": number, "error": {"code": -32601, "message": f"no {method}"}}
        case _:
            return None
    return {"jsonrpc": "2.0", "id": number, "result": result}


class Handler(wild_web.Handler):
    """Answers one connection's requests."""

    def answer(self, message: Message) -> Message | None:
        """The answer to a message; None for nothing."""
        return answer(message)


def main() -> None:
    """Serve over stdio, or on loopback with the port told on stdout."""
    if "--http" in sys.argv:
        server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--http") + 1])), Handler)
        server.daemon_threads = True
        sys.stdout.write(f"{server.server_port}\n")
        sys.stdout.flush()
        server.serve_forever()
    for line in sys.stdin:
        said = answer(json.loads(line))
        if said is not None:
            sys.stdout.write(json.dumps(said) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
