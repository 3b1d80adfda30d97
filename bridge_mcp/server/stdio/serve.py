"""MCP over the process's standard input and output, which carry nothing else.

Serving ends when the input ends, on SIGTERM, SIGINT and SIGHUP, and when the process that started this one is gone.
Knows nothing of tools.
"""

from __future__ import annotations

import asyncio
from typing import Any

from mcp.server.lowlevel import Server

from bridge_mcp.server.stdio.jsonrpc_stream import MessageReader, MessageWriter, OpenRequests
from bridge_mcp.server.stdio.lifetime import settle, stop_on_signals, wait_until_orphaned
from bridge_mcp.server.stdio.line_io import open_lines
from bridge_mcp.server.stdio.reserve_fds import Wire, claim

__all__ = ["serve_stdio"]


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
        watching = [asyncio.create_task(stopped.wait()), asyncio.create_task(wait_until_orphaned())]
        try:
            with stop_on_signals(stopped):
                await asyncio.wait([serving, *watching], return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end(serving, *watching)
        if not serving.cancelled():
            serving.result()
    finally:
        wire.release()


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel the tasks that still run, and wait for them."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
