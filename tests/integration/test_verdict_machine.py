"""Any order of asking, deciding (late, double, foreign, edited, by several), granting (also for a time), revoking,
tools that become others, leave and come back, time and restarts, on a real store: a call runs if and only if its policy
or a valid verdict for it says so, and once.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from bridge_mcp.core.approval_settings import ApprovalSettings, Reviewer
from bridge_mcp.core.asking import ask_entry
from bridge_mcp.core.decide import decide
from bridge_mcp.core.entries import Call, Entry, Finished, Judged, Requested, Reviewed, Started, approval_id
from bridge_mcp.core.errors import AlreadyDecided, BadInput, Denied
from bridge_mcp.core.evidence import closing_entries
from bridge_mcp.core.grants import Grant
from bridge_mcp.core.people import People
from bridge_mcp.core.policy import Policy, Principal, ToolRule
from bridge_mcp.core.steps import Ask, Escalate, Judge, Remind, Review, Run, Settle
from bridge_mcp.core.tools import JSON, ToolSpec, call_digest, canonical
from bridge_mcp.operations.approvals import ApprovalDesk, ApprovalOptions, no_check
from bridge_mcp.ports import Store
from bridge_mcp.stores.sqlite import open_store, verify
from bridge_mcp.testing import ManualClock

T = TypeVar("T")

TOOLS = {
    name: ToolSpec(
        name, "t", name.partition("__")[2], description="", schema='{"type":"object"}', read_only=name == "t__look"
    )
    for name in ("t__look", "t__act", "t__both", "t__seen")
}
REVIEWER = Reviewer("small", "policy.md", "approve")
RULES = (ToolRule("t__both", {"quorum": 2, "review": REVIEWER}), ToolRule("t__seen", {"review": REVIEWER}))
"""Looking is free, acting takes a verdict, `both` takes two, and what is `seen` takes a reviewer's or a person's."""

PEOPLE = {name: Principal(name, "client", frozenset({"approve"}), via="mcp") for name in ("ann", "bob", "caller")} | {
    "guest": Principal("guest", "client", frozenset({"read"}))
}
OFTEN = ("t__act", "t__act", "t__act", "t__both", "t__look", "t__seen", "t__seen")
OPINIONS = ("approve", "reject", "escalate", "nothing")
"""What a reviewer says; nothing: it was begun, and the process ended."""
DECIDING = ("ann", "ann", "bob", "bob", "caller", "guest")
NAMED = People({"ann": "ann", "bob": "bob", "caller": "caller"})
RARELY = st.sampled_from([False, False, False, False, True])
PATHS = ("safe/a", "safe/../b", "c")
TTL_S = 100.0


class Verdicts(RuleBasedStateMachine):
    """Calls of one client, each in a log of its own, decided by several; `expected` is what a plain model says."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = ManualClock(1000.0)
        self.store: Store = self.run(self.opened())
        self.calls: dict[str, Call] = {}
        """By conversation."""
        self.yes: dict[str, set[str]] = {}
        self.decided: dict[str, str] = {}
        self.due: dict[str, float] = {}
        self.ran: list[str] = []
        self.grants: dict[int, tuple[str, str, float]] = {}
        """By id: the tool, the pattern of its path ("" for any), and when it ends (0: never)."""
        self.tools = dict(TOOLS)
        self.asked: dict[str, ToolSpec] = {}
        """By conversation: the tool as it was when a verdict was asked for, or when its arguments were edited."""
        self.away: set[str] = set()
        self.opinion: Any = "escalate"
        """What the reviewer says of the next call."""
        self.judged: dict[str, float] = {}
        """By conversation: when the verdict came."""

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    async def opened(self) -> Store:
        return await open_store(Path(self.folder.name) / "bridge.db", clock=self.clock)

    def teardown(self) -> None:
        self.run(self.store.close())
        assert verify(Path(self.folder.name) / "bridge.db") == ()
        self.loop.close()
        self.folder.cleanup()

    def among(self, newest: int) -> str:
        """One of the calls, counted back from the newest."""
        return list(self.calls)[max(0, len(self.calls) - 1 - newest)]

    # -- what happens -----------------------------------------------------------------------------------------

    @initialize()
    def begin(self) -> None:
        self.ask("t__act", "safe/a")

    @rule(tool=st.sampled_from(OFTEN), path=st.sampled_from(PATHS), opinion=st.sampled_from(OPINIONS))
    @precondition(lambda self: len(self.calls) < 8)
    def ask(self, tool: str, path: str, opinion: str = "escalate") -> None:
        """The caller asks for a call; the engine looks at it, and where its rule says so a reviewer does."""
        self.opinion = opinion
        conversation = f"calls/caller.{len(self.calls)}"
        call = self.calls[conversation] = Call("0.0", tool, canonical({"path": path}))
        if tool in self.away:
            self.decided[conversation] = "no"
        self.run(self.store.log.intend(conversation, 0, Requested((call,), "caller")))
        self.drive()

    @rule(newest=st.integers(0, 3), who=st.sampled_from(DECIDING), remember=st.sampled_from(["once", "always"]),
          pattern=st.sampled_from(["", "safe/*", "safe/*", "*"]), edit=RARELY, foreign=RARELY,
          lasting=st.sampled_from([0.0, 0.0, TTL_S / 2]))  # fmt: skip
    def approve(
        self, newest: int, who: str, remember: Any, pattern: str, edit: bool, foreign: bool, lasting: float
    ) -> None:
        """Somebody says yes, to what may be over long ago."""
        conversation = self.among(newest)
        patterns = {"path": pattern} if pattern and remember == "always" else {}
        arguments: dict[str, JSON] | None = {"path": "edited"} if edit else None
        lasting = lasting if remember == "always" else 0.0
        yes = ApprovalOptions(
            "sha256:00" if foreign else "", arguments, remember, remember_arguments=patterns, remember_s=lasting
        )
        if not self.run(self.verdict(conversation, who, yes)):
            return
        call, quorum = self.calls[conversation], self.quorum(conversation)
        self.yes.setdefault(conversation, set()).add(who)
        if len(self.yes[conversation]) >= quorum:
            # Edited arguments were checked against the tool as it is now; else it has to be the one that was asked for.
            if edit:
                self.asked[conversation] = self.tools[call.tool]
            self.decided[conversation] = "edited" if edit else "as it is"
            self.judged[conversation] = self.clock.now()
        else:
            approval = self.run(self.store.approvals.get(approval_id(conversation, "0.0")))
            assert approval is not None
            assert approval.status == "waiting", "one yes of two decides nothing"
        if remember == "always":
            found = {grant.id: grant for grant in self.run(self.store.grants.active(self.clock.now()))}
            (new,) = found.keys() - self.grants.keys()
            self.grants[new] = (call.tool, pattern, self.clock.now() + lasting if lasting else 0.0)
        self.drive()

    @rule(newest=st.integers(0, 3), who=st.sampled_from(DECIDING))
    def reject(self, newest: int, who: str) -> None:
        conversation = self.among(newest)
        if self.run(self.verdict(conversation, who, None)):
            self.decided[conversation] = "no"
        self.drive()

    @rule(data=st.data())
    @precondition(lambda self: self.grants)
    def revoke(self, data: st.DataObject) -> None:
        grant = data.draw(st.sampled_from(sorted(self.grants)))
        self.run(self.store.grants.revoke(grant))
        del self.grants[grant]

    @rule(tool=st.sampled_from(["t__act", "t__both"]))
    def change(self, tool: str) -> None:
        """A tool becomes another one; what was approved is not that."""
        before = self.tools[tool]
        self.tools[tool] = replace(before, schema=f'{{"type":"object","title":"{len(before.schema)}"}}')

    @rule(tool=st.sampled_from(["t__act", "t__both", "t__act"]))
    def leave(self, tool: str) -> None:
        """A tool's server lists it no more, for a while."""
        self.away.add(tool)

    @rule()
    @precondition(lambda self: self.away)
    def come_back(self) -> None:
        """All are there again; what was approved meanwhile runs."""
        self.away.clear()
        self.drive()

    @rule(seconds=st.sampled_from([1.0, 60.0, TTL_S]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule()
    def look(self) -> None:
        self.drive()

    @rule()
    def restart(self) -> None:
        self.run(self.store.close())
        self.store = self.run(self.opened())
        self.drive()

    # -- the bridge's part ------------------------------------------------------------------------------------

    async def verdict(self, conversation: str, who: str, yes: ApprovalOptions | None) -> bool:
        """Give a verdict by the way that all go; whether it was taken."""
        approval = await self.store.approvals.get(approval_id(conversation, "0.0"))
        if approval is None:
            return False
        desk = ApprovalDesk(self.store, self.clock, no_check, separate=False, people=NAMED)
        await self.store.status.put("tools", {"tools": [shown(spec) for spec in self.there.values()], "servers": []})
        open_before = approval.status == "waiting" and self.clock.now() < approval.expires_at
        mine = who in self.yes.get(conversation, set())
        try:
            if yes is None:
                await desk.reject(PEOPLE[who], (approval,))
            else:
                await desk.approve(PEOPLE[who], (approval,), yes)
        except Denied:
            assert who in ("caller", "guest")
            return False
        except AlreadyDecided:
            assert not open_before
            return False
        except BadInput:
            return False
        assert who in ("ann", "bob"), "nobody else may decide"
        if yes is not None:
            assert open_before
            assert yes.digest == ""
        return not mine or yes is None

    @property
    def there(self) -> dict[str, ToolSpec]:
        """The tools that can be called now."""
        return {name: spec for name, spec in self.tools.items() if name not in self.away}

    def drive(self) -> None:
        """Do what `decide` says in every log, and count what runs."""
        for conversation, call in self.calls.items():
            if self.decided.get(conversation) in ("as it is", "edited") and conversation not in self.ran:
                over = self.clock.now() >= self.judged[conversation] + TTL_S
                changed = self.tools[call.tool] != self.asked[conversation]
                if over if call.tool in self.away else changed:
                    self.decided[conversation] = "no"
            while self.run(self.step(conversation)):
                pass

    async def step(self, conversation: str) -> bool:
        log = await self.store.log.load(conversation)
        now = self.clock.now()
        policy = Policy(
            conversation,
            self.there,
            grants=await self.store.grants.active(now),
            defaults=ApprovalSettings(expires_s=TTL_S),
            rules=RULES,
        )
        entries: list[Entry]
        step = decide(log, policy, now)
        match step:
            case Settle(call, outcome, content):
                entries = [*closing_entries(log, Finished(call.id, outcome, content))]
            case Remind(reminded=reminded):
                entries = [reminded]
            case Judge(call=call, verdict=verdict, by=by):
                if by == "reviewer":
                    assert call.tool == "t__seen", "it decides what its rule lets it decide, and nothing else"
                    assert conversation not in self.decided, "people were faster"
                    assert verdict == {"approve": "approved", "reject": "rejected"}[self.opinion]
                    self.decided[conversation] = "as it is" if verdict == "approved" else "no"
                    self.judged[conversation] = now
                elif verdict == "approved":
                    assert self.covered(conversation), "freed by a grant that covers it"
                    self.decided.setdefault(conversation, "freed")
                else:
                    assert now >= self.due[conversation]
                    self.decided.setdefault(conversation, "no")
                entries = [Judged(call.id, verdict, by, digest=step.digest, note=step.note, via=step.via)]
            case Review(call):
                said = [] if self.opinion == "nothing" else [Reviewed(call.id, self.opinion)]
                entries = [Started("review", call=call.id), *said]
            case Escalate(call, digest, reason):
                entries = [Reviewed(call.id, "escalate", reason, digest=digest)]
            case Ask(asked):
                assert not self.covered(conversation)
                self.due[conversation] = now + TTL_S
                self.asked[conversation] = self.tools[self.calls[conversation].tool]
                entries = [
                    ask_entry(
                        c, self.tools[c.tool], policy.asking(c.tool), now, "caller", because, review=policy.reviewer(c)
                    )
                    for c, because in asked
                ]
            case Run(((call, arguments, because),)):
                self.check_run(conversation, arguments, because)
                entries = [
                    Started("tool", call=call.id, tool=call.tool, arguments=arguments, cleared_by=because),
                    Finished(call.id, "ok", "done"),
                ]
            case _:
                return False
        await self.store.log.record(conversation, *entries)
        return True

    def check_run(self, conversation: str, arguments: str, because: str) -> None:
        """A call runs: is that right, and is it what was let run?"""
        assert conversation not in self.ran, "it runs once"
        self.ran.append(conversation)
        call, verdict = self.calls[conversation], self.decided.get(conversation, "")
        if verdict:
            assert verdict in ("as it is", "edited", "freed"), because
            assert call.tool not in self.away
            assert arguments == (canonical({"path": "edited"}) if verdict == "edited" else call.arguments)
        else:
            assert call.tool == "t__look" or self.covered(conversation), because
            assert arguments == call.arguments

    def quorum(self, conversation: str) -> int:
        return 2 if self.calls[conversation].tool == "t__both" else 1

    def covered(self, conversation: str) -> bool:
        """Whether a grant that was given, not revoked and is not over covers a call, in the plainest words."""
        call = self.calls[conversation]
        path = call.arguments.removeprefix('{"path":"').removesuffix('"}')
        fits = {"": True, "*": ".." not in path, "safe/*": path == "safe/a"}
        return self.quorum(conversation) == 1 and any(
            tool == call.tool and fits[pattern] and (not ends or self.clock.now() < ends)
            for tool, pattern, ends in self.grants.values()
        )

    # -- what has to hold at any time -------------------------------------------------------------------------

    @invariant()
    def what_was_let_run_ran_and_nothing_else(self) -> None:
        for conversation, call in self.calls.items():
            verdict = self.decided.get(conversation, "")
            if call.tool == "t__look" or verdict == "freed":
                assert conversation in self.ran
            if verdict in ("as it is", "edited") and call.tool not in self.away:
                assert conversation in self.ran
            if verdict == "no":
                assert conversation not in self.ran
            if len(self.yes.get(conversation, ())) < self.quorum(conversation) == 2:
                assert conversation not in self.ran


def shown(spec: ToolSpec) -> JSON:
    return {"name": spec.name, "server": spec.server, "tool": spec.tool, "description": "", "schema": spec.schema,
            "read_only": spec.read_only}  # fmt: skip


TestVerdicts = Verdicts.TestCase
TestVerdicts.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


def test_an_edit_is_another_digest() -> None:
    spec = TOOLS["t__act"]
    assert call_digest(spec, {"path": "a"}) != call_digest(spec, {"path": "edited"})
    assert Grant(1, "t__act").covers("t__act", {"path": "a"}, "x/1", 0.0)
