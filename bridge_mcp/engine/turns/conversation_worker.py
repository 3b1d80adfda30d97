"""Works on one conversation until there is nothing to do: decide, do that step, record its outcome.

Effects (a model call, tool calls) run beside the loop, so that a verdict, a stop or another finished call is acted on
at once. The running ones (`effects`) are all that a `ConversationWorker` knows and the log does not.
"""

from __future__ import annotations

import logging
from collections.abc import Set
from pathlib import Path

import anyio
from msgspec import Struct
from msgspec.structs import replace

from bridge_mcp.core.asking import ask_entry
from bridge_mcp.core.decide import decide, decide_from
from bridge_mcp.core.entries import Call, Entry, Finished, Judged, Log, Logged, Requested, Started, Stopped, Summarised
from bridge_mcp.core.errors import Conflict
from bridge_mcp.core.evidence import closing_entries, with_evidence
from bridge_mcp.core.policy import Policy
from bridge_mcp.core.projections import BRIDGE
from bridge_mcp.core.state import State, state_of
from bridge_mcp.core.steps import (
    Ask,
    CallModel,
    Cut,
    Escalate,
    HandOver,
    Idle,
    Judge,
    Remind,
    Review,
    Ring,
    Run,
    Settle,
    Step,
    Stop,
    Summarise,
    Wait,
)
from bridge_mcp.core.tools import ToolSpec
from bridge_mcp.core.trace_context import call_trace
from bridge_mcp.core.transcript import in_view
from bridge_mcp.engine.outbound import reminders
from bridge_mcp.engine.turns import model_calls, reviews, tool_calls
from bridge_mcp.engine.turns.conversation_log import ConversationLog
from bridge_mcp.engine.turns.deps import Deps
from bridge_mcp.engine.turns.effects import Effects
from bridge_mcp.engine.turns.model_requests import Requests
from bridge_mcp.operations.conversations import cancel_waiting
from bridge_mcp.wakeup import Signal

__all__ = ["ConversationWorker"]

logger = logging.getLogger(__name__)

LOOK_AGAIN_S = 5.0

READY_S = 15.0
"""How long a turn waits for tool servers that are still connecting."""


class Look(Struct, frozen=True):
    """The input of one decision."""

    log: Log
    """The conversation's log, a live list: read it before anything is appended."""
    state: State
    """Its state."""
    policy: Policy
    running: Set[str]
    """The ids of the calls that ran before the log was read, and so those of which it tells no outcome."""
    asking: int | None
    """The seq of the model call that was under way then."""
    reviews: Set[str]
    """The ids of the calls that a reviewer looked at then."""


class ConversationWorker:
    """Works on one conversation. Set `signal` when something other than its log has changed."""

    def __init__(self, conversation: str, deps: Deps) -> None:
        self.conversation = conversation
        self.signal = Signal()
        self.until: float | None = None
        """When there will be something to do even if nothing comes in, by the last decision."""
        self.server = ""
        """The tool server that the next call is of, where another process runs it."""
        self._deps = deps
        self._log = ConversationLog(conversation, deps)
        self._interrupts = deps.policies.channel(conversation).while_busy == "interrupt"
        self._ready = False
        self._requests = Requests(deps.policies, deps.model, deps.transcripts)

    def note_head(self, head: int | None) -> None:
        """Note that the log's next seq is `head`, or unknown (None); read it if it has grown."""
        self._log.note_head(head)
        if self._log.behind:
            self.signal.set()

    async def run(self) -> None:
        """Work until there is nothing to do before something comes in. The time to wake is in the store by then."""
        async with anyio.create_task_group() as tasks:
            effects = Effects(self.conversation, self._deps, self._log, self.signal, tasks)
            while await self._advance(effects):
                pass

    async def _advance(self, effects: Effects) -> bool:
        """Do one step; False if there is no next one for now."""
        alone = effects.asking is not None and not self._interrupts
        if alone:
            await self.signal.wait()  # only the model's answer, a stop or a clearing changes the next step
            if effects.asking is not None and not self._log.behind:
                return True  # it was the notification of the own intent
        self.signal.clear()  # whatever comes in from here on is seen in the next step, if not in this one
        # Before the log is read: what ends while it is, still runs for this decision, which else would take an outcome
        # that it has not read for one that nobody knows.
        running, asking, reviewing = frozenset(effects.calls), effects.asking, frozenset(effects.reviews)
        log = await self._log.read()
        if not log:
            return False
        state = state_of(log)
        effects.cut_off_superseded(log, state)
        if alone and effects.asking is not None:
            return True
        policy = await self._policy(log, state)
        look = Look(log, state, policy, running=running, asking=asking, reviews=reviewing)
        now = self._deps.clock.now()
        step = decide_from(state, policy, now, running, asking, reviewing)
        self.server = ""
        if isinstance(step, Run):
            step, self.server = self._here(step, policy)
            if not step.calls:
                return await self._until_effect(effects, LOOK_AGAIN_S)  # else it stays due, for whoever runs the server
        if isinstance(step, Idle | Wait | HandOver):
            return await self._rest(look, step, effects)
        try:
            if isinstance(step, CallModel):
                await self._about_to_call(step, look, effects)
            elif isinstance(step, Review):
                await self._about_to_review(step, look, effects)
            else:
                await self._perform(step, look, effects)
        except Conflict:
            logger.debug("%s: somebody else appended first; looking again", self.conversation)
        return True

    async def _policy(self, log: Log, state: State) -> Policy:
        if state.external is not None:
            return await self._deps.policies.of_external(self.conversation, state.external, log)
        tools = {call.tool for call, _ in state.open_fates}
        within: tuple[str, ...] = ()
        if tools:
            await self._servers_ready()
            within = next((logged.entry.within for logged in log if isinstance(logged.entry, Requested)), ())
        return await self._deps.policies.snapshot(self.conversation, tools=tools, within=within)

    async def _servers_ready(self) -> None:
        """Wait for tool servers once per run: a call must not be refused because its server is still starting."""
        if self._ready:
            return
        allowed = self._deps.policies.channel(self.conversation).tool_servers
        names = {status.name for status in self._deps.toolbox.status()}
        await self._deps.toolbox.ready(frozenset(names if allowed is None else names & set(allowed)), READY_S)
        self._ready = True

    async def _rest(self, look: Look, step: Idle | Wait | HandOver, effects: Effects) -> bool:
        """Stop, or wait for running effects."""
        self.until = until = None if isinstance(step, Idle) else step.until
        if self.signal.given:
            return True  # a call may have ended since, and leaves no entry where its outcome comes later
        # Not longer, even if nothing is due: clocks jump, and machines sleep.
        remaining_s = None if until is None else min(LOOK_AGAIN_S, max(0.0, until - self._deps.clock.now()))
        return await self._until_effect(effects, remaining_s) or not await self._log.rest(look.state.head, until)

    async def _until_effect(self, effects: Effects, remaining_s: float | None) -> bool:
        """Wait for running effects, at most so long; False where none runs."""
        if not (effects.calls or effects.reviews or effects.asking is not None):
            return False
        await self.signal.wait(remaining_s)
        return True

    def _here(self, step: Run, policy: Policy) -> tuple[Run, str]:
        """A step with the calls that can run in this process; without any, the server of the first, which is away."""
        servers = {call.id: policy.tools[call.tool].server for call, _, _ in step.calls if call.tool in policy.tools}
        away = {call: server for call, server in servers.items() if self._deps.away(server)}
        startable = tuple(item for item in step.calls if item[0].id not in away)
        return Run(startable), "" if startable else next(iter(away.values()))

    async def _perform(self, step: Step, look: Look, effects: Effects) -> None:
        match step:
            case Settle():
                await self._settle(Finished(step.call.id, step.outcome, step.content), look)
            case Judge():
                verdict = Judged(step.call.id, step.verdict, step.by, digest=step.digest, note=step.note, via=step.via)
                # Only as the log was read: a reviewer's word may have been escalated since, or a person has spoken.
                await self._intend(look, *with_evidence(look.log, (verdict,)))
            case Escalate():
                await self._intend(look, reviews.escalate(step.call.id, step.digest, step.reason))
            case Ask():
                await self._ask(step, look)
            case Run():
                await self._run(step, look, effects)
            case Ring():
                await reminders.fire_reminder(self._deps.store, self._deps.traits, self.conversation, step)
                self._log.note_head(None)
            case Remind():
                deps = self._deps
                await reminders.send_reminder(deps.store, deps.traits, deps.clock, self.conversation, step)
                self._log.note_head(None)
            case Cut():
                await self._intend(look, cut_without_summary(look.log, step.upto))
            case Stop():
                # Calls are open only if a message interrupts them.
                cancelled = cancel_waiting(look.log, BRIDGE.id)
                await self._intend(look, *cancelled, Stopped(step.reason, step.upto, text=step.text))
            case CallModel() | Summarise() | Review() | Idle() | Wait() | HandOver():
                pass  # models are called by `_about_to_call` and `_about_to_review`

    async def _settle(self, outcome: Finished, look: Look) -> None:
        """Record an outcome; if the call waits for a verdict, cancel that in the same transaction."""
        entries = closing_entries(look.log, outcome)
        if len(entries) == 1:
            await self._log.record(*entries)
        else:
            await self._intend(look, *entries)

    async def _intend(self, look: Look, *entries: Entry) -> tuple[Logged, ...]:
        """Append at the end of the log as it was read, with the next time to wake."""
        return await self._log.intend(look.state.head, *entries, wake=self._wake(look, entries))

    def _wake(self, look: Look, entries: tuple[Entry, ...]) -> float | None:
        """When there will be something to do after these entries."""
        if any(isinstance(entry, Started) for entry in entries):
            return 0.0  # after a crash the next engine has to look at it at once
        now = self._deps.clock.now()
        coming = [Logged(look.state.head + n, now, entry) for n, entry in enumerate(entries)]
        match decide([*look.state.log, *coming], look.policy, now, look.running):
            case Idle():
                return None
            case Wait(until=until) | HandOver(until=until) if not look.running:
                return until
            case _:
                return 0.0

    # -- calls ------------------------------------------------------------------------------------------------

    async def _ask(self, step: Ask, look: Look) -> None:
        now = self._deps.clock.now()
        asker = tool_calls.requested_by(self.conversation, look.state.log)
        external, asked = tool_calls.external_of(look.log), [call for call, _ in step.calls]
        entries: list[Entry] = []
        for call, because in step.calls:
            spec = look.policy.tools[call.tool]
            reason = because + tool_calls.repetition_note(call, asked)
            wrong = await self._wrong(spec, call.arguments)
            if wrong:
                entries.append(Finished(call.id, "error", wrong))
                continue
            settings = look.policy.asking(call.tool)
            entries.append(ask_entry(call, spec, settings, now, asker, reason, external, look.policy.reviewer(call)))
        await self._intend(look, *entries)

    async def _run(self, step: Run, look: Look, effects: Effects) -> None:
        entries: list[Entry] = []
        begun: list[tuple[Call, ToolSpec, Started]] = []
        caller = tool_calls.requested_by(self.conversation, look.state.log)
        for call, arguments, because in step.calls:
            spec = look.policy.tools.get(call.tool)
            wrong = await self._wrong(spec, arguments) if spec else f"The tool '{call.tool}' is not there any more."
            if spec is None or wrong:
                entries.append(Finished(call.id, "error", wrong))
                continue
            started = tool_calls.started_entry(call, spec, arguments, because, caller)
            begun.append((call, spec, started))
            entries.append(started)
        await self._intend(look, *entries)
        verbatim = any(isinstance(logged.entry, Requested) and logged.entry.verbatim for logged in look.log)
        for call, spec, started in begun:
            if spec.changed and tool_calls.was_told_of_change(spec.changed, call, look.state.log):
                await self._deps.toolbox.accept(spec)
            trace = call_trace(self.conversation, look.log, call.id, traced=self._deps.traced)
            effects.call(call, spec, started, verbatim=verbatim, trace=trace)

    async def _wrong(self, spec: ToolSpec, arguments: str) -> str:
        """The error of a call, for the model; "" for none."""
        return await tool_calls.argument_error(self._deps.toolbox, spec, arguments)

    # -- the model --------------------------------------------------------------------------------------------

    async def _about_to_call(self, step: CallModel, look: Look, effects: Effects) -> None:
        """Measure what a model call depends on (budget, window), decide again, and do that step."""
        # Before the intent: a crash while servers start must not count as an attempt.
        await self._servers_ready()
        prepared = await self._requests.prepare(self.conversation, look.log, step.upto)
        summarise = self._requests.summarises(self.conversation)
        spent = await self._deps.policies.spent(self.conversation)
        policy = replace(look.policy, spent=spent, cut=prepared.cut, summarise=summarise)
        match decide_from(look.state, policy, self._deps.clock.now(), look.running):
            case CallModel() as call:
                started = await self._begin(look, Started("model", turn=call.turn, estimate=prepared.estimate))
                effects.ask(started, lambda: model_calls.reply(self._deps, call, prepared, started), look.state)
            case Summarise() as chosen:
                request, estimate = self._requests.summary(prepared, chosen.upto)
                prepared = replace(prepared, request=request)
                started = await self._begin(look, Started("summary", turn=chosen.turn, estimate=estimate))
                effects.ask(started, lambda: model_calls.summary(self._deps, chosen, prepared, started), look.state)
            case other:
                await self._perform(other, replace(look, policy=policy), effects)

    async def _about_to_review(self, step: Review, look: Look, effects: Effects) -> None:
        """Measure whether a reviewer may be asked, decide again, and do that."""
        deps, rates = self._deps, self._deps.review_rates
        barred = await deps.policies.spent(self.conversation)
        # The last look before the decision: nothing else runs from here until the review is counted.
        barred = barred or await rates.limit_reached(step.reviewer, deps.store, deps.clock)
        policy = replace(look.policy, unreviewable=barred)
        match decide_from(look.state, policy, deps.clock.now(), look.running, look.asking, look.reviews):
            case Review(call=call, asked=asked, reviewer=reviewer):
                spec, instructions = policy.tools[call.tool], deps.policies.prompts.policy(Path(reviewer.policy))
                log = list(look.log)
                rates.count(reviewer)
                try:
                    started = await self._begin(look, Started("review", call=call.id))
                except Conflict:
                    rates.take_back(reviewer)
                    raise
                effects.review(
                    call.id,
                    lambda: reviews.review(deps.model, self.conversation, instructions, asked, spec, log, started),
                )
            case other:
                await self._perform(other, replace(look, policy=policy), effects)

    async def _begin(self, look: Look, intent: Started) -> int:
        """Record the intent of a model call; returns its seq."""
        return (await self._intend(look, intent))[-1].seq


def cut_without_summary(log: Log, upto: int) -> Summarised:
    """A cut without a new summary: an earlier one stays."""
    _, before, _ = in_view(log)
    return Summarised(before.text if before else "", upto)
