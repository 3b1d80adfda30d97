"""A stdio server that tells of a change of its tools whenever it is asked for them; each asking is a line in a file."""

from __future__ import annotations

import json
import sys
from pathlib import Path

NEWS = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}


def main() -> None:
    """Serve. The file is the only argument."""
    for line in sys.stdin:
        message = json.loads(line)
        result: object = None
        match message.get("method"):
            case "initialize":
                info = {"name": "echoing", "version": "1"}
                capabilities = {"tools": {"listChanged": True}}
                result = {"protocolVersion": "2025-06-18", "capabilities": capabilities, "serverInfo": info}
            case "tools/list":
                result = {"tools": [{"name": "go", "inputSchema": {"type": "object"}}]}
                with Path(sys.argv[1]).open("a", encoding="utf-8") as asked:
                    asked.write("asked\n")
            case "tools/call":
                result = {"content": [{"type": "text", "text": "gone"}]}
            case _:
                pass
        if "id" in message:
            error = {"code": -32601, "message": "Method not found"}
            body = {"error": error} if result is None else {"result": result}
            say({"jsonrpc": "2.0", "id": message["id"], **body})
        if message.get("method") == "tools/list":
            say(NEWS)


def say(message: object) -> None:
    """Write one message."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
