"""How long a process serves standard input and output: until a signal, or until its parent process is gone.

Imports nothing heavy: a command that starts fast needs it before anything of MCP.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager

__all__ = ["settle", "stop_on_signals", "wait_until_orphaned"]

PARENT_S = 1.0
"""How often to check that the parent still lives; a peer that dies mostly shows as the end of input first."""


def settle() -> None:
    """Exclude the objects of start-up from garbage collection (`gc.freeze`), which keeps its pauses short.

    A command may have disabled the collector during its imports, which makes them a quarter shorter: enable it again.
    """
    gc.freeze()
    gc.enable()


async def wait_until_orphaned() -> None:
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
