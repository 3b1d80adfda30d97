"""Server-sent events: pages that stay up to date.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from starlette.responses import StreamingResponse

from bridge_mcp.console.guard import Refused
from bridge_mcp.core.policy import Principal

__all__ = ["MAX_STREAMS", "Streams", "event"]

MAX_STREAMS = 128
"""Open streams of one principal: browsers open one for each visible page."""

HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}

LINE_END = re.compile(r"\r\n|\r|\n")


def event(html: str, cursor: int | None = None) -> bytes:
    """A message that htmx swaps into the page; `cursor` is where the stream goes on after a break."""
    head = "" if cursor is None else f"id: {cursor}\n"
    return (head + "".join(f"data: {line}\n" for line in LINE_END.split(html)) + "\n").encode("utf-8", "replace")


@dataclass(eq=False, slots=True)
class Streams:
    """The open streams of one console."""

    _open: dict[asyncio.Task[object], str] = field(default_factory=dict[asyncio.Task[object], str])
    _closed: bool = False

    def response(self, who: Principal, parts: AsyncIterator[bytes]) -> StreamingResponse:
        """A stream as an answer.

        Raises:
            Refused: `who` has too many, or serving ends.
        """
        if self._closed or sum(name == who.name for name in self._open.values()) >= MAX_STREAMS:
            raise Refused(429, f"{who.name} has too many pages open.", fix="Close some of them.")
        return StreamingResponse(self._counted(who, parts), media_type="text/event-stream", headers=HEADERS)

    def close(self) -> None:
        """End all of them, and open no more."""
        self._closed = True
        for task in tuple(self._open):
            task.cancel()

    async def _counted(self, who: Principal, parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        task = asyncio.current_task()
        if task is None:
            return
        self._open[task] = who.name
        try:
            async for part in parts:
                yield part
        except asyncio.CancelledError:
            if not self._closed:
                raise
            task.uncancel()
        finally:
            self._open.pop(task, None)
