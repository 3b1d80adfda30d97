"""A host that writes JSON-RPC lines itself and keeps each line that it hears, as the bytes it came as."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

__all__ = ["Heard", "Line", "Step", "WireHost", "play"]

WAIT_S = 30.0
LEAVE_S = 2.0
"""How long a server may take to leave by itself."""
LIMIT = 2**24
"""Bytes of one line."""

Line: TypeAlias = "dict[str, Any]"
Step: TypeAlias = "Line | Callable[[list[Line]], Line]"
"""A message; or what makes it, from all that was heard so far. A request's response is waited for."""
Heard: TypeAlias = "dict[str, list[bytes]]"
"""The lines of the server: the responses in order under "", its requests and notifications in order under their method.

Between two methods there is no order to be relied on: a server tells some things when it comes to it.
"""


class WireHost:
    """One session with a server. `answers` holds the results that it gives when the server asks."""

    def __init__(self, process: asyncio.subprocess.Process, answers: Mapping[str, Any]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._stdin, self._stdout = process.stdin, process.stdout
        self._answers = answers
        self.lines: list[Line] = []
        self.heard: Heard = defaultdict(list)

    async def say(self, message: Line) -> None:
        """Write a message; a request is waited for, one that is to be taken back until its first progress."""
        taken_back = bool(message.pop("taken back", False))
        self._write(message)
        if "id" not in message or "method" not in message:
            return
        while True:
            heard = await self._next()
            if taken_back and heard.get("method") == "notifications/progress":
                return self._write(
                    {"method": "notifications/cancelled", "params": {"requestId": message["id"], "reason": "enough"}}
                )
            if heard.get("id") == message["id"] and "method" not in heard:
                return None

    def _write(self, message: Line) -> None:
        self._stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    async def _next(self) -> Line:
        """The next line; a request of the server is answered at once."""
        async with asyncio.timeout(WAIT_S):
            line = await self._stdout.readline()
        message: Line = json.loads(line)
        self.lines.append(message)
        self.heard[message.get("method", "")].append(line)
        if "method" in message and "id" in message:
            self._write({"id": message["id"], "result": self._answers[message["method"]]})
        return message


async def play(
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    steps: Sequence[Step],
    answers: Mapping[str, Any] | None = None,
) -> Heard:
    """What a host hears of a server that it starts, says these things to, and leaves."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=dict(environment),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LIMIT,
    )
    try:
        host = WireHost(process, answers or {})
        for step in steps:
            await host.say(dict(step(host.lines) if callable(step) else step))
        assert process.stdin is not None
        process.stdin.close()
        with suppress(TimeoutError):  # some stay as long as what they were doing takes
            async with asyncio.timeout(LEAVE_S):
                await process.wait()
        return dict(host.heard)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
