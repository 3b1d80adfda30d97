"""The process for checks that may take for ever: one after the other, each with limits that end the process.

It starts with the first such check and ends with its stdin. Knows neither tools nor servers.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from contextlib import suppress

import anyio
import anyio.to_thread

from bridge_mcp.core.errors import BadJSON
from bridge_mcp.core.json_reader import read_json

__all__ = ["SchemaProcess", "Unchecked"]

WAIT_S = 5.0
"""The time-out of one check on a busy machine; the process ends itself after half a second of CPU time."""
QUEUE_S = 10.0
"""How long one check waits for others."""
MODULE = "bridge_mcp.toolservers.schema_main"


class Unchecked(Exception):
    """The check could not be made; the text says why.

    `again`: a retry may succeed, with other arguments or later; `died`: the process ended.
    """

    def __init__(self, reason: str, *, again: bool = False, died: bool = False) -> None:
        super().__init__(reason)
        self.again = again
        self.died = died


class SchemaProcess:
    """At most one process. Its methods belong to one event loop."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._one_by_one: anyio.Lock | None = None

    async def complaint(self, schema: str, arguments: str) -> str:
        """The error of arguments by a schema, both as JSON text; "" for none.

        Raises:
            Unchecked: the check could not be made.
        """
        line = json.dumps({"schema": schema, "arguments": arguments}).encode() + b"\n"
        if self._one_by_one is None:
            self._one_by_one = anyio.Lock()
        answer = None
        with anyio.move_on_after(QUEUE_S):
            async with self._one_by_one:
                # Shielded: the answer of a cancelled check would be taken for that of the next.
                with anyio.CancelScope(shield=True):
                    answer = await anyio.to_thread.run_sync(self._ask, line)
        if answer is None:
            raise Unchecked("other checks took too long", again=True)
        return complaint_in(answer)

    async def close(self) -> None:
        """End the process. A later check starts another."""
        child, self._child = self._child, None
        if child is not None:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(end, child)

    def _ask(self, line: bytes) -> bytes:
        """Send one check; returns the answer, or b"" if the process ended. On a worker thread."""
        child = self._child
        if child is None or child.poll() is not None:
            child = self._child = start()
        assert child.stdin is not None
        assert child.stdout is not None
        patience = threading.Timer(WAIT_S, child.kill)
        patience.start()
        try:
            child.stdin.write(line)
            child.stdin.flush()
            answer = child.stdout.readline()
        except OSError:
            answer = b""
        finally:
            patience.cancel()
        if not answer:
            self._child = None
            end(child)
        return answer


def start() -> subprocess.Popen[bytes]:
    """Start a process with nothing of our environment but the path of Python's packages, without the working folder."""
    keep = ("PATH", "PYTHONPATH", "PYTHONHOME", "SYSTEMROOT", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
    env = {name: os.environ[name] for name in keep if name in os.environ}
    return subprocess.Popen(
        [sys.executable, "-P", "-m", MODULE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=env,
        start_new_session=True,
    )


def end(child: subprocess.Popen[bytes]) -> None:
    """End a process and its pipes."""
    child.kill()
    child.wait()
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            with suppress(OSError):  # bytes that a dead process did not read
                pipe.close()


def complaint_in(answer: bytes) -> str:
    """The complaint in an answer.

    Raises:
        Unchecked: the answer holds none.
    """
    if not answer:
        raise Unchecked("the check took too long or too much memory", again=True, died=True)
    try:
        reply = read_json(answer)
    except BadJSON as exc:
        raise Unchecked(f"the check failed: {exc}", again=True) from None
    if not isinstance(reply, dict) or not isinstance(reply.get("complaint"), str):
        raise Unchecked(str(reply.get("unusable") if isinstance(reply, dict) else "") or "the check failed")
    return str(reply["complaint"])
