"""The server's own process: started by the gate with the host's environment and folder, spoken to by lines.

What it says on standard error goes where the gate's own goes. It ends with the gate: its input closes, then it is asked
to, then it is made to.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress

import anyio

from bridge_mcp.core.errors import BadInput
from bridge_mcp.core.line_buffer import LineBuffer, LongLine
from bridge_mcp.toolservers.message_size import MAX_MESSAGE
from bridge_mcp.toolservers.orphan_reaper import LEAVE_S, TERMINATE_S, Warden, signal_group

__all__ = ["ServerProcess", "started"]

logger = logging.getLogger(__name__)

CHUNK = 65_536


class ServerProcess:
    """A running server. Made by `started`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._stdin, self._stdout = process.stdin, process.stdout
        self._lines = LineBuffer(MAX_MESSAGE)
        self.own_code: int | None = None
        """The exit code with which it ended by itself, as shells tell it; None while it runs, and where it was made to
        end."""

    @property
    def group(self) -> int:
        """The process group that it leads, where there are such."""
        return self._process.pid

    async def write(self, line: bytes) -> None:
        """Write a line to it.

        Raises:
            ConnectionError: it does not listen any more.
        """
        self._stdin.write(line)
        await self._stdin.drain()

    async def read(self) -> list[bytes | LongLine]:
        """The next lines that it says; none at its end."""
        while data := await self._stdout.read(CHUNK):
            if lines := self._lines.feed(data):
                return lines
        return []

    def close_input(self) -> None:
        """Close its input: nothing more will be written to it."""
        with suppress(OSError):
            self._stdin.close()

    async def stop(self) -> None:
        """End it."""
        self.close_input()
        signalled = False
        for number in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
            with anyio.move_on_after(LEAVE_S if number == signal.SIGTERM else TERMINATE_S):
                await self._process.wait()
            if self._process.returncode is not None:
                break
            self._signal(number)
            signalled = True
        code = await self._process.wait()
        self.own_code = None if signalled else shell_code(code)
        if sys.platform != "win32":
            signal_group(self.group, signal.SIGKILL)  # what a launcher left behind

    def _signal(self, number: int) -> None:
        if sys.platform == "win32":
            self._process.terminate()
        else:
            signal_group(self.group, number)


def shell_code(code: int) -> int:
    """An exit code as shells tell it: of a process that a signal ended, 128 and the signal's number."""
    return code if code >= 0 else 128 - code


@asynccontextmanager
async def started(command: Sequence[str]) -> AsyncGenerator[ServerProcess]:
    """Start a server with this process's environment and folder; it has ended when this context has.

    Raises:
        BadInput: the command cannot be started.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=sys.platform != "win32",
        )
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else exc
        raise BadInput(f"The server behind the gate cannot be started: {reason}.", fix="Check its command.") from None
    server, warden = ServerProcess(process), Warden()
    try:
        if sys.platform != "win32":
            watch(warden, server.group)
        yield server
    finally:
        with anyio.CancelScope(shield=True):
            await server.stop()
            await anyio.to_thread.run_sync(warden.close)


def watch(warden: Warden, group: int) -> None:
    """Have the server end though this process is killed."""
    try:
        warden.watch(group)
    except OSError as exc:
        logger.warning("no warden, so the server may outlive a killed gate: %s", exc)
