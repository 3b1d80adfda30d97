"""Calls that their caller runs itself: asked for, begun once they may, and finished, each by an entry in the log.

What a door of the bridge needs for a call (see `core.external_calls`): it asks, the engine has people decide, and the
door runs what may run, once. A door is no engine: it decides by the same `decide`, and only on what is free at once.

    now = await calls.free(request)              a call that may run at once
    if now is not None:
        begun = await calls.begin(request, now)  one that only reads may run meanwhile
    else:
        await calls.ask(request)                 it waits; the engine asks people
        begun = await calls.cleared(request.conversation, timeout_s)
    ...                                          run it with `begun.arguments`
    await calls.finish(begun, Finished(...))
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from bridge_mcp.core.decide import decide
from bridge_mcp.core.entries import (
    Call,
    Collected,
    Entry,
    External,
    Finished,
    Judged,
    Log,
    Logged,
    Requested,
    Started,
    Stopped,
    call_id,
)
from bridge_mcp.core.errors import Conflict
from bridge_mcp.core.evidence import closing_entries, outcome_of, with_evidence
from bridge_mcp.core.external_calls import LOOK_S, asking_at_doors, external_tool, rules_at_door
from bridge_mcp.core.grants import Grant, makes_grants
from bridge_mcp.core.policy import Policy
from bridge_mcp.core.requests import asking_for_requests, is_requested, rules_for_requests
from bridge_mcp.core.steps import HandOver
from bridge_mcp.core.tools import JSON, arguments_text, call_digest, parse_arguments
from bridge_mcp.operations.appending import append_following
from bridge_mcp.operations.commit_wait import CommitWait
from bridge_mcp.ports import Clock, Rules, Store

__all__ = [
    "ONLY_CALL",
    "Begun",
    "ExternalCalls",
    "Request",
    "lapse",
    "outcome_entry",
    "policy_of",
    "report",
    "request_of",
    "runners",
]

ONLY_CALL = call_id(0, 0)
"""The id of the one call of such a log."""


class Request(Struct, frozen=True):
    """One call that somebody wants to make, and the log that is to tell of it."""

    conversation: str
    entry: Requested

    @property
    def call(self) -> Call:
        """The call itself."""
        return self.entry.calls[0]

    @property
    def external(self) -> External:
        """Whose tool it is."""
        assert self.entry.external is not None, "a request for what the engine runs"
        return self.entry.external


class Begun(Struct, frozen=True):
    """A call that is this process's to run, now and once."""

    conversation: str
    intent: Started
    """What its log says of it, or is to say."""
    head: int = 0
    """The seq that the next entry of its log gets, if nobody else writes."""
    edited: bool = False
    """Whether an approver has changed the arguments."""

    @property
    def call(self) -> str:
        """Its id in its log."""
        return self.intent.call

    @property
    def arguments(self) -> str:
        """The JSON text it runs with: as asked for, or as an approver has changed it."""
        return self.intent.arguments

    @property
    def because(self) -> str:
        """What let it run."""
        return self.intent.cleared_by


def request_of(conversation: str, external: External, arguments: Mapping[str, JSON], by: str) -> Request:
    """A request for one call.

    Raises:
        BadInput: the arguments are not taken.
    """
    call = Call(ONLY_CALL, external_tool(external).name, arguments_text(arguments))
    return Request(conversation, Requested((call,), by=by, external=external))


def policy_of(
    rules: Rules,
    conversation: str,
    external: External,
    grants: tuple[Grant, ...] = (),
    callers: frozenset[str] | None = None,
) -> Policy:
    """What `decide` may know of such a call beside its log."""
    spec = external_tool(external)
    requested = is_requested(external)
    return Policy(
        conversation=conversation,
        tools={spec.name: spec},
        grants=grants if makes_grants(spec.name) else (),
        budget=rules.budget,
        own_places=rules.own_places,
        cli=rules.cli,
        separate=rules.separate,
        defaults=asking_for_requests(rules.asking) if requested else asking_at_doors(rules.asking),
        rules=rules_for_requests(rules.tools) if requested else rules_at_door(rules.tools, external.server),
        callers=callers,
    )


def runners(log: Log) -> tuple[str, ...]:
    """The processes whose end would change what comes next: who asked, and who runs the call."""
    names: list[str] = []
    for logged in log:
        match logged.entry:
            case Requested(external=External(caller=caller)):
                names.append(caller)
            case Started(runner=runner):
                names.append(runner)
            case _:
                pass
    return tuple(name for name in dict.fromkeys(names) if name)


def outcome_entry(log: Log) -> Finished | Stopped | None:
    """What became of the one call of a log; None while nothing has."""
    entries = (logged.entry for logged in log)
    return next((entry for entry in entries if isinstance(entry, Finished | Stopped)), None)


class ExternalCalls(Struct, frozen=True):
    """The calls of one process, which `caller` names (`callers.CallerLock`); "" for callers elsewhere."""

    store: Store
    rules: Rules
    clock: Clock
    caller: str

    async def free(self, request: Request) -> Begun | None:
        """The call, if it may run at once; nothing is written. None: it needs a verdict, or cannot run at all."""
        now = self.clock.now()
        asked = (Logged(0, now, request.entry),)
        step = decide(asked, policy_of(self.rules, request.conversation, request.external), now)
        if not isinstance(step, HandOver):  # grants only add to what may run: most free calls need no look at them
            step = decide(asked, await self.policy(request.conversation, request.external), now)
        if not isinstance(step, HandOver):
            return None
        return Begun(request.conversation, self._intent(step, request.entry))

    async def begin(self, request: Request, free: Begun) -> Begun:
        """Write that a free call is asked for and begun, in one step.

        Raises:
            Conflict: its log has entries already.
        """
        wake = self.clock.now() + LOOK_S
        entries = await self.store.log.intend(request.conversation, 0, request.entry, free.intent, wake=wake)
        return replace(free, head=len(entries))

    async def ask(self, request: Request) -> None:
        """Write that a call is asked for: the engine takes it from here.

        Raises:
            Conflict: its log has entries already.
        """
        await self.store.log.intend(request.conversation, 0, request.entry)

    async def cleared(self, conversation: str, timeout_s: float) -> Begun | Finished | Stopped | None:
        """Wait until a call may run, and begin it; or until it is over. None when time is up.

        What is begun here is nobody else's to run any more. Of several processes that wait, one begins it; the others
        wait for its outcome.
        """
        with CommitWait(self.store.agenda, timeout_s) as wait:
            while True:
                log = await self.store.log.load(conversation)
                outcome = outcome_entry(log)
                if outcome is not None:
                    return outcome
                begun = await self.take(conversation, log)
                if begun is not None:
                    return begun
                if not await wait.more(LOOK_S):
                    return None

    async def finish(self, begun: Begun, finished: Finished, *, collected_by: str = "", patient: bool = False) -> bool:
        """Write what became of a call, and with `collected_by` that this one has it; False if its log says already.

        `patient`: it may be written a moment later, with what comes next. A crash before that leaves `unknown`.
        """
        outcome = outcome_of(begun.intent, finished)
        entries = (outcome, Collected(begun.call, collected_by)) if collected_by else (outcome,)
        try:
            await self.store.log.intend(begun.conversation, begun.head, *entries, wake=None, patient=patient)
        except Conflict:
            recorded = await self.store.log.record(begun.conversation, *entries)
            return recorded[0].new
        return True

    async def collect(self, conversation: str, by: str) -> bool:
        """Write that whoever asked has been given the outcome; False if somebody was given it before."""
        (recorded,) = await self.store.log.record(conversation, Collected(ONLY_CALL, by))
        return recorded.new

    async def verdict(self, conversation: str) -> Judged | None:
        """The verdict on a call, with its note and by whom; None while there is none."""
        log = await self.store.log.load(conversation)
        return next((logged.entry for logged in log if isinstance(logged.entry, Judged)), None)

    async def take(self, conversation: str, log: Log, claim: str = "") -> Begun | None:
        """Begin a call if it may run now; None if it may not, or somebody else was faster.

        `claim` is the key with which its caller came for it, where that is not a process of this machine.
        """
        asked = next((logged.entry for logged in log if isinstance(logged.entry, Requested)), None)
        if asked is None or asked.external is None:
            return None
        now = self.clock.now()
        step = decide(log, await self.policy(conversation, asked.external), now)
        if not isinstance(step, HandOver):
            return None
        intent, head = self._intent(step, asked, claim), log[-1].seq + 1
        try:
            await self.store.log.intend(conversation, head, intent, wake=now + LOOK_S)
        except Conflict:
            return None
        return Begun(conversation, intent, head + 1, edited=intent.arguments != asked.calls[0].arguments)

    async def policy(self, conversation: str, external: External) -> Policy:
        """What `decide` may know of such a call now."""
        name = external_tool(external).name
        grants = await self.store.grants.concerning((name,), conversation, self.clock.now())
        return policy_of(self.rules, conversation, external, grants)

    def _intent(self, step: HandOver, asked: Requested, claim: str = "") -> Started:
        """What is written before a call is run here."""
        ((call, arguments, because),) = step.calls
        assert asked.external is not None, "handed over, so it is its caller's to run"
        return Started(
            "tool",
            call=call.id,
            tool=call.tool,
            arguments=arguments,
            cleared_by=because,
            runner=self.caller,
            claim=claim,
            digest=call_digest(external_tool(asked.external), parse_arguments(arguments)),
            requested_by=asked.by,
        )


async def report(store: Store, conversation: str, finished: Finished) -> bool:
    """Write what became of a call, from whatever process; False if its log says already."""
    entries = with_evidence(await store.log.load(conversation), (finished,))
    (recorded,) = await store.log.record(conversation, *entries)
    return recorded.new


async def lapse(store: Store, conversation: str, outcome: Finished) -> bool:
    """Close a call that nobody waits for any more, and its verdict with it; False if its log says already."""

    def closing(log: Log) -> tuple[Entry, ...]:
        return closing_entries(log, outcome) if log and outcome_entry(log) is None else ()

    return await append_following(store.log, conversation, closing, whole=True, wake=None)
