"""Warnings about an engine that gives no sign of life: a stopped or starved process holds its lock and does nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator

from bridge_mcp.ports import Pulse, StoreHealth

__all__ = ["SILENT_S", "silence", "troubles"]

SILENT_S = 10.0
"""An engine writes its pulse every two seconds; after so long without one there is a warning."""

UNWRITTEN_S = 180.0
"""An engine writes to the store at least every minute; after so long without there is a warning."""


def silence(pulse: Pulse | None, now: float) -> str:
    """The warning for an engine that holds its lock and gives no sign of life; "" if it does."""
    if pulse is None or now - pulse.at <= SILENT_S:
        return ""
    return (
        f"The engine, process {pulse.pid}, has given no sign of life for {now - pulse.at:.0f} s (the last at "
        f"{clock(pulse.at)}): it is stopped or starved, and what depends on it waits. Continue it (kill -CONT "
        f"{pulse.pid}), or end it (kill -9 {pulse.pid}): another process takes over, or start: bridge-mcp serve"
    )


def troubles(pulse: Pulse | None, own: StoreHealth, now: float) -> Iterator[str]:
    """Warnings about writing to the store, by the engine and by this process."""
    if pulse is not None and pulse.held:
        yield f"The engine waits to write to the store: {pulse.held}"
    elif pulse is not None and pulse.error:
        last = f" Its last good write was at {clock(pulse.written_at)}." if pulse.written_at else ""
        yield f"The engine could not write to the store: {pulse.error}{last}"
    elif pulse is not None and pulse.written_at and now - pulse.written_at > UNWRITTEN_S and not silence(pulse, now):
        yield (
            f"The engine has not written to the store since {clock(pulse.written_at)}, {now - pulse.written_at:.0f} s "
            "ago: look whether its disk is full or hangs."
        )
    if own.held:
        yield f"This process waits to write to the store: {own.held}"
    elif own.failure:
        yield f"This process could not write to the store: {own.failure}"


def clock(at: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at))
