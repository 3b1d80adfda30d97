"""The installed command in a folder of its own, spoken to over its pipes with the words of MCP's handshake era.

Without an MCP library, so that whatever a library makes of an answer cannot hide it.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Any, cast

__all__ = ["PipedBridge"]

COMMAND = str(Path(sys.executable).with_name("bridge-mcp"))
INHERITED = ("PATH", "LANG")
ANSWER_S = 60.0
END_S = 10.0


class PipedBridge:
    """One `bridge-mcp` with its config and its state in `folder`.

    Args:
        folder: where its home, config, state and standard error are kept.
        config: the text of `bridge.toml`.
        secrets: environment variables that the config names.
    """

    def __init__(self, folder: Path, config: str, secrets: dict[str, str]) -> None:
        self.folder, self.state = folder, folder / "state"
        self.errors = folder / "stderr.log"
        self._secrets = secrets
        self._number = 0
        self._answers: dict[int, dict[str, Any]] = {}
        self._got = threading.Condition()
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        (folder / "home").mkdir()
        (folder / "bridge.toml").write_text(config, "utf-8")

    def start(self) -> None:
        """Start it and shake hands."""
        own = {
            "HOME": str(self.folder / "home"),
            "BRIDGE_MCP_CONFIG": str(self.folder / "bridge.toml"),
            "BRIDGE_MCP_STATE_DIR": str(self.state),
        }
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        with self.errors.open("ab") as errors:
            self._process = subprocess.Popen(
                [COMMAND, "--scopes", "read,send,approve,tools,admin"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
                env=inherited | own | self._secrets, cwd=self.folder,
            )  # fmt: skip
        assert self._process.stdout is not None
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()
        hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "player", "version": "1"}}
        self._request("initialize", hello)
        self._send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def breathe(self) -> None:
        """Nothing: it is a process of its own, which no thread of this one holds up."""

    def stop(self) -> None:
        """Close its input and wait until it ends."""
        process, self._process = self._process, None
        if process is None or process.stdin is None:
            return
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._reader is not None and process.stdout is not None:
            self._reader.join(END_S)
            process.stdout.close()

    def call(self, tool: str, /, **arguments: Any) -> dict[str, Any]:
        """What a tool answers: its structured result, else its text; an error under `ERROR`."""
        answer = self._request("tools/call", {"name": tool, "arguments": arguments})
        if "error" in answer:
            return {"ERROR": answer["error"]}
        result = cast("dict[str, Any]", answer["result"])
        blocks = cast("list[dict[str, Any]]", result.get("content") or [])
        text = "".join(str(block.get("text", "")) for block in blocks)
        if result.get("isError"):
            return {"ERROR": text}
        structured = result.get("structuredContent")
        return structured or {"text": text, "blocks": [block.get("type") for block in blocks]}

    def _request(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        self._number += 1
        number = self._number
        self._send({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        with self._got:
            if not self._got.wait_for(lambda: number in self._answers, ANSWER_S):
                raise TimeoutError(f"{method} was not answered within {ANSWER_S:g} s; see {self.errors}")
            return self._answers.pop(number)

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process is not None, "it is not started"
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        self._process.stdin.flush()

    def _read(self, output: IO[bytes]) -> None:
        for line in output:
            message: Any = json.loads(line)
            with self._got:
                if "id" in message and ("result" in message or "error" in message):
                    self._answers[message["id"]] = message
                self._got.notify_all()
