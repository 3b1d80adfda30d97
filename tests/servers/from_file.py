"""A stdio server whose tools stand in a file, read anew at each listing: `python -m tests.servers.from_file FILE`.

The file is a JSON list of tools as `tools/list` gives them. Each answers with its name and its arguments. Every listing
adds a line to FILE.listed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    """Serve until the input ends."""
    for line in sys.stdin:
        message: dict[str, Any] = json.loads(line)
        if "id" not in message:
            continue
        params: dict[str, Any] = message.get("params") or {}
        match message["method"]:
            case "initialize":
                info = {"name": "from-file", "version": "1"}
                body: object = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": info}
            case "tools/list":
                body = {"tools": json.loads(Path(sys.argv[1]).read_text("utf-8"))}
                with Path(f"{sys.argv[1]}.listed").open("a", encoding="utf-8") as listed:
                    listed.write("listed\n")
            case "tools/call":
                said = f"{params['name']} {json.dumps(params.get('arguments'), sort_keys=True)}"
                body = {"content": [{"type": "text", "text": said}]}
            case _:
                body = None
        error = {"code": -32601, "message": "Method not found"}
        answer = {"error": error} if body is None else {"result": body}
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": message["id"], **answer}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
