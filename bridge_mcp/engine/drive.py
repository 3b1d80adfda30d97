"""One conversation, driven until it has nothing to do: decide, do that one thing, write down what came of it.

Effects (a model call, tool calls) run beside the loop, so that a verdict, a stop or a finished sibling is acted on at
once. What is in flight is all that a `Drive` knows and the log does not.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import takewhile
from typing import TypeAlias

import anyio
import anyio.abc

from bridge_mcp.core.decide import (
    Ask,
    CallModel,
    Cut,
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
    decide,
    open_calls,
    relevant,
)
from bridge_mcp.core.entries import (
    Asked,
    Attachment,
    Call,
    Cleared,
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
    call_id,
)
from bridge_mcp.core.errors import Conflict, ModelFailed
from bridge_mcp.core.policy import Asking, Policy
from bridge_mcp.core.summary import summary_text
from bridge_mcp.core.tools import ToolSpec, call_digest, parse_arguments
from bridge_mcp.core.transcript import in_view
from bridge_mcp.core.views import BRIDGE
from bridge_mcp.engine import calling, reminders
from bridge_mcp.engine.control import cancel_waiting
from bridge_mcp.engine.policies import Policies
from bridge_mcp.engine.progress import ProgressLane
from bridge_mcp.engine.requests import Prepared, Requests
from bridge_mcp.engine.signal import Signal
from bridge_mcp.engine.tails import Tails
from bridge_mcp.ports import CallContext, Clock, Model, ModelReply, OnText, Store, Toolbox

__all__ = ["Drive", "Hands"]

logger = logging.getLogger(__name__)

ENTRIES_PER_MESSAGE = 2
"""About how many entries a message of the transcript takes: intents and verdicts are entries too."""

READY_S = 15.0
"""How long a turn waits for tool servers that are still connecting."""

Outcome: TypeAlias = Replied | Summarised | Failed
"""What comes of asking the model."""

TOO_LONG = "too_long"
"""The kind of a `ModelFailed` that a shorter request can mend."""


def nobody_looks(conversation: str, started: int, text: str) -> None:
    """Where no channel can show a text that is still growing."""


@dataclass(frozen=True, slots=True)
class Hands:
    """What a drive works with; shared by all of them."""

    store: Store
    model: Model
    toolbox: Toolbox
    policies: Policies
    tails: Tails
    clock: Clock
    show_text: Callable[[str, int, str], None] = nobody_looks
    """Is told conversation, the seq of the model call, and its text so far ("": what was shown is void). Cheap."""
    progress: ProgressLane | None = None
    """Where the progress of running calls is told."""
    fetch: Callable[[str, Attachment], Awaitable[bytes]] | None = None
    """Gives the bytes of a file that came with a message of a conversation; raises a `BridgeError` where it cannot."""
    shows: Callable[[str], bool] = lambda conversation: True
    """Whether `show_text` has anybody to show this conversation's texts to: some providers stream at a price."""


class Drive:
    """Drives one conversation. `signal` is to be set when something may have been appended by others."""

    def __init__(self, conversation: str, hands: Hands) -> None:
        self.conversation = conversation
        self.signal = Signal()
        self._hands = hands
        self._calls: dict[str, anyio.CancelScope] = {}
        self._model: tuple[int, anyio.CancelScope] | None = None
        self._rested: int | None = None
        self._ready = False
        self._requests = Requests(hands.policies)

    async def run(self) -> None:
        """Drive until there is nothing to do before something comes in. What waits is in the store by then."""
        async with anyio.create_task_group() as effects:
            while await self._advance(effects):
                pass

    async def _advance(self, effects: anyio.abc.TaskGroup) -> bool:
        """One step; False when there is no next one for now."""
        entries = self._hands.policies.channel(self.conversation).history_limit * ENTRIES_PER_MESSAGE
        log = await self._hands.tails.get(self.conversation, entries)
        if not log:
            return False
        self._cut_off_superseded(log)
        if self._model is not None and self._hands.policies.channel(self.conversation).while_busy != "interrupt":
            await self.signal.wait()  # nothing that comes in could change what is next
            return True
        policy = await self._policy(log)
        asking = self._model[0] if self._model is not None else None
        step = decide(log, policy, self._hands.clock.now(), self._calls.keys(), asking)
        if isinstance(step, Idle | Wait):
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
        calls_open = bool(open_calls(log))
        if calls_open:
            await self._servers_ready()
        return await self._hands.policies.snapshot(self.conversation, calls_open=calls_open)

    async def _servers_ready(self) -> None:
        """Wait for tool servers once per drive: a call must not be refused because its server is still starting."""
        if self._ready:
            return
        allowed = self._hands.policies.channel(self.conversation).tool_servers
        names = {status.name for status in self._hands.toolbox.status()}
        await self._hands.toolbox.ready(frozenset(names if allowed is None else names & set(allowed)), READY_S)
        self._ready = True

    async def _rest(self, log: Log, step: Idle | Wait) -> bool:
        """Stop driving, or wait for what is in flight."""
        until = step.until if isinstance(step, Wait) else None
        if self._calls or self._model is not None:
            await self.signal.wait(None if until is None else max(0.0, until - self._hands.clock.now()))
            return True
        head = log[-1].seq + 1
        if self._rested == head:
            return False
        return not await self._hands.store.agenda.rest(self.conversation, head, until)

    async def _perform(self, step: Step, log: Log, policy: Policy, effects: anyio.abc.TaskGroup) -> None:
        match step:
            case Settle():
                await self._record(Finished(step.call.id, step.outcome, step.content))
            case Judge():
                await self._record(Judged(step.call.id, step.verdict, step.by, via="rule"))
            case Ask():
                await self._ask(step, log, policy)
            case Run():
                await self._run(step, log, policy, effects)
            case Ring():
                await reminders.ring(self._hands.store, self.conversation, step)
            case Remind():
                await reminders.tell(self._hands.store, self.conversation, step)
            case Cut():
                await self._intend(log, policy, cut_without_summary(log, step.upto))
            case Stop():
                # Calls are open only where a message interrupts them.
                cancelled = cancel_waiting(log, BRIDGE.id)
                await self._intend(log, policy, *cancelled, Stopped(step.reason, step.upto, text=step.text))
            case CallModel() | Summarise() | Idle() | Wait():
                pass  # asking the model is `_about_to_call`'s

    # -- appending --------------------------------------------------------------------------------------------

    async def _record(self, *entries: Entry) -> None:
        await self._hands.store.log.record(self.conversation, *entries)

    async def _intend(self, log: Log, policy: Policy, *entries: Entry) -> tuple[Logged, ...]:
        """Append at the end of the log as it was read, and note when there will be something to do next."""
        expected = log[-1].seq + 1
        wake = self._wake(log, policy, entries)
        appended = await self._hands.store.log.intend(self.conversation, expected, *entries, wake=wake)
        self._hands.tails.add(self.conversation, *appended)
        if wake != 0.0:
            self._rested = appended[-1].seq + 1
        return appended

    def _wake(self, log: Log, policy: Policy, entries: tuple[Entry, ...]) -> float | None:
        """When there will be something to do once these entries stand in the log."""
        now = self._hands.clock.now()
        first = log[-1].seq + 1
        coming = [Logged(first + n, now, entry) for n, entry in enumerate(entries)]
        match decide([*relevant(log), *coming], policy, now, self._calls.keys()):
            case Idle():
                return None
            case Wait(until) if not self._calls:
                return until
            case _:
                return 0.0

    # -- calls ------------------------------------------------------------------------------------------------

    async def _ask(self, step: Ask, log: Log, policy: Policy) -> None:
        now = self._hands.clock.now()
        by = requested_by(self.conversation, log)
        entries: list[Entry] = []
        for call, reason in step.calls:
            spec = policy.tools[call.tool]
            wrong = self._wrong(spec, call.arguments)
            if wrong:
                entries.append(Finished(call.id, "error", wrong))
                continue
            entries.append(asked_of(call, spec, policy.asking(call.tool), now, by, reason))
        await self._intend(log, policy, *entries)

    async def _run(self, step: Run, log: Log, policy: Policy, effects: anyio.abc.TaskGroup) -> None:
        entries: list[Entry] = []
        begun: list[tuple[Call, ToolSpec, str]] = []
        for call, arguments, because in step.calls:
            spec = policy.tools.get(call.tool)
            wrong = self._wrong(spec, arguments) if spec else f"The tool '{call.tool}' is not there any more."
            if spec is None or wrong:
                entries.append(Finished(call.id, "error", wrong))
                continue
            begun.append((call, spec, arguments))
            entries.append(calling.started(call, spec, arguments, because))
        await self._intend(log, policy, *entries)
        caller = requested_by(self.conversation, log)
        for call, spec, arguments in begun:
            if spec.changed and told_of(spec.changed, call, log):
                await self._hands.toolbox.accept(spec)
            scope = self._calls[call.id] = anyio.CancelScope()
            effects.start_soon(self._tool, call, spec, arguments, caller, scope)

    def _wrong(self, spec: ToolSpec, arguments: str) -> str:
        """What is wrong with a call, as the model is told; "" if nothing is."""
        return calling.wrong(self._hands.toolbox, spec, arguments)

    async def _tool(self, call: Call, spec: ToolSpec, arguments: str, caller: str, scope: anyio.CancelScope) -> None:
        """Run one call and record its outcome. When the process ends first, there is none, and the next one settles."""
        finished: Finished | None = Finished(call.id, "stopped", calling.CUT_OFF)
        try:
            with scope:
                finished = await self._outcome(call, spec, arguments, caller)
            if finished is not None:
                await self._record(finished)
        finally:
            del self._calls[call.id]
            self.signal.set()

    async def _outcome(self, call: Call, spec: ToolSpec, arguments: str, caller: str) -> Finished | None:
        hands = self._hands
        context = CallContext(self.conversation, call.id, caller)
        told = hands.progress.listener(self.conversation, call.id, spec.name) if hands.progress else None
        finished = await calling.outcome(hands.toolbox, spec, arguments, context, told)
        if hands.progress is not None:
            hands.progress.over(self.conversation, call.id)
        return finished

    # -- the model --------------------------------------------------------------------------------------------

    async def _about_to_call(self, step: CallModel, log: Log, policy: Policy, effects: anyio.abc.TaskGroup) -> None:
        """Measure what a model call depends on, decide again, and do that."""
        # Before the intent: a process that dies while servers start has made no attempt yet.
        await self._servers_ready()
        prepared = self._requests.prepare(self.conversation, log, step.upto)
        summarise = self._requests.window(self.conversation).summarise
        spent = await self._hands.policies.spent(self.conversation)
        policy = replace(policy, spent=spent, cut=prepared.cut, summarise=summarise)
        match decide(log, policy, self._hands.clock.now(), self._calls.keys()):
            case CallModel() as call:
                started = await self._begin(log, Started("model", turn=call.turn, estimate=prepared.estimate))
                self._ask_model(started, lambda: self._attempt(call, prepared, started), log, effects)
            case Summarise() as wanted:
                request, estimate = self._requests.summary(prepared, wanted.upto)
                prepared = replace(prepared, request=request)
                started = await self._begin(log, Started("summary", turn=wanted.turn, estimate=estimate))
                self._ask_model(started, lambda: self._sum_up(wanted, prepared, started), log, effects)
            case other:
                await self._perform(other, log, policy, effects)

    async def _begin(self, log: Log, intent: Started) -> int:
        """Write down that the model is about to be asked; the seq of that."""
        return (await self._intend(log, Policy(self.conversation), intent))[-1].seq

    def _ask_model(
        self, started: int, ask: Callable[[], Awaitable[Outcome]], log: Log, effects: anyio.abc.TaskGroup
    ) -> None:
        scope = anyio.CancelScope()
        self._model = (started, scope)
        effects.start_soon(self._answer, started, ask, log, scope)

    async def _answer(
        self, started: int, ask: Callable[[], Awaitable[Outcome]], log: Log, scope: anyio.CancelScope
    ) -> None:
        """Make one attempt and append what came of it, unless the turn was stopped meanwhile."""
        read = tuple(relevant(log))
        try:
            with scope:
                entry = await ask()
                wake = self._wake(read, Policy(self.conversation), (entry,)) if isinstance(entry, Failed) else 0.0
                if isinstance(entry, Replied) and not entry.calls and entry.ref < 0:
                    wake = None  # it has read all that was there when it was begun
                answered = await self._hands.store.log.answer(self.conversation, started, entry, wake=wake)
                if answered is not None and wake != 0.0 and answered.seq == started + 1:
                    self._rested = answered.seq + 1
        finally:
            self._model = None
            self.signal.set()

    async def _attempt(self, step: CallModel, prepared: Prepared, started: int) -> Replied | Failed:
        on_text = self._on_text(started)
        try:
            request = prepared.request
            if self._hands.fetch is not None:
                request = replace(request, fetch=partial(self._hands.fetch, self.conversation))
            reply = await self._hands.model.reply(request, on_text)
        except ModelFailed as exc:
            if on_text is not None:
                on_text("")
            return self._failed(started, step.attempt, exc)
        except Exception as exc:
            logger.exception("%s: the model call failed unexpectedly", self.conversation)
            return self._failed(started, step.attempt, ModelFailed(f"Unexpected: {type(exc).__name__}; see the log."))
        return replied(reply, started, step)

    def _on_text(self, started: int) -> OnText | None:
        """Where the reply's text goes while it grows; None where nobody could see it."""
        hands = self._hands
        if hands.show_text is nobody_looks or not hands.shows(self.conversation):
            return None
        return partial(hands.show_text, self.conversation, started)

    async def _sum_up(self, step: Summarise, prepared: Prepared, started: int) -> Summarised | Failed:
        """One attempt at a summary. However it fails, the turn goes on: the past is cut without one."""
        try:
            reply = await self._hands.model.reply(prepared.request)
        except ModelFailed as exc:
            return Failed("summary", started, str(exc), too_long=exc.kind == TOO_LONG)
        except Exception as exc:
            logger.exception("%s: the summary failed unexpectedly", self.conversation)
            return Failed("summary", started, f"Unexpected: {type(exc).__name__}; see the log.")
        text = summary_text(reply.text, prepared.budget)
        if not text:
            return Failed("summary", started, "The model answered no summary.")
        return Summarised(text, step.upto, started, reply.model, reply.usage)

    def _failed(self, started: int, attempt: int, exc: ModelFailed) -> Failed:
        retry_at = None
        if exc.kind == TOO_LONG:
            retry_at = self._hands.clock.now()  # a shorter request may do, and the next one is shorter
        elif not exc.permanent:
            pause = exc.retry_after_s if exc.retry_after_s is not None else 2.0 ** (attempt - 1)
            retry_at = self._hands.clock.now() + pause
        return Failed("model", started, str(exc), retry_at, exc.for_chat, exc.kind == TOO_LONG)

    # -- stopping ---------------------------------------------------------------------------------------------

    def _cut_off_superseded(self, log: Log) -> None:
        """Cancel what is in flight for a turn that was stopped, or for an epoch that was cleared."""
        if self._model is not None:
            started, scope = self._model
            since = takewhile(lambda logged: logged.seq > started, reversed(log))
            if any(isinstance(logged.entry, Stopped | Cleared) for logged in since):
                scope.cancel()
        if self._calls:
            wanted = {call.id for call, _ in open_calls(log)}
            for call, scope in self._calls.items():
                if call not in wanted:
                    scope.cancel()


def replied(reply: ModelReply, started: int, step: CallModel) -> Replied:
    """A model's reply as an entry: its calls get ids that are unique in the conversation."""
    read = (started, -1) if step.upto is None else (step.upto, started)
    calls = tuple(
        Call(call_id(started, index), call.tool, call.arguments, call.id) for index, call in enumerate(reply.calls)
    )
    return Replied(reply.text, calls, read[0], step.turn, reply.model, reply.usage, read[1])


def told_of(change: str, call: Call, log: Log) -> bool:
    """Whether whoever approved a call was told of this change of its tool.

    What the tool says and takes is bound by the approval's digest, but a hint may have changed since it was asked.
    """
    asked = [e.entry for e in relevant(log) if isinstance(e.entry, Asked) and e.entry.call == call.id]
    return any(change in entry.reason for entry in asked)


def cut_without_summary(log: Log, upto: int) -> Summarised:
    """A cut for which no model was asked: what an earlier summary tells stays."""
    _, before, _ = in_view(log)
    return Summarised(before.text if before else "", upto)


def asked_of(call: Call, spec: ToolSpec, how: Asking, now: float, by: str, reason: str) -> Asked:
    """The question whether a call may run, with the policy as it is now: that is what it will be decided by."""
    escalates = how.escalate_s > 0 and bool(how.escalate_to)
    return Asked(
        call.id,
        spec.server,
        call.tool,
        call.arguments,
        call_digest(spec, parse_arguments(call.arguments)),
        now + how.expires_s if how.expires_s > 0 else 0.0,
        by,
        reason,
        how.route,
        how.quorum,
        how.remind_s,
        now + how.escalate_s if escalates else 0.0,
        how.escalate_to if escalates else "",
    )


def requested_by(conversation: str, log: Log) -> str:
    """Who asked for the calls of the last batch: a client, or the assistant, and for whom it works.

    Those are the clients and the people whose messages are in the turn; the owner's own are the bridge's.
    """
    people: dict[str, None] = {}
    log = relevant(log)
    read = max((e.entry.upto for e in log if isinstance(e.entry, Replied)), default=0)
    for logged in log:
        match logged.entry:
            case Requested(by=by):
                return by
            case Heard(to="assistant", sender=sender) if logged.seq < read:
                if sender.kind == "client":
                    people[sender.id] = None
                elif sender.kind == "person":
                    people[f"{conversation.partition('/')[0]}:{sender.id}"] = None
            case _:
                pass
    return f"assistant for {', '.join(people)}" if people else "assistant"
