"""Verdicts for agents that run their own calls: asked for, taken once, and reported, each by an entry in the log.

What is the same for both faces of this (MCP tools, and the routes of the Agent Approval Protocol) is here. Any process
may do all of it; the engine asks people meanwhile. What time alone decides is written by whoever looks first.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace as changed

from bridge_mcp.core.asking import ask_entry
from bridge_mcp.core.decide import decide
from bridge_mcp.core.entries import Asked, Entry, External, Finished, Judged, Log, Requested
from bridge_mcp.core.errors import AlreadyDecided, BadInput, Conflict, KeyUsed, NotFound, TooEarly, TooMany
from bridge_mcp.core.evidence import closing_entries, with_evidence
from bridge_mcp.core.policy import Policy
from bridge_mcp.core.requests import RequestState, request_in
from bridge_mcp.core.safe_text import visible
from bridge_mcp.core.steps import HandOver, Judge, Settle
from bridge_mcp.operations.addresses import CALLS
from bridge_mcp.operations.commit_wait import CommitWait
from bridge_mcp.operations.external_calls import ExternalCalls, Request, report
from bridge_mcp.operations.tickets import is_call_of
from bridge_mcp.operations.waiting_approvals import waiting
from bridge_mcp.ports import Clock, Rules, Store

__all__ = ["MAX_WAITING", "ApprovalRequests"]

MAX_WAITING = 50
"""Calls of one client that may wait for a verdict: people read each of them."""

MAX_LOOKED_AT = 1_000
"""Conversations with something to do that are looked at for calls nobody was asked about yet."""

LOOK_AGAIN_S = 5.0
"""No wait is longer without a look at the time: machines sleep."""

TRIES = 20
"""How often a verdict is tried to be taken while others write to its log."""

NO_SUCH = "Use the ticket that request_approval gave."
TAKEN_BACK = "Not run: its caller took it back."


class ApprovalRequests(Struct, frozen=True):
    """The calls of agents that run them themselves."""

    store: Store
    rules: Rules
    clock: Clock

    async def file(self, request: Request, expires_s: float = 0.0) -> tuple[RequestState, bool]:
        """Ask whether a call may run; whether that is new. The same under the same key is asked for once.

        It waits for its verdict as long as the settings say, and with `expires_s` no longer than that.

        What needs nobody has its verdict at once, in the same transaction, and keeps it whatever the settings become.

        Raises:
            KeyUsed: the key belongs to another call.
            BadInput: the call is not taken.
            TooMany: as many calls of this client wait as may.
        """
        if await self.store.log.entry(request.conversation, 0) is None:
            await self._room_for(request.entry.by)
            request = await self._with_expiry(request, expires_s) if expires_s else request
            free = await self._calls.free(request)
            try:
                if free is None:
                    await self._calls.ask(request)
                else:
                    policy = await self._calls.policy(request.conversation, request.external)
                    asked = self._ask_entry(request, policy, free.because)
                    verdict = Judged(asked.call, "approved", free.because, digest=asked.digest, via="rule")
                    await self.store.log.intend(request.conversation, 0, request.entry, asked, verdict)
                return await self.state(request.conversation), True
            except Conflict:
                pass
        first = await self.store.log.entry(request.conversation, 0)
        if first is None or as_asked(first.entry) != as_asked(request.entry):
            raise KeyUsed(
                "This idempotency_key was used for another call.", fix="Use a new key for each different call."
            )
        return await self.state(request.conversation), False

    async def state(self, conversation: str) -> RequestState:
        """How a call stands now.

        Raises:
            NotFound: there is none.
        """
        while True:
            log = await self.store.log.load(conversation)
            request = request_in(conversation, log)
            if request is None:
                raise NotFound("There is no such request for a verdict.", fix=NO_SUCH)
            entries = with_evidence(log, await self._due(request, log))
            if not entries:
                return request
            try:
                await self.store.log.intend(conversation, log[-1].seq + 1, *entries)
            except Conflict:
                continue

    async def wait_until_settled(self, conversation: str, timeout_s: float) -> RequestState:
        """The same once it waits for nobody any more, or time is up. Raises as `state`."""
        with CommitWait(self.store.agenda, timeout_s) as wait:
            while True:
                request = await self.state(conversation)
                ends = request.external.expires_at - self.clock.now() if request.external.expires_at else LOOK_AGAIN_S
                if request.standing != "waiting" or not await wait.more(min(LOOK_AGAIN_S, max(0.01, ends))):
                    return request

    async def consume(self, conversation: str, claim: str, digest: str | None = None) -> RequestState:
        """Take the verdict: from here on the call is its caller's to run, once. The same `claim` is told the same.

        With `digest`, only if the verdict is of that call.

        Raises:
            AlreadyDecided: it was taken before, or it says no, or the time for it is over.
            BadInput: it is of another call.
            Conflict: others wrote to its log again and again meanwhile.
            NotFound: there is no such call.
            TooEarly: there is no verdict yet.
        """
        for _ in range(TRIES):
            request = await self.state(conversation)
            if request.started is not None and claim and request.started.claim == claim:
                return request
            refuse(request, self.clock.now(), digest)
            log = await self.store.log.load(conversation)
            if await self._calls.take(conversation, log, claim) is not None:
                return await self.state(conversation)
        raise Conflict(
            f"The verdict on {conversation} could not be taken: its log changed again and again.",
            fix="Repeat the call.",
        )

    async def tell(self, conversation: str, outcome: Literal["ok", "error"], text: str) -> RequestState:
        """Write what came of a call that was taken. The same once more changes nothing.

        Raises:
            AlreadyDecided: its outcome is known, and another one.
            TooEarly: nobody has taken it.
            NotFound: there is no such call.
        """
        request = await self.state(conversation)
        if request.started is None:
            raise TooEarly(
                "Nobody has taken this verdict, so nothing can have run.", fix="Call consume_approval first."
            )
        if not await report(self.store, conversation, Finished(request.call.id, outcome, text)):
            request = await self.state(conversation)
            if request.finished is None or (request.finished.outcome, request.finished.content) != (outcome, text):
                raise AlreadyDecided("The outcome of this call is known already, and it is another one.")
        return await self.state(conversation)

    async def withdraw(self, conversation: str, by: str) -> RequestState:
        """Take back a call that waits. One that was taken back before is told as it is.

        Raises:
            AlreadyDecided: it has its verdict.
            NotFound: there is no such call.
        """
        while True:
            request = await self.state(conversation)
            if request.standing == "cancelled":
                return request
            if request.standing != "waiting":
                raise AlreadyDecided(f"It was {request.standing} before; that holds.")
            taken_back = Judged(request.call.id, "cancelled", by, via="api")
            log = await self.store.log.load(conversation)
            entries = (
                (taken_back,)
                if request.approval
                else closing_entries(log, Finished(request.call.id, "stopped", TAKEN_BACK))
            )
            if request_in(conversation, log) == request:
                try:
                    await self.store.log.intend(conversation, log[-1].seq + 1, *with_evidence(log, entries))
                except Conflict:
                    continue

    @property
    def _calls(self) -> ExternalCalls:
        return ExternalCalls(self.store, self.rules, self.clock, caller="")

    async def _with_expiry(self, request: Request, expires_s: float) -> Request:
        """The request with a time at which it is over, which is told before anybody is asked."""
        policy = await self._calls.policy(request.conversation, request.external)
        settings_s = policy.asking(request.call.tool).expires_s or expires_s
        until = self.clock.now() + min(settings_s, expires_s)
        return Request(
            request.conversation, changed(request.entry, external=changed(request.external, expires_at=until))
        )

    async def _due(self, request: RequestState, log: Log) -> tuple[Entry, ...]:
        """What time, a grant or a verdict has decided of a call, and nobody has written yet."""
        now, conversation = self.clock.now(), request.conversation
        policy = await self._calls.policy(conversation, request.external)
        match decide(log, policy, now):
            case Settle(call, outcome, content):
                return closing_entries(log, Finished(call.id, outcome, content))
            case Judge() as due:
                return (Judged(due.call.id, due.verdict, due.by, digest=due.digest, note=due.note, via=due.via),)
            case HandOver(((call, _, because),)) if request.judged is None:
                asked = self._ask_entry(Request(conversation, request_entry(log)), policy, because)
                return asked, Judged(call.id, "approved", because, digest=asked.digest, via="rule")
            case _:
                return ()

    def _ask_entry(self, request: Request, policy: Policy, because: str) -> Asked:
        spec = policy.tools[request.call.tool]
        settings = policy.asking(request.call.tool)
        return ask_entry(request.call, spec, settings, self.clock.now(), request.entry.by, because, request.external)

    async def _room_for(self, client: str) -> None:
        """Let pass a client whose calls do not wait in crowds.

        Raises:
            TooMany: as many wait as may.
        """
        due = await self.store.agenda.due(self.clock.now(), MAX_LOOKED_AT)
        held = {name for name in due if name.startswith(f"{CALLS}/") and is_call_of(name, client)}
        async for approval in waiting(self.store):
            if approval.requested_by == client and is_call_of(approval.conversation, client):
                held.add(approval.conversation)
            if len(held) >= MAX_WAITING:
                break
        if len(held) >= MAX_WAITING:
            raise TooMany(
                f"{MAX_WAITING} calls of {client} wait for a verdict.",
                fix="Wait until some are decided, then ask again.",
            )


def request_entry(log: Log) -> Requested:
    """What was asked for in the log of one call."""
    first = log[0].entry
    assert isinstance(first, Requested), "a log of a call begins with what was asked for"
    return first


def as_asked(entry: Entry) -> Entry:
    """What a caller asked for: without what is worked out anew for each try."""
    if isinstance(entry, Requested) and isinstance(entry.external, External):
        return changed(entry, external=changed(entry.external, expires_at=0.0))
    return entry


def refuse(request: RequestState, now: float, digest: str | None) -> None:
    """Let pass what may be taken now.

    Raises:
        AlreadyDecided: it was taken before, or it says no, or the time for it is over.
        BadInput: it is of another call.
        TooEarly: there is no verdict yet.
    """
    if request.started is not None:
        raise AlreadyDecided(
            "This verdict was taken before, and it lets one run happen.", fix="Ask again with request_approval."
        )
    if request.standing == "waiting":
        raise TooEarly("Nobody has decided on this call yet.", fix="Pass its ticket to wait_for.")
    if request.standing != "approved" or request.judged is None:
        note = f" ({visible(request.judged.note)})" if request.judged is not None and request.judged.note else ""
        raise AlreadyDecided(f"This call was {request.standing}{note}: it may not run.")
    if request.finished is not None or now >= request.run_before:
        raise AlreadyDecided(
            "This call was approved, and the time to run it is over.", fix="Ask again with request_approval."
        )
    if digest is not None and digest != request.judged.digest:
        raise BadInput(
            "The digest is not that of the approved call.",
            fix="Look at the arguments that the ticket tells: they may have been edited. Pass the digest beside them.",
        )
