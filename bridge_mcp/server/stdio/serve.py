"""MCP over the process's standard input and output, which carry nothing else.

Serving ends when the input ends, on SIGTERM, SIGINT and SIGHUP, and when the process that started this one is gone.
Knows nothing of tools.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from mcp.server.lowlevel import Server

from bridge_mcp.server.stdio.jsonrpc_stream import MessageReader, MessageWriter, OpenRequests
from bridge_mcp.server.stdio.line_io import open_lines
from bridge_mcp.server.stdio.reserve_fds import Wire, claim

__all__ = ["serve_stdio", "settle", "stop_on_signals"]

PARENT_S = 1.0
"""How often to check that the parent still lives; a peer that dies mostly shows as the end of input first."""


async def serve_stdio(server: Server[Any], wire: Wire | None = None) -> None:
    """Serve one client over standard input and output, until it leaves or a signal asks to stop.

    Args:
        server: made by `build_server`.
        wire: the result of `claim`, if it was called before; it is released at the end.
    """
    wire = wire or claim()
    stopped = asyncio.Event()
    try:
        lines, sink = await open_lines(wire.read_fd, wire.write_fd)
        open_requests = OpenRequests()
        writer = MessageWriter(sink, open_requests)
        reader = MessageReader(lines, writer, open_requests)
        settle()
        serving = asyncio.create_task(server.run(reader, writer, server.create_initialization_options()))
        watching = [asyncio.create_task(stopped.wait()), asyncio.create_task(orphaned())]
        try:
            with stop_on_signals(stopped):
                await asyncio.wait([serving, *watching], return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end(serving, *watching)
        if not serving.cancelled():
            serving.result()
    finally:
        wire.release()


def settle() -> None:
    """Exclude the objects of start-up from garbage collection (`gc.freeze`), which keeps its pauses short.

    A command may have disabled the collector during its imports, which makes them a quarter shorter: enable it again.
    """
    gc.freeze()
    gc.enable()


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel the tasks that still run, and wait for them."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def orphaned() -> None:
    """Return once the parent process is gone."""
    parent = os.getppid()
    while True:
        await asyncio.sleep(PARENT_S)
        if sys.platform != "win32" and os.getppid() != parent:
            return


@contextmanager
def stop_on_signals(stopped: asyncio.Event) -> Generator[None]:
    """Set the event at the first SIGTERM, SIGINT or SIGHUP. Outside the main thread, do nothing."""
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in stop_signals()}

    def stop(*_: object) -> None:
        loop.call_soon_threadsafe(stopped.set)

    try:
        for number in before:
            signal.signal(number, stop)
    except ValueError:
        before.clear()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def stop_signals() -> tuple[signal.Signals, ...]:
    names = ("SIGTERM", "SIGINT", "SIGHUP")
    return tuple(signal.Signals[name] for name in names if name in signal.Signals.__members__)
