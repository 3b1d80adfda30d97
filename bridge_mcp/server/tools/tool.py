"""What a tool of the face is: a function over the service, with its scope, its annotations and its parameters.

Knows no tool by name, and no protocol but the names of its annotations.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from bridge_mcp.core.policy import Principal, Scope
from bridge_mcp.core.tools import JSON
from bridge_mcp.server.tools.answers import Answer
from bridge_mcp.server.tools.json_schema import lean_schema
from bridge_mcp.server.tools.params import Params

if TYPE_CHECKING:
    from bridge_mcp.service import Bridge

__all__ = ["Illustrated", "Progress", "Tool", "ToolCall", "tool"]

Progress: TypeAlias = Callable[[float, float, str | None], Awaitable[None]]
"""Tells the caller of a wait: seconds gone, seconds at most, and words on what is waited for."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Illustrated:
    """An answer with content blocks beside it: images, which no JSON can show.

    Such an answer has no structured content, because hosts (Codex is one) show their model that in the place of all
    content, so that no image would be seen. `text_only` says the same of one that is too large to be given twice.
    """

    answer: Answer
    blocks: tuple[Mapping[str, JSON], ...] = ()
    text_only: bool = False
    is_error: bool = False
    """Whether a nested tool marked its result as an error; the answer is whole all the same."""


PROGRESS_S = 5.0
"""How often a caller who asked for progress is told that a wait goes on."""
NEWS_S = 0.5
"""The shortest time between two words on what is waited for."""


class News:
    """The latest word on what a caller waits for."""

    def __init__(self) -> None:
        self.words: str | None = None
        self.fresh = asyncio.Event()

    def hear(self, progress: float, total: float | None, words: str) -> None:
        """Take a nested call's progress. Its numbers are its own: they become words beside the seconds of the wait."""
        share = f"{progress:g}" if total is None else f"{progress:g}/{total:g}"
        self.words = f"{share}: {words}" if words else share
        self.fresh.set()


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call: who makes it, and on which bridge. `progress` is there if the caller asked for it."""

    bridge: Bridge
    who: Principal
    progress: Progress | None = None
    news: News = field(default_factory=News)
    begun: Callable[[str], object] = lambda ticket: None
    """Is told the ticket of a turn that the call waits for."""

    @property
    def hear(self) -> Callable[[float, float | None, str], None] | None:
        """Where the progress of a nested call goes; None where the caller did not ask for any."""
        return None if self.progress is None else self.news.hear

    async def wait(self, answer: Awaitable[T], most_s: float) -> T:
        """Await an answer that may take up to `most_s` seconds, telling the caller meanwhile."""
        if self.progress is None or most_s <= 0:
            return await answer
        telling = asyncio.create_task(tell(self.progress, self.news, most_s))
        try:
            return await answer
        finally:
            telling.cancel()
            with suppress(asyncio.CancelledError):
                await telling


async def tell(progress: Progress, news: News, most_s: float) -> None:
    begun = time.monotonic()
    while True:
        news.fresh.clear()
        await progress(min(round(time.monotonic() - begun, 3), most_s), most_s, news.words)
        with suppress(TimeoutError):
            await asyncio.wait_for(news.fresh.wait(), PROGRESS_S)
            await asyncio.sleep(NEWS_S)


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool, as it is listed and called."""

    name: str
    scope: Scope
    description: str
    params: Params
    answer: type[Answer] | None
    """What it always answers; None where an answer may have no structured content, and so no schema."""
    run: Callable[..., Awaitable[Answer | Illustrated]]
    read_only: bool
    destructive: bool
    idempotent: bool
    open_world: bool
    ticket: bool
    """Whether it answers a ticket for something new."""
    answer_listed: bool
    """Whether `tools/list` tells the schema of its answer."""

    @property
    def schemas(self) -> dict[str, Any]:
        """What `schemas.json` holds: the JSON schemas of the arguments, and of an answer that is told."""
        told = self.answer if self.answer_listed else None
        return {
            "inputSchema": self.params.schema,
            **({"outputSchema": lean_schema(told, "serialization")} if told else {}),
        }

    def listed(self) -> dict[str, JSON]:
        """The tool as `tools/list` tells of it."""
        return {
            "name": self.name,
            "description": self.description,
            **schemas()[self.name],
            "annotations": {
                "readOnlyHint": self.read_only,
                "destructiveHint": self.destructive,
                "idempotentHint": self.idempotent,
                "openWorldHint": self.open_world,
            },
        }


@cache
def schemas() -> Mapping[str, Any]:
    """Of each tool what its models are as JSON schemas: drawn beforehand, since a start would spend 50 ms on it."""
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
) -> Callable[[Callable[..., Awaitable[Answer | Illustrated]]], Tool]:
    """Make a tool of a function: its name, its docstring as the description, its keywords as the parameters.

    Its module keeps annotations as they are, and not as texts. `answer_listed` is off for what is rarely used, so that
    the list of tools stays below 20,000 bytes for a client with the scopes of stdio.
    """

    def made(function: Callable[..., Awaitable[Answer | Illustrated]]) -> Tool:
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
        )

    return made
