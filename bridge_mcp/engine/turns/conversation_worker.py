"""One conversation, driven until it has nothing to do: decide, do that one thing, write down what came of it.

Effects (a model call, tool calls) run beside the loop, so that a verdict, a stop or a finished sibling is acted on at
once. What is in flight is all that a `ConversationWorker` knows and the log does not.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from itertools import takewhile
from typing import TypeAlias

import anyio
import anyio.abc

from bridge_mcp.core.decide import decide
from bridge_mcp.core.entries import (
    Call,
    Cleared,
    Edited,
    Entry,
    Failed,
    Finished,
    Heard,
    Judged,
    Log,
    Logged,
    Replied,
    Requested,
    Started,
    Stopped,
    Summarised,
    Withdrawn,
)
from bridge_mcp.core.errors import Conflict
from bridge_mcp.core.gathering import LONGEST_S, replies_at
from bridge_mcp.core.policy import Policy
from bridge_mcp.core.projections import BRIDGE
from bridge_mcp.core.state import closing, open_calls, relevant, unread_messages
from bridge_mcp.core.steps import (
    Ask,
    CallModel,
    Cut,
    HandOver,
    Idle,
    Judge,
    Remind,
    Ring,
    Run,
    Settle,
    Step,
    Stop,
    Summarise,
    Wait,
)
from bridge_mcp.core.tools import ToolSpec
from bridge_mcp.core.transcript import in_view
from bridge_mcp.engine.outbound import reminders
from bridge_mcp.engine.turns import model_calls, tool_calls
from bridge_mcp.engine.turns.deps import Deps
from bridge_mcp.engine.turns.model_requests import Requests
from bridge_mcp.engine.wakeup import Signal
from bridge_mcp.operations.conversations import cancel_waiting
from bridge_mcp.ports import CallContext

__all__ = ["ConversationWorker"]

logger = logging.getLogger(__name__)

ENTRIES_PER_MESSAGE = 2
"""About how many entries a message of the transcript takes: intents and verdicts are entries too."""

LOOK_AGAIN_S = 5.0

READY_S = 15.0
"""How long a turn waits for tool servers that are still connecting."""

Attempt: TypeAlias = Callable[[], Awaitable[Replied | Summarised | Failed]]
"""Asks the model once; gives what came of it."""


class ConversationWorker:
    """Drives one conversation. `signal` is to be set when something may have been appended by others."""

    def __init__(self, conversation: str, deps: Deps) -> None:
        self.conversation = conversation
        self.signal = Signal()
        self.until: float | None = None
        """When there will be something to do though nothing comes in, as the last look told."""
        self._deps = deps
        self._calls: dict[str, anyio.CancelScope] = {}
        self._model: tuple[int, anyio.CancelScope] | None = None
        self._rested: int | None = None
        self._ready = False
        self._requests = Requests(deps.policies, deps.model, deps.transcripts)

    async def run(self) -> None:
        """Drive until there is nothing to do before something comes in. What waits is in the store by then."""
        async with anyio.create_task_group() as effects:
            while await self._advance(effects):
                pass

    async def _advance(self, effects: anyio.abc.TaskGroup) -> bool:
        """One step; False when there is no next one for now."""
        alone = self._model is not None and self._deps.policies.channel(self.conversation).while_busy != "interrupt"
        if alone:
            await (
                self.signal.wait()
            )  # while the model is at work, only its answer, a stop or a clearing changes what is next
        self.signal.clear()  # whatever comes in from here on is looked at in the next step, if not in this one
        entries = self._deps.policies.channel(self.conversation).history_limit * ENTRIES_PER_MESSAGE
        log = await self._deps.recent_logs.get(self.conversation, entries)
        if not log:
            return False
        self._cut_off_superseded(log)
        if alone and self._model is not None:
            return True
        policy = await self._policy(log)
        asking = self._model[0] if self._model is not None else None
        step = decide(log, policy, self._deps.clock.now(), self._calls.keys(), asking)
        if isinstance(step, Idle | Wait | HandOver):
            return await self._rest(log, step)
        try:
            if isinstance(step, CallModel):
                await self._about_to_call(step, log, policy, effects)
            else:
                await self._perform(step, log, policy, effects)
        except Conflict:
            logger.debug("%s: somebody else appended first; looking again", self.conversation)
        return True

    async def _policy(self, log: Log) -> Policy:
        asked = next((each.entry for each in log if isinstance(each.entry, Requested)), None)
        if asked is not None and asked.external is not None:
            return await self._deps.policies.of_external(self.conversation, asked.external, log)
        tools = {call.tool for call, _ in open_calls(log)}
        within: tuple[str, ...] = ()
        if tools:
            await self._servers_ready()
            within = asked.within if asked is not None else ()
        return await self._deps.policies.snapshot(self.conversation, tools=tools, within=within)

    async def _servers_ready(self) -> None:
        """Wait for tool servers once per drive: a call must not be refused because its server is still starting."""
        if self._ready:
            return
        allowed = self._deps.policies.channel(self.conversation).tool_servers
        names = {status.name for status in self._deps.toolbox.status()}
        await self._deps.toolbox.ready(frozenset(names if allowed is None else names & set(allowed)), READY_S)
        self._ready = True

    async def _rest(self, log: Log, step: Idle | Wait | HandOver) -> bool:
        """Stop driving, or wait for what is in flight."""
        self.until = until = None if isinstance(step, Idle) else step.until
        if self._calls or self._model is not None:
            # Not longer, though there is nothing before: clocks jump, and machines sleep.
            left = None if until is None else min(LOOK_AGAIN_S, max(0.0, until - self._deps.clock.now()))
            await self.signal.wait(left)
            return True
        head = log[-1].seq + 1
        if self._rested == head:
            return False
        return not await self._deps.store.agenda.rest(self.conversation, head, until)

    async def _perform(self, step: Step, log: Log, policy: Policy, effects: anyio.abc.TaskGroup) -> None:
        match step:
            case Settle():
                await self._settle(Finished(step.call.id, step.outcome, step.content), log, policy)
            case Judge():
                await self._record(Judged(step.call.id, step.verdict, step.by, via="rule"))
            case Ask():
                await self._ask(step, log, policy)
            case Run():
                await self._run(step, log, policy, effects)
            case Ring():
                await reminders.ring(self._deps.store, self.conversation, step)
            case Remind():
                deps = self._deps
                await reminders.tell(deps.store, deps.traits, deps.clock, self.conversation, step)
            case Cut():
                await self._intend(log, policy, cut_without_summary(log, step.upto))
            case Stop():
                # Calls are open only where a message interrupts them.
                cancelled = cancel_waiting(log, BRIDGE.id)
                await self._intend(log, policy, *cancelled, Stopped(step.reason, step.upto, text=step.text))
            case CallModel() | Summarise() | Idle() | Wait() | HandOver():
                pass  # asking the model is `_about_to_call`'s

    # -- appending --------------------------------------------------------------------------------------------

    async def _record(self, *entries: Entry) -> None:
        await self._deps.store.log.record(self.conversation, *entries)

    async def _settle(self, outcome: Finished, log: Log, policy: Policy) -> None:
        """Write an outcome; where the call waits for a verdict, that ends with it, in the same transaction."""
        entries = closing(log, outcome)
        if len(entries) == 1:
            await self._record(outcome)
        else:
            await self._intend(log, policy, *entries)

    async def _intend(self, log: Log, policy: Policy, *entries: Entry) -> tuple[Logged, ...]:
        """Append at the end of the log as it was read, and note when there will be something to do next."""
        expected = log[-1].seq + 1
        wake = self._wake(log, policy, entries)
        appended = await self._deps.store.log.intend(self.conversation, expected, *entries, wake=wake)
        self._deps.recent_logs.add(self.conversation, *appended)
        if wake != 0.0:
            self._rested = appended[-1].seq + 1
        return appended

    def _wake(self, log: Log, policy: Policy, entries: tuple[Entry, ...]) -> float | None:
        """When there will be something to do once these entries stand in the log."""
        now = self._deps.clock.now()
        first = log[-1].seq + 1
        coming = [Logged(first + n, now, entry) for n, entry in enumerate(entries)]
        match decide([*relevant(log), *coming], policy, now, self._calls.keys()):
            case Idle():
                return None
            case Wait(until=until) | HandOver(until=until) if not self._calls:
                return until
            case _:
                return 0.0

    # -- calls ------------------------------------------------------------------------------------------------

    async def _ask(self, step: Ask, log: Log, policy: Policy) -> None:
        now = self._deps.clock.now()
        by = tool_calls.requested_by(self.conversation, log)
        entries: list[Entry] = []
        for call, because in step.calls:
            spec = policy.tools[call.tool]
            reason = because + tool_calls.repeated(call, [each for each, _ in step.calls]) + tool_calls.about(log)
            wrong = await self._wrong(spec, call.arguments)
            if wrong:
                entries.append(Finished(call.id, "error", wrong))
                continue
            entries.append(tool_calls.asked_of(call, spec, policy.asking(call.tool), now, by, reason))
        await self._intend(log, policy, *entries)

    async def _run(self, step: Run, log: Log, policy: Policy, effects: anyio.abc.TaskGroup) -> None:
        entries: list[Entry] = []
        begun: list[tuple[Call, ToolSpec, str]] = []
        for call, arguments, because in step.calls:
            spec = policy.tools.get(call.tool)
            wrong = await self._wrong(spec, arguments) if spec else f"The tool '{call.tool}' is not there any more."
            if spec is None or wrong:
                entries.append(Finished(call.id, "error", wrong))
                continue
            begun.append((call, spec, arguments))
            entries.append(tool_calls.started(call, spec, arguments, because))
        await self._intend(log, policy, *entries)
        caller = tool_calls.requested_by(self.conversation, log)
        for call, spec, arguments in begun:
            if spec.changed and tool_calls.told_of(spec.changed, call, log):
                await self._deps.toolbox.accept(spec)
            scope = self._calls[call.id] = anyio.CancelScope()
            effects.start_soon(self._tool, call, spec, arguments, caller, scope)

    async def _wrong(self, spec: ToolSpec, arguments: str) -> str:
        """What is wrong with a call, as the model is told; "" if nothing is."""
        return await tool_calls.wrong(self._deps.toolbox, spec, arguments)

    async def _tool(self, call: Call, spec: ToolSpec, arguments: str, caller: str, scope: anyio.CancelScope) -> None:
        """Run one call and record its outcome. When the process ends first, there is none, and the next one settles."""
        finished: Finished | None = Finished(call.id, "stopped", tool_calls.CUT_OFF)
        try:
            with scope:
                finished = await self._outcome(call, spec, arguments, caller)
            if finished is not None:
                # The call is still in flight for whoever decides: an outcome that is known is never called unknown.
                await self._deps.written(self.conversation, partial(self._record, finished))
        finally:
            del self._calls[call.id]
            self.signal.set()

    async def _outcome(self, call: Call, spec: ToolSpec, arguments: str, caller: str) -> Finished | None:
        deps = self._deps
        context = CallContext(self.conversation, call.id, caller)
        told = deps.progress.listener(self.conversation, call.id, spec.name) if deps.progress else None
        finished = await tool_calls.outcome(deps.toolbox, spec, arguments, context, told)
        if deps.progress is not None:
            deps.progress.over(self.conversation, call.id)
        return finished

    # -- the model --------------------------------------------------------------------------------------------

    async def _about_to_call(self, step: CallModel, log: Log, policy: Policy, effects: anyio.abc.TaskGroup) -> None:
        """Measure what a model call depends on, decide again, and do that."""
        # Before the intent: a process that dies while servers start has made no attempt yet.
        await self._servers_ready()
        prepared = await self._requests.prepare(self.conversation, log, step.upto)
        summarise = self._requests.summarises(self.conversation)
        spent = await self._deps.policies.spent(self.conversation)
        policy = replace(policy, spent=spent, cut=prepared.cut, summarise=summarise)
        match decide(log, policy, self._deps.clock.now(), self._calls.keys()):
            case CallModel() as call:
                started = await self._begin(log, Started("model", turn=call.turn, estimate=prepared.estimate))
                self._ask_model(started, lambda: model_calls.reply(self._deps, call, prepared, started), log, effects)
            case Summarise() as wanted:
                request, estimate = self._requests.summary(prepared, wanted.upto)
                prepared = replace(prepared, request=request)
                started = await self._begin(log, Started("summary", turn=wanted.turn, estimate=estimate))
                self._ask_model(
                    started, lambda: model_calls.summary(self._deps, wanted, prepared, started), log, effects
                )
            case other:
                await self._perform(other, log, policy, effects)

    async def _begin(self, log: Log, intent: Started) -> int:
        """Write down that the model is about to be asked; the seq of that."""
        return (await self._intend(log, Policy(self.conversation), intent))[-1].seq

    def _ask_model(self, started: int, ask: Attempt, log: Log, effects: anyio.abc.TaskGroup) -> None:
        scope = anyio.CancelScope()
        self._model = (started, scope)
        effects.start_soon(self._answer, started, ask, log, scope)

    async def _answer(self, started: int, ask: Attempt, log: Log, scope: anyio.CancelScope) -> None:
        """Make one attempt and append what came of it, unless the turn was stopped meanwhile."""
        read = tuple(relevant(log))
        settled_at = gathered_at(read)
        try:
            with scope:
                entry = await ask()
                if isinstance(entry, Replied):
                    await self._until(settled_at)
                wake = self._wake(read, Policy(self.conversation), (entry,)) if isinstance(entry, Failed) else 0.0
                if isinstance(entry, Replied) and not entry.calls and entry.ref < 0:
                    wake = None  # it has read all that was there when it was begun
                answer = partial(self._deps.store.log.answer, self.conversation, started, entry, wake=wake)
                answered = await self._deps.written(self.conversation, answer)
                if answered is not None and wake != 0.0 and answered.seq == started + 1:
                    self._rested = answered.seq + 1
        finally:
            self._model = None
            self.signal.set()

    async def _until(self, at: float) -> None:
        """Wait until this time: a continuation of what was read may come, which cancels the wait."""
        left = at - self._deps.clock.now()
        if 0 < left <= LONGEST_S:
            await anyio.sleep(left)

    # -- stopping ---------------------------------------------------------------------------------------------

    def _cut_off_superseded(self, log: Log) -> None:
        """Cancel what is in flight for a turn that was stopped, or for an epoch that was cleared."""
        if self._model is not None:
            started, scope = self._model
            since = takewhile(lambda logged: logged.seq > started, reversed(log))
            if any(supersedes(logged.entry, started) for logged in since):
                scope.cancel()
        if self._calls:
            wanted = {call.id for call, _ in open_calls(log)}
            for call, scope in self._calls.items():
                if call not in wanted:
                    scope.cancel()


def gathered_at(log: Log) -> float:
    """Until when the last message that nobody has answered may be continued, in epoch seconds."""
    last = next(reversed(unread_messages(log)), None)
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


def cut_without_summary(log: Log, upto: int) -> Summarised:
    """A cut for which no model was asked: what an earlier summary tells stays."""
    _, before, _ = in_view(log)
    return Summarised(before.text if before else "", upto)
