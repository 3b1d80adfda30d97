"""A model for tests, which gives planned replies."""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TypeAlias

from bridge_mcp.core.entries import Usage
from bridge_mcp.core.errors import ModelFailed
from bridge_mcp.core.tools import JSON, canonical
from bridge_mcp.ports import Capacity, ModelCall, ModelHealth, ModelReply, ModelRequest, OnText

__all__ = ["FakeModel", "calls", "says"]

Planned: TypeAlias = ModelReply | ModelFailed
Replier: TypeAlias = Callable[[ModelRequest], Planned | Awaitable[Planned]]


def says(text: str) -> ModelReply:
    """A reply of words."""
    return ModelReply(text, model="fake", usage=Usage(cost_usd=0.0))


def calls(*tool_calls: tuple[str, Mapping[str, JSON]], text: str = "") -> ModelReply:
    """A reply that asks for these calls at once: pairs of a tool's name and its arguments."""
    model_calls = tuple(
        ModelCall(f"fake_{index}", tool, canonical(dict(arguments)))
        for index, (tool, arguments) in enumerate(tool_calls)
    )
    return ModelReply(text, model_calls, model="fake", usage=Usage(cost_usd=0.0))


class FakeModel:
    """A `Model` whose replies are planned.

    Args:
        plan: replies and failures in the order in which they are given; or a function (a coroutine function too) of the
            request, for as many calls as there are.
    """

    def __init__(self, plan: Iterable[Planned] | Replier = ()) -> None:
        self.requests: list[ModelRequest] = []
        """Every request, the unplanned ones too."""
        self.unplanned = 0
        self.healths: tuple[ModelHealth, ...] = ()
        """What `health` tells."""
        self.able = Capacity(images=True, pdfs=True)
        """What `capacity` tells of every section."""
        self._replier = plan if callable(plan) else None
        self._left: deque[Planned] = deque() if callable(plan) else deque(plan)

    def plan(self, *more: Planned) -> None:
        """Add replies to the plan."""
        self._left.extend(more)

    async def reply(self, request: ModelRequest, on_text: OnText | None = None) -> ModelReply:
        """The next reply. Its text comes word by word, where somebody is shown it.

        Raises:
            ModelFailed: it was planned.
            AssertionError: nothing is left; `finish` will tell too, in case somebody catches this.
        """
        self.requests.append(request)
        planned = await self._next(request)
        if isinstance(planned, ModelFailed):
            raise planned
        if on_text is not None:
            words = planned.text.split(" ")
            for count in range(1, len(words) + 1):
                on_text(" ".join(words[:count]))
        return planned

    async def capacity(self, model: str) -> Capacity:
        """What `able` was set to."""
        return self.able

    def health(self) -> tuple[ModelHealth, ...]:
        """What `healths` was set to."""
        return self.healths

    async def _next(self, request: ModelRequest) -> Planned:
        if self._left:
            return self._left.popleft()
        if self._replier is None:
            self.unplanned += 1
            last = request.messages[-1].text if request.messages else ""
            raise AssertionError(f"FakeModel: call {len(self.requests)} was not planned; it was asked: {last!r}")
        reply = self._replier(request)
        return await reply if inspect.isawaitable(reply) else reply

    def finish(self) -> None:
        """Assert that every planned reply was given, and that none was missing.

        Raises:
            AssertionError: it was not so.
        """
        assert not self._left, f"FakeModel: {len(self._left)} planned replies were never asked for"
        assert not self.unplanned, f"FakeModel: {self.unplanned} calls were not planned"
