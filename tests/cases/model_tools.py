"""A nested MCP server on standard input and output for the player of model files; speaks the protocol without an SDK.

`python model_tools.py TOOLS.json` offers the tools of that file, a JSON list as `tools/list` answers it. Each call
answers with its name and its arguments.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

FILE_TOOLS: list[dict[str, Any]] = [
    {
        "name": "read",
        "description": "Read a file",
        "inputSchema": {
            "type": "object",
            "properties": {
                "path": {"type": "string"},
                "depth": {"type": "integer"},
                "deep": {"type": "boolean"},
            },
        },
        "annotations": {"readOnlyHint": True},
    },
    {
        "name": "list",
        "description": "List a folder",
        "inputSchema": {"type": "object", "properties": {"path": {"type": "string"}}},
        "annotations": {"readOnlyHint": True},
    },
    {
        "name": "write",
        "description": "Write a file",
        "inputSchema": {
            "type": "object",
            "properties": {"path": {"type": "string"}, "text": {"type": "string"}},
        },
        "annotations": {"readOnlyHint": False},
    },
]
"""What a file that names no tools of its own is played with: `files__read`, `files__list` and `files__write`."""


def answer(method: str, params: dict[str, Any], tools: list[Any]) -> dict[str, Any] | None:
    """The result of a request; None for a method that is not known."""
    if method == "initialize":
        return {
            "protocolVersion": params.get("protocolVersion", "2025-06-18"),
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "files", "version": "1"},
        }
    if method == "tools/list":
        return {"tools": tools}
    if method == "tools/call":
        told = f"{params.get('name')} ran with {json.dumps(params.get('arguments'), sort_keys=True)}"
        return {"content": [{"type": "text", "text": told}]}
    return {} if method == "ping" else None


def main() -> None:
    """Serve until standard input ends."""
    tools: list[Any] = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    for line in sys.stdin:
        message = json.loads(line)
        if "id" not in message or "method" not in message:
            continue
        result = answer(message["method"], message.get("params") or {}, tools)
        told = {"result": result} if result is not None else {"error": {"code": -32601, "message": "Method not found"}}
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": message["id"], **told}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
