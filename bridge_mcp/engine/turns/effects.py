"""The running effects of one conversation: tool calls and a model call, each in a task beside the loop that decides.

Each records its outcome and wakes the loop. Nothing here outlives the process: the log holds the intents.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Set
from functools import partial
from itertools import takewhile
from typing import TypeAlias

import anyio
import anyio.abc

from bridge_mcp.core.entries import (
    Call,
    Cleared,
    Edited,
    Entry,
    Failed,
    Finished,
    Heard,
    Log,
    Replied,
    Reviewed,
    Started,
    Stopped,
    Summarised,
    TraceContext,
    Withdrawn,
)
from bridge_mcp.core.evidence import outcome_of
from bridge_mcp.core.gathering import LONGEST_S, replies_at
from bridge_mcp.core.state import State
from bridge_mcp.core.tools import ToolSpec
from bridge_mcp.engine.turns import tool_calls
from bridge_mcp.engine.turns.conversation_log import ConversationLog
from bridge_mcp.engine.turns.deps import Deps
from bridge_mcp.ports import CallContext
from bridge_mcp.wakeup import Signal

__all__ = ["Effects"]

Attempt: TypeAlias = Callable[[], Awaitable[Replied | Summarised | Failed]]
"""Calls the model once; returns the outcome."""


class Effects:
    """Starts effects in a task group, and cancels them. `signal` is set whenever one is over."""

    def __init__(
        self, conversation: str, deps: Deps, log: ConversationLog, signal: Signal, tasks: anyio.abc.TaskGroup
    ) -> None:
        self._conversation = conversation
        self._deps = deps
        self._log = log
        self._signal = signal
        self._tasks = tasks
        self._calls: dict[str, anyio.CancelScope] = {}
        self._reviews: dict[str, anyio.CancelScope] = {}
        self._model: tuple[int, anyio.CancelScope] | None = None

    @property
    def calls(self) -> Set[str]:
        """The ids of running calls."""
        return self._calls.keys()

    @property
    def reviews(self) -> Set[str]:
        """The ids of the calls that a reviewer looks at."""
        return self._reviews.keys()

    @property
    def asking(self) -> int | None:
        """The seq of the running model call."""
        return None if self._model is None else self._model[0]

    def cut_off_superseded(self, log: Log, state: State) -> None:
        """Cancel the effects of a turn that was stopped, or of an epoch that was cleared."""
        if self._model is not None:
            started, scope = self._model
            since = takewhile(lambda logged: logged.seq > started, reversed(log))
            if any(supersedes(logged.entry, started) for logged in since):
                scope.cancel()
        if self._calls:
            open_ids = {call.id for call, _ in state.open_fates}
            for call, scope in self._calls.items():
                if call not in open_ids:
                    scope.cancel()

        if self._reviews:
            undecided = {call.id for call, asked in state.open_calls if asked is not None}
            for call, scope in self._reviews.items():
                if call not in undecided:
                    scope.cancel()

    # -- tool calls -------------------------------------------------------------------------------------------

    def call(
        self,
        call: Call,
        spec: ToolSpec,
        started: Started,
        *,
        verbatim: bool = False,
        trace: TraceContext | None = None,
    ) -> None:
        """Start a call whose intent is recorded."""
        scope = self._calls[call.id] = anyio.CancelScope()
        context = CallContext(self._conversation, call.id, started.requested_by, verbatim=verbatim, trace=trace)
        self._tasks.start_soon(self._tool, context, spec, started, scope)

    async def _tool(self, context: CallContext, spec: ToolSpec, started: Started, scope: anyio.CancelScope) -> None:
        """Run one call and record its outcome. When the process ends first, there is none, and the next one settles."""
        finished: Finished | None = Finished(context.call, "stopped", tool_calls.CUT_OFF)
        try:
            with scope:
                finished = await self._outcome(context, spec, started)
            if finished is not None:
                finished = outcome_of(started, finished)
                # For decisions the call still runs until its outcome is recorded: a known outcome never becomes
                # unknown.
                await self._deps.write_outcome(self._conversation, partial(self._log.record, finished))
        finally:
            del self._calls[context.call]
            self._signal.set()

    async def _outcome(self, context: CallContext, spec: ToolSpec, started: Started) -> Finished | None:
        deps = self._deps
        progress = deps.progress.listener(self._conversation, started) if deps.progress else None
        finished = await tool_calls.outcome(deps.toolbox, spec, started.arguments, context, progress)
        if deps.progress is not None:
            deps.progress.finish(self._conversation, context.call)
        return finished

    def review(self, call: str, look: Callable[[], Awaitable[Reviewed]]) -> None:
        """Begin a review whose intent is written."""
        scope = self._reviews[call] = anyio.CancelScope()
        self._tasks.start_soon(self._review, call, look, scope)

    async def _review(self, call: str, look: Callable[[], Awaitable[Reviewed]], scope: anyio.CancelScope) -> None:
        """Have a call looked at and record what is said, unless somebody decided meanwhile."""
        try:
            with scope:
                reviewed = await look()
                await self._deps.write_outcome(self._conversation, partial(self._log.record, reviewed))
        finally:
            del self._reviews[call]
            self._signal.set()

    # -- the model --------------------------------------------------------------------------------------------

    def ask(self, started: int, attempt: Attempt, state: State) -> None:
        """Start an attempt whose intent is recorded at `started`; `state` is the one it was decided by."""
        scope = anyio.CancelScope()
        self._model = (started, scope)
        self._tasks.start_soon(self._answer, started, attempt, gathered_at(state), scope)

    async def _answer(self, started: int, attempt: Attempt, gathered: float, scope: anyio.CancelScope) -> None:
        """Make one attempt and append its outcome, unless the turn was stopped meanwhile."""
        try:
            with scope:
                entry = await attempt()
                if isinstance(entry, Replied):
                    await self._until(gathered)
                answer = partial(self._log.answer, started, entry, wakes_at(entry))
                await self._deps.write_outcome(self._conversation, answer)
        finally:
            self._model = None
            self._signal.set()

    async def _until(self, at: float) -> None:
        """Wait until this time: a continuation of the message may come, which cancels the wait."""
        remaining_s = at - self._deps.clock.now()
        if 0 < remaining_s <= LONGEST_S:
            await anyio.sleep(remaining_s)


def wakes_at(entry: Replied | Summarised | Failed) -> float | None:
    """When there is something to do after this outcome of a model call, if nothing else comes in."""
    match entry:
        case Failed(retry_at=again) if again is not None:
            return again
        case Replied(calls=(), ref=ref) if ref < 0:
            return None  # it has read all entries before its intent
        case _:
            return 0.0


def gathered_at(state: State) -> float:
    """Until when the last message that nobody has answered may be continued, in epoch seconds."""
    last = state.unread[-1] if state.unread else None
    return replies_at(last, last.entry) if last is not None and isinstance(last.entry, Heard) else 0.0


def supersedes(entry: Entry, started: int) -> bool:
    """Whether an entry makes the outcome of the model call begun at `started` void."""
    match entry:
        case Stopped() | Cleared():
            return True
        case (
            Withdrawn(message=message)
            | Heard(to="assistant", answers=None, continues=int() as message)
            | Edited(to="assistant", message=message)
        ):
            return message < started
        case _:
            return False
