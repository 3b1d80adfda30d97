"""The tools of `bridge_mcp.demo_files_server` by the standard library alone: a test starts them in a moment.

python files_server.py FOLDER [--count FILE]
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

PATH = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
READS = {"readOnlyHint": True, "openWorldHint": False}
DELETES = {"readOnlyHint": False, "destructiveHint": True, "idempotentHint": False, "openWorldHint": False}
TOOLS: list[dict[str, Any]] = [
    {
        "name": "list_files",
        "description": "The files in the folder and below it: one a line, with the size in bytes.",
        "inputSchema": {"type": "object", "properties": {}},
        "annotations": READS,
    },
    {
        "name": "read_file",
        "description": "The text of a file. `path` is relative to the folder.",
        "inputSchema": PATH,
        "annotations": READS,
    },
    {
        "name": "delete_file",
        "description": "Delete a file for good. `path` is relative to the folder.",
        "inputSchema": PATH,
        "annotations": DELETES,
    },
]


class Files:
    """The files of a folder, and the file in which every effect is a line."""

    def __init__(self, folder: Path, effects: Path | None) -> None:
        self._folder = folder.resolve(strict=True)
        self._effects = effects

    def call(self, tool: str, path: str = "") -> tuple[str, bool]:
        """What a tool says, and whether that is an error."""
        if tool == "list_files":
            files = sorted(each for each in self._folder.rglob("*") if each.is_file())
            lines = [f"{each.relative_to(self._folder).as_posix()} ({each.stat().st_size} bytes)" for each in files]
            return "\n".join(lines) or "The folder is empty.", False
        found = self._folder / path
        if not found.resolve().is_relative_to(self._folder):
            return f"'{path}' leads out of the folder. Take a path that list_files shows.", True
        if not found.is_file():
            return f"There is no file '{path}'. list_files shows what there is.", True
        if tool == "read_file":
            return found.read_text("utf-8"), False
        found.unlink()
        if self._effects is not None:
            with self._effects.open("a", encoding="utf-8") as lines:
                lines.write(f"delete {path}\n")
        return f"Deleted {path}.", False

    def answer(self, method: str, params: dict[str, Any]) -> dict[str, Any] | None:
        """The result of a request; None where there is no such method."""
        match method:
            case "initialize":
                told = {"name": "files", "version": "1"}
                return {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": told}
            case "ping":
                return {}
            case "tools/list":
                return {"tools": TOOLS}
            case "tools/call":
                given: dict[str, Any] = params.get("arguments") or {}
                text, failed = self.call(params["name"], **given)
                return {"content": [{"type": "text", "text": text}], "isError": failed}
            case _:
                return None


def main() -> None:
    """Until the input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=Path)
    asked = parser.parse_args()
    files = Files(asked.folder, asked.count)
    for line in sys.stdin.buffer:
        message = json.loads(line)
        if "id" in message and "method" in message:
            result = files.answer(message["method"], message.get("params") or {})
            told = {"error": {"code": -32601, "message": "no such method"}} if result is None else {"result": result}
            sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": message["id"], **told}) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
