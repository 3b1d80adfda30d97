"""A nested server as a child process: a clean environment, raw pipes, the end of its stderr, and a sure end.

POSIX only. The mcp SDK's stdio client starts a process group too, but it passes more of our environment than needed,
leaves a launcher's children alive once the launcher has ended, and tells neither the process id, nor the exit code, nor
whether a request had reached the pipe when it broke. These decide here whether a failed call surely did not run. Knows
nothing of MCP: bytes in, bytes out.
"""

from __future__ import annotations

import logging
import os
import re
import signal
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import anyio
from anyio.abc import Process

from bridge_mcp.core.line_buffer import LineBuffer, LongLine
from bridge_mcp.toolservers.environment import child_environment
from bridge_mcp.toolservers.orphan_reaper import LEAVE_S, POLL_S, TERMINATE_S, Warden, group_alive, signal_group
from bridge_mcp.toolservers.settings import ToolServer

__all__ = ["Child", "PipeBroken", "running"]

logger = logging.getLogger(__name__)

CHUNK = 65536
KEPT_LINES = 50
KEPT_LINE = 500
LAST_LINES = 6
"""Lines of stderr that a message quotes."""
TELLING = re.compile(r"error|exception|fatal|denied|not found|refused|cannot|failed", re.IGNORECASE)
"""Matches lines that tell the cause of an error."""
KILLED_S = 1.0
"""How long the kernel may take to end a killed group."""


class PipeBroken(Exception):
    """The child no longer reads: the message that was being written did not reach it complete."""


class Child:
    """A running server. Made by `running`."""

    def __init__(self, process: Process, stdin: int, stdout: int, stderr: int, server: ToolServer) -> None:
        self.process = process
        self.group = process.pid
        """It leads a group of its own, so both have one number."""
        self.stdin, self.stdout, self.stderr = stdin, stdout, stderr
        self.label = f"tool server '{server.name}'"
        self.scrub = server.scrub
        self.lines: deque[str] = deque(maxlen=KEPT_LINES)
        self.errors = LineBuffer(CHUNK)
        self.spoke = False
        """Whether it has written anything to stdout."""

    async def write(self, data: bytes) -> None:
        """Write all bytes.

        Raises:
            PipeBroken: the child did not get all of them, and never will.
        """
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self.stdin, view) :]
            except BlockingIOError:
                await anyio.wait_writable(self.stdin)
            except OSError as exc:
                raise PipeBroken(str(exc)) from None

    async def read(self) -> bytes:
        """Some bytes of its stdout; b"" at its end."""
        data = await read_some(self.stdout)
        self.spoke = self.spoke or bool(data)
        return data

    async def keep_stderr(self) -> None:
        """Read its stderr to the end: into the debug log, and the last lines for messages."""
        while data := await read_some(self.stderr):
            self.feed_stderr(data)

    def feed_stderr(self, data: bytes) -> None:
        """Add bytes of stderr."""
        for line in self.errors.feed(data):
            if isinstance(line, LongLine):
                self.keep_line(f"{self.scrub(line.head.decode('utf-8', 'replace'))[:KEPT_LINE]}… ({line.size:,} bytes)")
            else:
                self.keep_line(line.decode("utf-8", "replace"))

    def keep_line(self, line: str) -> None:
        """Keep a line that is not part of the protocol, without the secrets that the child was given."""
        if line.strip():
            line = self.scrub(line)
            logger.debug("%s: %s", self.label, line)
            if line.strip():
                self.lines.append(line.strip()[:KEPT_LINE])

    def last_words(self) -> str:
        """Its last lines, joined, from the first one about an error on; "" if there are none.

        At most `LAST_LINES`; if none of them is about an error, the last known line that is, and the last one.
        """
        last = list(self.lines)[-LAST_LINES:]
        about_errors = [place for place, line in enumerate(last) if TELLING.search(line)]
        if about_errors:
            return " | ".join(last[about_errors[0] :])
        earlier = next((line for line in reversed(self.lines) if TELLING.search(line)), "")
        return " | ".join(line for line in (earlier, *last[-1:]) if line)

    @property
    def exit_code(self) -> int | None:
        """The exit code (negative: the signal); None while it runs."""
        return self.process.returncode

    async def stop(self) -> None:
        """End the whole group: stdin closes, then SIGTERM, then SIGKILL. Takes at most four seconds."""
        os.close(self.stdin)
        if not await self.gone(LEAVE_S):
            signal_group(self.group, signal.SIGTERM)
            if not await self.gone(TERMINATE_S):
                signal_group(self.group, signal.SIGKILL)
                if not await self.gone(KILLED_S):
                    logger.warning("%s: process group %d outlives SIGKILL; left behind", self.label, self.group)
        with suppress(BlockingIOError):
            self.feed_stderr(os.read(self.stderr, CHUNK) + b"\n")
        os.close(self.stdout)
        os.close(self.stderr)

    async def gone(self, within_s: float) -> bool:
        """Whether the group is empty within this time."""
        with anyio.move_on_after(within_s):
            while group_alive(self.group) or self.process.returncode is None:  # noqa: ASYNC110 - nothing tells of it
                await anyio.sleep(POLL_S)
            return True
        return False


async def read_some(fd: int) -> bytes:
    """Some bytes of a pipe, waiting for them; b"" at its end."""
    while True:
        try:
            return os.read(fd, CHUNK)
        except BlockingIOError:
            await anyio.wait_readable(fd)


@asynccontextmanager
async def running(server: ToolServer, warden: Warden) -> AsyncGenerator[Child]:
    """Start a server's process; it has ended when this context has.

    Raises:
        OSError: the command, or its working folder, cannot be used.
    """
    child = await spawn(server)
    try:
        warden.watch(child.group)
    except OSError as exc:
        logger.warning("no warden, so nested servers may outlive a killed bridge: %s", exc)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(child.keep_stderr)
            try:
                yield child
            finally:
                tasks.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await child.stop()
        warden.forget(child.group)


async def spawn(server: ToolServer) -> Child:
    """Start the process in a session, and so in a group, of its own."""
    ends = [*os.pipe(), *os.pipe(), *os.pipe()]
    their_in, our_in, our_out, their_out, our_err, their_err = ends
    try:
        process = await anyio.open_process(
            [server.command, *server.args],
            stdin=their_in,
            stdout=their_out,
            stderr=their_err,
            env=child_environment(server, os.environ),
            cwd=server.cwd or None,
            start_new_session=True,
        )
    except BaseException:
        for end in (our_in, our_out, our_err):
            os.close(end)
        raise
    finally:
        for end in (their_in, their_out, their_err):
            os.close(end)
    for end in (our_in, our_out, our_err):
        os.set_blocking(end, False)
    return Child(process, our_in, our_out, our_err, server)
