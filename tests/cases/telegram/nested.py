"""A nested tool server for cases: `python nested.py EFFECTS` writes a line there for each call that ran.

Without any library, so that it is there at once.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, TypeAlias

Object: TypeAlias = dict[str, Any]

EFFECTS = Path(sys.argv[1])
TEXT = {"type": "string"}


def schema(*names: str) -> Object:
    return {"type": "object", "properties": dict.fromkeys(names, TEXT), "required": list(names)}


TOOLS = [
    {"name": "write", "description": "Write a file.", "inputSchema": schema("path", "text")},
    {
        "name": "read",
        "description": "Read a file.",
        "inputSchema": schema("path"),
        "annotations": {"readOnlyHint": True},
    },
]


def called(name: str, arguments: Object) -> Object:
    """Do what a call says; its result."""
    with EFFECTS.open("a", encoding="utf-8") as file:
        file.write(f"{name} {arguments['path']}\n")
    told = f"what is in {arguments['path']}"
    if name == "write":
        told = f"wrote {len(arguments['text'])} characters to {arguments['path']}"
    return {"content": [{"type": "text", "text": told}]}


def answered(method: str, params: Object) -> Object | None:
    """The result of a request; None where there is no such method."""
    match method:
        case "initialize":
            about = {"name": "files", "version": "1"}
            return {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": about}
        case "tools/list":
            return {"tools": TOOLS}
        case "tools/call":
            return called(params["name"], params["arguments"])
        case "ping":
            return {}
        case _:
            return None


def main() -> None:
    """Serve until the input ends."""
    for line in sys.stdin:
        message: Object = json.loads(line)
        if "id" not in message:
            continue
        result = answered(message["method"], message.get("params") or {})
        error = {"code": -32601, "message": "There is no such method."}
        body: Object = {"error": error} if result is None else {"result": result}
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": message["id"], **body}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
