"""The type of the MCP face's tools: a function over the service, with its scope, annotations and parameters.

Knows no tool by name, and of the protocol only the names of annotations.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from msgspec import Struct, field

from bridge_mcp.core.policy import Principal, Scope
from bridge_mcp.core.tools import JSON
from bridge_mcp.server.tools.answers import Answer
from bridge_mcp.server.tools.json_schema import lean_schema
from bridge_mcp.server.tools.params import Params

if TYPE_CHECKING:
    from bridge_mcp.service import Bridge

__all__ = ["ContentAnswer", "Progress", "Tool", "ToolCall", "tool"]

Progress: TypeAlias = Callable[[float, float, str | None], Awaitable[None]]
"""Sends a progress notification: seconds so far, seconds at most, and a message."""

T = TypeVar("T")


class ContentAnswer(Struct, frozen=True):
    """An answer with further content blocks, such as images.

    It has no structured content, because hosts (Codex is one) show their model that instead of all content, so that no
    image would be seen. `text_only` leaves it out for an answer that is too large to be given twice.
    """

    answer: Answer
    blocks: tuple[Mapping[str, JSON], ...] = ()
    text_only: bool = False
    is_error: bool = False
    """Whether a nested tool marked its result as an error; the answer is complete all the same."""


PROGRESS_S = 5.0
"""How often a progress notification is sent during a wait."""
NEWS_S = 0.5
"""The shortest time between two progress notifications."""


class LatestProgress:
    """The latest progress message of the call that a caller waits for."""

    def __init__(self) -> None:
        self.words: str | None = None
        self.fresh = asyncio.Event()

    def hear(self, progress: float, total: float | None, words: str) -> None:
        """Take a nested call's progress. Its numbers become text, since ours are the seconds of the wait."""
        share = f"{progress:g}" if total is None else f"{progress:g}/{total:g}"
        self.words = f"{share}: {words}" if words else share
        self.fresh.set()


class ToolCall(Struct, frozen=True):
    """One call: its principal and bridge. `progress` is set if the caller asked for it."""

    bridge: Bridge
    who: Principal
    progress: Progress | None = None
    news: LatestProgress = field(default_factory=LatestProgress)
    begun: Callable[[str], object] = lambda ticket: None
    """Called with the ticket of the turn that the call waits for."""

    @property
    def hear(self) -> Callable[[float, float | None, str], None] | None:
        """The progress listener for a nested call; None if the caller did not ask for progress."""
        return None if self.progress is None else self.news.hear

    async def wait(self, answer: Awaitable[T], most_s: float) -> T:
        """Await an answer for up to `most_s` seconds, sending progress notifications meanwhile."""
        if self.progress is None or most_s <= 0:
            return await answer
        telling = asyncio.create_task(report_progress(self.progress, self.news, most_s))
        try:
            return await answer
        finally:
            telling.cancel()
            with suppress(asyncio.CancelledError):
                await telling


async def report_progress(progress: Progress, news: LatestProgress, most_s: float) -> None:
    """Send progress notifications until cancelled."""
    begun = time.monotonic()
    while True:
        news.fresh.clear()
        await progress(min(round(time.monotonic() - begun, 3), most_s), most_s, news.words)
        with suppress(TimeoutError):
            await asyncio.wait_for(news.fresh.wait(), PROGRESS_S)
            await asyncio.sleep(NEWS_S)


class Tool(Struct, frozen=True):
    """One tool, as it is listed and called."""

    name: str
    scope: Scope
    description: str
    params: Params
    answer: type[Answer] | None
    """The type of its structured content; None if a result may have none, and so no `outputSchema`."""
    run: Callable[..., Awaitable[Answer | ContentAnswer]]
    read_only: bool
    destructive: bool
    idempotent: bool
    open_world: bool
    ticket: bool
    """Whether it returns a ticket for something new."""
    answer_listed: bool
    """Whether `tools/list` includes its `outputSchema`."""
    provider: bool = False
    """Whether it is there only where the bridge is an approval provider (`[approvals] provider`)."""
    topics: bool = False
    """Whether it is there only where a channel has topics that the bot can make (`Bridge.has_topics`)."""
    relay: bool = False
    """Whether it is there only where several clients may answer the same chats (`Bridge.has_several_relays`)."""

    @property
    def schemas(self) -> dict[str, Any]:
        """Its entry in `schemas.json`: `inputSchema`, and `outputSchema` if that is listed."""
        answer = self.answer if self.answer_listed else None
        return {
            "inputSchema": self.params.schema,
            **({"outputSchema": lean_schema(answer, "serialization")} if answer else {}),
        }

    def listed(self) -> dict[str, JSON]:
        """The tool's entry in `tools/list`."""
        return {
            "name": self.name,
            "description": self.description,
            **(schemas().get(self.name) or self.schemas),
            "annotations": {
                "readOnlyHint": self.read_only,
                "destructiveHint": self.destructive,
                "idempotentHint": self.idempotent,
                "openWorldHint": self.open_world,
            },
        }


@cache
def schemas() -> Mapping[str, Any]:
    """The JSON schemas of each tool, generated beforehand: making them takes 50 ms of a start."""
    return json.loads(Path(__file__).with_name("schemas.json").read_text("utf-8"))


def tool(
    scope: Scope,
    *,
    read_only: bool = False,
    destructive: bool = False,
    idempotent: bool = False,
    open_world: bool = False,
    ticket: bool = False,
    answer_listed: bool = True,
    provider: bool = False,
    relay: bool = False,
    topics: bool = False,
) -> Callable[[Callable[..., Awaitable[Answer | ContentAnswer]]], Tool]:
    """Make a tool of a function: by its name, its docstring as the description, its keywords as the parameters.

    Its module must not postpone annotations (`from __future__ import annotations`). `answer_listed` is off for rarely
    used tools, so that `tools/list` stays below 20,000 bytes for a client with the scopes of stdio.
    """

    def make_tool(function: Callable[..., Awaitable[Answer | ContentAnswer]]) -> Tool:
        returned = inspect.signature(function).return_annotation
        return Tool(
            name=function.__name__,
            scope=scope,
            description=" ".join((function.__doc__ or "").split()),
            params=Params(function, exact=scope == "approve"),
            answer=returned if isinstance(returned, type) and issubclass(returned, Answer) else None,
            run=function,
            read_only=read_only,
            destructive=destructive,
            idempotent=idempotent or read_only,
            open_world=open_world,
            ticket=ticket,
            answer_listed=answer_listed,
            provider=provider,
            relay=relay,
            topics=topics,
        )

    return make_tool
