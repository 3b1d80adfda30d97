"""Any order of asking, deciding, granting, taking, reporting, taking back, time and restarts, with an engine at times.

Agents run these calls themselves, so what is held to is the taking: a call is taken if and only if exactly one valid
verdict for its digest says so, by whoever asked, in time, and once.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Literal, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bridge_mcp.core.approval_settings import ApprovalSettings
from bridge_mcp.core.asking import ask_entry
from bridge_mcp.core.decide import decide
from bridge_mcp.core.entries import Started, approval_id
from bridge_mcp.core.errors import AlreadyDecided, BadInput, Denied, NotFound
from bridge_mcp.core.policy import Principal, ToolRule
from bridge_mcp.core.requests import request_in
from bridge_mcp.core.steps import Ask
from bridge_mcp.core.tools import canonical
from bridge_mcp.operations.approval_requests import ApprovalRequests
from bridge_mcp.operations.approvals import ApprovalDesk, ApprovalOptions, no_check
from bridge_mcp.operations.external_calls import ExternalCalls
from bridge_mcp.ports import Rules, Store
from bridge_mcp.service import Bridge, Submission
from bridge_mcp.stores.sqlite import open_store, verify
from bridge_mcp.testing import ManualClock

T = TypeVar("T")

AGENT, OTHER = (Principal(name, "client", frozenset({"tools"})) for name in ("agent", "other"))
PEOPLE = {
    "ann": Principal("ann", "client", frozenset({"approve"}), via="mcp"),
    "agent": Principal("agent", "client", frozenset({"approve"}), via="mcp"),
    "guest": Principal("guest", "client", frozenset({"read"})),
}
TTL_S, CLAIM_S = 100.0, 600.0
RULES = Rules(
    asking=ApprovalSettings(confirmation="never", expires_s=TTL_S),
    tools=(ToolRule("*", {"confirmation": "never"}), ToolRule("request:agent__look", {"confirmation": "never"})),
    provider=True,
)
"""No word about other tools frees these calls; looking is free by the one that names them."""

Fate = Literal["waiting", "yes", "edited", "no"]


class Requests(RuleBasedStateMachine):
    """Calls of one agent, each in a log of its own; `fates` is what a plain model says."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = ManualClock(1000.0)
        self.store: Store = self.run(self.opened())
        self.tickets: list[str] = []
        self.fates: dict[str, Fate] = {}
        """By ticket: what was decided."""
        self.decided_at: dict[str, float] = {}
        self.due: dict[str, float] = {}
        """By ticket: when its time is over; those that nobody was asked about have none."""
        self.taken: dict[str, str] = {}
        """By ticket: the key with which it was taken."""
        self.told: dict[str, str] = {}
        self.granted = False

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    async def opened(self) -> Store:
        return await open_store(Path(self.folder.name) / "bridge.db", clock=self.clock)

    @property
    def bridge(self) -> Bridge:
        return Bridge(self.store, RULES, {}, clock=self.clock, check=no_check)

    def teardown(self) -> None:
        self.run(self.store.close())
        assert verify(Path(self.folder.name) / "bridge.db") == ()
        self.loop.close()
        self.folder.cleanup()

    def among(self, newest: int) -> str:
        return self.tickets[max(0, len(self.tickets) - 1 - newest)]

    # -- what happens -----------------------------------------------------------------------------------------

    @initialize()
    def begin(self) -> None:
        self.ask("act")

    @rule(tool=st.sampled_from(["act", "act", "act", "look"]))
    @precondition(lambda self: len(self.tickets) < 8)
    def ask(self, tool: str) -> None:
        found = self.run(self.bridge.request_approval(AGENT, Submission(tool, {"n": 1})))
        self.tickets.append(found.id)
        free = tool == "look" or self.granted
        assert found.outcome == ("approved" if free else "")
        self.fates[found.id], self.decided_at[found.id] = ("yes" if free else "waiting"), self.clock.now()
        self.engine()

    @rule()
    def engine(self) -> None:
        """The engine looks at each call that waits: it asks people."""
        for ticket in self.tickets:
            self.run(self.asked(ticket))

    async def asked(self, ticket: str) -> None:
        conversation = ticket.removeprefix("call:")
        log = await self.store.log.load(conversation)
        found = request_in(conversation, log)
        assert found is not None
        policy = await ExternalCalls(self.store, RULES, self.clock, "").policy(conversation, found.external)
        now = self.clock.now()
        match decide(log, policy, now):
            case Ask(((call, because),)):
                entry = ask_entry(
                    call, policy.tools[call.tool], policy.asking(call.tool), now, found.by, because, found.external
                )
                await self.store.log.intend(conversation, log[-1].seq + 1, entry)
                self.due[ticket] = now + TTL_S
            case _:
                pass

    @rule(newest=st.integers(0, 3), who=st.sampled_from(["ann", "ann", "agent", "guest"]),
          how=st.sampled_from(["once", "edit", "always", "no", "foreign"]))  # fmt: skip
    def decide(self, newest: int, who: str, how: str) -> None:
        """Somebody gives a verdict, on what may be over long ago."""
        ticket = self.among(newest)
        open_before = self.waits(ticket)
        try:
            self.run(self.verdict(ticket, who, how))
        except (Denied, BadInput):
            assert who != "ann" or how in ("edit", "foreign") or ticket not in self.due
            return
        except AlreadyDecided:
            assert not open_before
            return
        assert (open_before, who) == (True, "ann")
        self.fates[ticket] = "no" if how == "no" else "edited" if how == "edit" else "yes"
        self.decided_at[ticket] = self.clock.now()
        self.granted |= how == "always"

    async def verdict(self, ticket: str, who: str, how: str) -> None:
        approval = await self.store.approvals.get(approval_id(ticket.removeprefix("call:"), "0.0"))
        if approval is None:
            raise NotFound("nobody was asked")
        desk = ApprovalDesk(self.store, self.clock, no_check, separate=False)
        if how == "no":
            await desk.reject(PEOPLE[who], (approval,))
            return
        yes = ApprovalOptions(
            "sha256:00" if how == "foreign" else "",
            {"n": 2} if how == "edit" else None,
            "always" if how == "always" else "once",
        )
        await desk.approve(PEOPLE[who], (approval,), yes)

    @rule(
        newest=st.integers(0, 3),
        key=st.sampled_from(["a", "a", "b", ""]),
        who=st.sampled_from([AGENT, AGENT, OTHER]),
        digest=st.sampled_from(["right", "right", "right", "asked", "sha256:00"]),
    )
    def take(self, newest: int, key: str, who: Principal, digest: str) -> None:
        """Somebody comes for a verdict."""
        ticket = self.among(newest)
        found = self.run(ApprovalRequests(self.store, RULES, self.clock).state(ticket.removeprefix("call:")))
        self.see(ticket)
        right = found.judged.digest if found.judged is not None else "none"
        shown = {"right": right, "asked": self.asked_digest}.get(digest, digest)
        again = bool(key) and self.taken.get(ticket) == key
        may = ticket not in self.taken and self.lets_run(ticket) and shown == right
        try:
            taken = self.run(self.bridge.consume_approval(who, ticket, digest=shown, idempotency_key=key))
        except NotFound:
            assert who is OTHER
            return
        except (AlreadyDecided, BadInput):
            assert who is AGENT
            assert not again
            assert not may
            return
        assert who is AGENT
        assert may or again
        self.taken.setdefault(ticket, key)
        assert taken.arguments == canonical({"n": 2 if self.fates[ticket] == "edited" else 1})

    @rule(
        newest=st.integers(0, 3), outcome=st.sampled_from(["ok", "error"]), who=st.sampled_from([AGENT, AGENT, OTHER])
    )
    def tell(self, newest: int, outcome: Literal["ok", "error"], who: Principal) -> None:
        ticket = self.among(newest)
        try:
            self.run(self.bridge.report_outcome(who, ticket, outcome))
        except (NotFound, AlreadyDecided, BadInput):
            assert who is OTHER or ticket not in self.taken or self.told.get(ticket, outcome) != outcome
            return
        assert who is AGENT
        assert ticket in self.taken
        assert self.told.setdefault(ticket, outcome) == outcome

    @rule(newest=st.integers(0, 3))
    def withdraw(self, newest: int) -> None:
        ticket = self.among(newest)
        waited = self.waits(ticket, unasked=True)
        try:
            self.run(self.bridge.withdraw_request(AGENT, ticket.removeprefix("call:")))
        except AlreadyDecided:
            assert not waited
            return
        self.see(ticket)
        if self.fates[ticket] == "waiting":
            self.fates[ticket] = "no"

    @rule(seconds=st.sampled_from([1.0, TTL_S - 1, TTL_S, CLAIM_S]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule()
    def restart(self) -> None:
        self.run(self.store.close())
        self.store = self.run(self.opened())

    # -- the plain model --------------------------------------------------------------------------------------

    @property
    def asked_digest(self) -> str:
        """The digest of what was asked for, before anybody edited it."""
        for ticket in self.tickets:
            approval = self.run(self.store.approvals.get(approval_id(ticket.removeprefix("call:"), "0.0")))
            if approval is not None and approval.tool == "request:agent__act":
                return approval.digest
        return "none"

    def see(self, ticket: str) -> None:
        """What time, or a grant, has decided by now."""
        if self.fates[ticket] == "waiting" and self.clock.now() >= self.due.get(ticket, self.clock.now() + 1):
            self.fates[ticket] = "no"
        elif self.fates[ticket] == "waiting" and self.granted:
            self.fates[ticket], self.decided_at[ticket] = "yes", self.clock.now()

    def waits(self, ticket: str, *, unasked: bool = False) -> bool:
        """Whether a call waits for a verdict, before anybody looks at it."""
        asked = ticket in self.due and self.clock.now() < self.due[ticket]
        return (
            self.fates[ticket] == "waiting"
            and (asked or (unasked and ticket not in self.due))
            and not (unasked and self.granted)
        )

    def lets_run(self, ticket: str) -> bool:
        return self.fates[ticket] in ("yes", "edited") and self.clock.now() < self.decided_at[ticket] + CLAIM_S

    @invariant()
    def what_was_taken_was_begun_once_and_nothing_else_was(self) -> None:
        for ticket in self.tickets:
            log = self.run(self.store.log.load(ticket.removeprefix("call:")))
            begun = [each.entry for each in log if isinstance(each.entry, Started)]
            assert len(begun) == (ticket in self.taken)


TestRequests = Requests.TestCase
TestRequests.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
