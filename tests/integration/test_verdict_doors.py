"""Any order of asking at every door, deciding, killing and starting again: a call runs if and only if a free rule or
exactly one valid verdict for it says so, and once, whoever asked, and by whichever door.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from bridge_mcp.callers import CallerLock
from bridge_mcp.core.entries import Call, External, Finished, Judged, Requested, Started, approval_id
from bridge_mcp.core.errors import AlreadyDecided, BadInput, BridgeError, Denied
from bridge_mcp.core.external_calls import external_tool
from bridge_mcp.core.policy import Principal
from bridge_mcp.core.requests import request_server
from bridge_mcp.core.tools import JSON, call_digest, canonical
from bridge_mcp.hooks.after import record_news
from bridge_mcp.hooks.events import Ended, Outcome, Permission
from bridge_mcp.hooks.filing import CLAIM_S, body_of, conversations_of, principal_of
from bridge_mcp.hooks.hosts import host_named
from bridge_mcp.hooks.waiting import Waiting
from bridge_mcp.operations.approval_requests import ApprovalRequests
from bridge_mcp.operations.approvals import ApprovalDesk, ApprovalOptions, no_check
from bridge_mcp.operations.external_calls import request_of
from bridge_mcp.operations.relayed_prompts import DOOR as CHANNEL
from bridge_mcp.operations.relayed_prompts import RelayedPrompts, answered_elsewhere
from bridge_mcp.stores import quick_request
from bridge_mcp.stores.sqlite import open_store, verify
from bridge_mcp.testing import ManualClock
from tests.integration.test_verdict_machine import shown
from tests.integration.verdict_doors import RULES, SERVER, TTL_S, EngineProcess, Gate, Mortal

T = TypeVar("T")
Door = Literal["client", "gate", "hook", "request", "channel"]

HOOK = host_named("claude-code")
PEOPLE = {name: Principal(name, "client", frozenset({"approve"}), via="mcp") for name in ("ann", "agent", "stdio")} | {
    "guest": Principal("guest", "client", frozenset({"read"}))
}
DECIDING = ("ann", "ann", "ann", "ann", "ann", "ann", "agent", "stdio", "guest")
PATHS = ("a", "b")
CLAIM = 60.0
ASKED = External(request_server("agent"), "act", claim_s=CLAIM, report_s=500.0)
RARELY = st.sampled_from([False, False, False, False, False, True])
ANY = st.integers(0, 3)
FATES = ("ok", "ok", "server gone", "gate killed")


@dataclass
class Life:
    """One call, as a plain model knows it."""

    door: Door
    tool: str
    """The name under which grants know it."""
    by: str
    arguments: str
    meant: str
    """The arguments that were approved."""
    claim_s: float = float("inf")
    process: Mortal | None = None
    state: Literal["waiting", "yes", "over"] = "waiting"
    due: float = float("inf")
    """When it is too late for a verdict; people were asked if there is such a time."""
    judged_at: float = 0.0
    ran: bool = False
    told: bool = False
    """Whether its caller was told how it ended."""

    def runnable(self, now: float) -> bool:
        return self.state == "yes" and not self.ran and now < self.judged_at + self.claim_s

    @property
    def alive(self) -> bool:
        return self.process is None or not self.process.dead


class Doors(RuleBasedStateMachine):
    """Calls at five doors, each in a log of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.temporary = tempfile.TemporaryDirectory()
        folder = Path(self.temporary.name)
        self.path, self.callers = folder / "bridge.db", folder / "callers"
        self.clock = ManualClock(1000.0)
        self.store = self.run(open_store(self.path, clock=self.clock))
        self.lives: dict[str, Life] = {}
        self.granted: dict[int, str] = {}
        self.through = ""
        """The tool that is called through a gate just now."""
        self.wrong: list[str] = []
        """Calls that ran and were not to run, or not so, or not again."""
        self.engine = self.run(self.started())
        self.up = True
        self.run(self.store.status.put("tools", {"tools": [shown(each) for each in self.engine.tools], "servers": []}))
        self.processes: list[Mortal] = []
        self.gates = [self.gate(), self.gate()]

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    async def started(self) -> EngineProcess:
        return await EngineProcess.started(self.path, self.callers, self.clock, self.ran)

    def process(self) -> Mortal:
        """Another process of a door."""
        lock = CallerLock(self.callers).__enter__()
        self.processes.append(Mortal(self.store, RULES, self.clock, lock.name, lock))
        return self.processes[-1]

    def gate(self) -> Gate:
        return Gate(self.process(), self.ran)

    @property
    def now(self) -> float:
        return self.clock.now()

    def teardown(self) -> None:
        for process in self.processes:
            if not process.dead:
                process.kill()
        for conversation in [name for name, life in self.lives.items() if life.tool != "t__look"]:
            log = [logged.entry for logged in self.run(self.store.log.load(conversation))]
            for kind in (Started, Judged, Finished):
                assert sum(isinstance(entry, kind) for entry in log) <= 1
        self.run(self.engine.store.close())
        self.run(self.store.close())
        assert verify(self.path) == ()
        self.loop.close()
        self.temporary.cleanup()

    @invariant()
    def nothing_ran_that_was_not_to_run(self) -> None:
        assert not self.wrong

    # -- asking -----------------------------------------------------------------------------------------------

    @initialize()
    def begin(self) -> None:
        self.hook_asks("a")
        self.channel_relays("a")

    @rule(tool=st.sampled_from(["t__act", "t__act", "t__look"]), path=st.sampled_from(PATHS), dies=RARELY)
    @precondition(lambda self: len(self.lives) < 8)
    def client_calls(self, tool: str, path: str, dies: bool) -> None:
        """A client's call over stdio or HTTP: the engine runs it, and may be killed meanwhile."""
        conversation, arguments = f"calls/agent.{len(self.lives)}", canonical({"path": path})
        life = self.lives[conversation] = Life("client", tool, "agent", arguments, arguments)
        self.run(self.store.log.intend(conversation, 0, Requested((Call("0.0", tool, arguments),), "agent")))
        if self.free(life):
            life.state = "yes"
        self.drive(dies=dies)

    @rule(gate=st.integers(0, 1), tool=st.sampled_from(["act", "act", "act", "look"]), path=st.sampled_from(PATHS),
          fate=st.sampled_from(FATES))  # fmt: skip
    @precondition(lambda self: len(self.lives) < 12)
    def host_calls(self, gate: int, tool: str, path: str, fate: str) -> None:
        """A host's call through a gate; the same call again takes up the one that waits."""
        gated, arguments = self.gates[gate], canonical({"path": path})
        mine = [
            life for life in self.lives.values() if life.door == "gate" and life.arguments == arguments
            and not life.told and (life.process is gated.calls or not life.alive)
        ]  # fmt: skip
        expected = tool == "act" and len(mine) == 1 and mine[0].runnable(self.now)
        self.through = tool
        asked, begun = len(gated.calls.asked), len(gated.calls.begun)
        answer = self.run(gated.call(tool, {"path": path}, fate))
        for conversation in gated.calls.asked[asked:]:
            life = Life("gate", f"{SERVER.id}__{tool}", SERVER.principal, arguments, arguments, TTL_S)
            life.process = gated.calls
            self.lives[conversation] = life
        for conversation in gated.calls.begun[begun:]:
            self.lives[conversation].told = answer is not None
        if expected and not mine[0].ran:
            assert self.free(mine[0]), "what is approved runs when its host calls again"
        if answer is not None and len(mine) == 1 and mine[0].state == "over":
            mine[0].told = True
        if gated.calls.dead:
            self.gates[gate] = self.gate()
        self.drive()

    @rule(path=st.sampled_from(PATHS))
    @precondition(lambda self: len(self.lives) < 8)
    def hook_asks(self, path: str) -> None:
        process, arguments = self.process(), canonical({"path": path})
        call = permission(path)
        names, body = conversations_of(HOOK, call, arguments), body_of(HOOK, call, arguments, process.caller)
        conversation = quick_request.request(str(self.path), names, body, self.now)
        by = principal_of(HOOK)
        self.lives[conversation] = Life("hook", f"{by}__Bash", by, arguments, arguments, CLAIM_S, process)
        self.drive()

    @rule(path=st.sampled_from(PATHS))
    @precondition(lambda self: len(self.lives) < 8)
    def agent_requests(self, path: str) -> None:
        """An agent asks for a verdict on a call that it runs elsewhere."""
        request = request_of(f"calls/agent.r{len(self.lives)}", ASKED, {"path": path}, "agent")
        arguments = request.call.arguments
        life = self.lives[request.conversation] = Life(
            "request", request.call.tool, "agent", arguments, arguments, CLAIM
        )
        self.run(self.requests.file(request))
        self.looked(life)
        self.drive()

    @rule(path=st.sampled_from(PATHS))
    @precondition(lambda self: len(self.lives) < 8)
    def channel_relays(self, path: str) -> None:
        """Claude Code relays its own prompt in short."""
        process = self.process()
        conversation = self.run(RelayedPrompts(process).file("Bash", "", path))
        arguments = canonical({"description": "", "input_preview": path})
        life = Life("channel", f"{CHANNEL}__Bash", CHANNEL, arguments, arguments, CLAIM, process)
        self.lives[conversation] = life
        self.drive()

    # -- deciding ---------------------------------------------------------------------------------------------

    @rule(newest=ANY, who=st.sampled_from(DECIDING), edit=RARELY, foreign=RARELY, always=RARELY, again=RARELY)
    def approve(self, newest: int, who: str, edit: bool, foreign: bool, always: bool, again: bool) -> None:
        conversation, life = self.among(newest, state="" if again else "waiting")
        edited: dict[str, JSON] | None = {"path": "edited"} if edit else None
        yes = ApprovalOptions("sha256:00" if foreign else "", edited, "always" if always else "once")
        right = self.may_decide(who, life) and not foreign and not (always and life.door in ("hook", "channel"))
        right = right and not (edit and life.door == "channel")  # its host takes no other arguments
        expected = right and life.state == "waiting" and self.now < life.due < float("inf")
        late = self.may_decide(who, life) and life.state == "waiting" and life.due <= self.now
        assert self.decided(conversation, who, yes) == expected
        if late:
            life.state = "over"
        if expected:
            life.state, life.judged_at = "yes", self.now
            life.meant = canonical(edited) if edited else life.arguments
            grants = {each.id: each.tool for each in self.run(self.store.grants.active(self.now))}
            assert (len(grants) > len(self.granted)) == always
            self.granted = grants
        self.drive()

    @rule(newest=ANY, who=st.sampled_from(DECIDING))
    def reject(self, newest: int, who: str) -> None:
        conversation, life = self.among(newest)
        if self.decided(conversation, who, None):
            assert self.may_decide(who, life)
            assert life.state == "waiting"
            life.state = "over"
        self.drive()

    @rule()
    @precondition(lambda self: self.granted)
    def revoke(self) -> None:
        self.run(self.store.grants.revoke(self.granted.popitem()[0]))

    @rule(newest=ANY, edit=RARELY, fate=st.sampled_from(FATES), passes=st.sampled_from([0.0, 0.0, 0.0, 61.0]),
          wrong=RARELY)  # fmt: skip
    @precondition(lambda self: self.up)
    def approve_and_come(self, newest: int, edit: bool, fate: str, passes: float, wrong: bool) -> None:
        """The usual way: somebody approves, and the caller comes for its call, perhaps too late."""
        self.approve(newest, "ann", edit, foreign=False, always=False, again=False)
        self.clock.advance(passes)
        self.caller_comes(0, fate, "1", wrong)

    # -- what callers do --------------------------------------------------------------------------------------

    @rule(newest=ANY, fate=st.sampled_from(FATES), key=st.sampled_from(["1", "2", ""]), wrong=RARELY)
    def caller_comes(self, newest: int, fate: str, key: str, wrong: bool) -> None:
        """Who asked for a call comes for it, one that may run first of all."""
        conversation, life = self.among(newest, state="yes")
        number = list(self.lives)[::-1].index(conversation)
        match life.door:
            case "gate":
                gates = [each.calls for each in self.gates]
                gate = gates.index(life.process) if life.process in gates else 0
                tool = life.tool.rpartition("__")[2]
                self.host_calls(gate, tool, json.loads(life.arguments)["path"], fate)
            case "hook":
                self.hook_answers(self.place(number, "hook"))
            case "channel":
                self.channel_looks(self.place(number, "channel"))
            case "request":
                self.agent_consumes(self.place(number, "request"), key, wrong)
            case "client":
                self.drive()

    @rule(newest=ANY)
    def hook_answers(self, newest: int) -> None:
        """A hook tells its host the verdict; or has waited long enough, and leaves it to the host."""
        conversation, life = self.among(newest, "hook")
        if life.process is None or life.process.dead or life.told:
            return
        path = json.loads(life.arguments)["path"]
        waiting = Waiting(life.process, HOOK, permission(path), conversation, lambda: True, reached)
        expected = life.runnable(self.now)
        answer, _ = self.run(waiting.answer(0.0))
        decision: dict[str, Any] = answer["hookSpecificOutput"]["decision"] if answer else {}
        assert (decision.get("behavior") == "allow") == expected
        if expected:
            self.ran(conversation, canonical(decision.get("updatedInput", {"path": path})))
        elif not life.ran:
            life.state = "over"
        life.told = True
        self.drive()

    @rule(newest=ANY, failed=RARELY, ended=RARELY)
    def host_goes_on(self, newest: int, failed: bool, ended: bool) -> None:
        """The host tells what became of a call. Where its hook still waits, it was decided at the host's own prompt."""
        conversation, life = self.among(newest, "hook")
        if life.door != "hook":
            return
        ran = json.loads(life.meant if life.ran else life.arguments)
        news = Ended("s", "over") if ended else Outcome("Bash", ran, session="s", error="no" * failed)
        self.run(record_news(self.store, (conversation,), news))
        life.state = life.state if life.ran else "over"
        self.drive()

    @rule(newest=ANY, gone=RARELY)
    @precondition(lambda self: self.relayed)
    def channel_looks(self, newest: int, gone: bool = False) -> None:
        """The channel tells its host the verdict, once; or its session ends before there is one."""
        conversation, life = self.among(newest, "channel")
        if life.door != "channel" or life.process is None or life.process.dead or life.told:
            return
        said: list[bool] = []

        async def tell(allowed: bool) -> None:
            said.append(allowed)

        expected, prompts = life.runnable(self.now), RelayedPrompts(life.process)
        life.told = self.run(prompts.answer(conversation, tell, 0.0))
        assert (True in said) == expected
        if expected:
            self.ran(conversation, life.arguments)
        elif gone and not life.told:
            self.run(prompts.close(conversation))
            life.state, life.told = "over", True
        self.drive()

    @rule(newest=ANY, who=st.sampled_from(DECIDING), yes=st.booleans())
    @precondition(lambda self: self.up and self.relayed)
    def channel_is_decided(self, newest: int, who: str, yes: bool) -> None:
        """Somebody decides what was relayed, and its channel looks."""
        at = list(self.lives)[::-1].index(self.relayed[max(0, len(self.relayed) - 1 - newest)])
        conversation = list(self.lives)[len(self.lives) - 1 - at]
        life = self.lives[conversation]
        if self.decided(conversation, who, ApprovalOptions() if yes else None):
            assert self.may_decide(who, life)
            assert life.state == "waiting"
            life.state, life.judged_at = ("yes" if yes else "over"), self.now
        self.drive()
        self.channel_looks(self.place(at, "channel"), gone=False)

    @rule(path=st.sampled_from(PATHS), it_did=RARELY)
    @precondition(lambda self: self.relayed)
    def terminal_answers(self, path: str, it_did: bool) -> None:
        """A hook tells that a call ran, which was answered at the terminal: the oldest prompt that shows it closes."""
        if not it_did:
            return
        outcome = Finished("0.0", "ok", "elsewhere")
        closed = self.run(answered_elsewhere(self.store, CHANNEL, "Bash", {"command": path}, outcome))
        for conversation, life in self.lives.items():
            if closed and life.door == "channel" and life.state == "waiting" and path in life.arguments:
                if any(isinstance(each.entry, Finished) for each in self.run(self.store.log.load(conversation))):
                    life.state = "over"
                    break
        self.drive()

    @rule(newest=ANY, door=st.sampled_from(["hook", "channel"]))
    def process_is_killed(self, newest: int, door: str) -> None:
        _, life = self.among(newest, door)
        if life.process is not None and life.door == door and not life.process.dead:
            life.process.kill()
            self.drive()

    @rule(gate=st.integers(0, 1))
    def gate_is_killed(self, gate: int) -> None:
        self.gates[gate].calls.kill()
        self.gates[gate] = self.gate()
        self.drive()

    @rule(newest=ANY, key=st.sampled_from(["1", "2", ""]), wrong=RARELY)
    def agent_consumes(self, newest: int, key: str, wrong: bool) -> None:
        """Twice, too: the same key is told the same, and every other one is refused."""
        conversation, life = self.among(newest, "request")
        if life.door != "request":
            return
        self.looked(life)
        spec = external_tool(ASKED)
        digest = call_digest(spec, {"path": "other"} if wrong else json.loads(life.meant))
        expected = life.runnable(self.now) and not wrong
        before = self.run(self.requests.state(conversation)).started
        try:
            found = self.run(self.requests.consume(conversation, key, digest))
        except BridgeError:
            assert not expected
            return
        assert found.arguments == life.meant
        if before is None:
            assert expected
            self.ran(conversation, found.arguments)
        else:
            assert key, "a taken verdict is told again to its key alone"
            assert before.claim == key

    @rule(newest=ANY, outcome=st.sampled_from(["ok", "error"]), back=RARELY)
    def agent_tells(self, newest: int, outcome: Literal["ok", "error"], back: bool) -> None:
        """The outcome of a call; or its agent takes it back."""
        conversation, life = self.among(newest, "request")
        if life.door != "request":
            return
        self.looked(life)
        try:
            if back:
                self.run(self.requests.withdraw(conversation, "agent"))
                assert life.state != "yes"
                life.state = "over"
            else:
                self.run(self.requests.tell(conversation, outcome, ""))
                assert life.ran
        except BridgeError:
            assert not (back and life.state == "waiting")

    # -- time and the engine ----------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([1.0, 61.0, TTL_S]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule()
    def look(self) -> None:
        self.drive(every=True)

    @rule()
    def engine_stops(self) -> None:
        self.up = False

    @rule()
    def engine_starts(self) -> None:
        self.run(self.engine.store.close())
        self.engine, self.up = self.run(self.started()), True
        self.drive(every=True)

    # -- the model --------------------------------------------------------------------------------------------

    @property
    def relayed(self) -> list[str]:
        """What channels have relayed and were not told of."""
        return [name for name, life in self.lives.items() if life.door == "channel" and life.alive and not life.told]

    @property
    def requests(self) -> ApprovalRequests:
        return ApprovalRequests(self.store, RULES, self.clock)

    def among(self, newest: int, door: str = "", state: str = "") -> tuple[str, Life]:
        """One of the calls, counted back from the newest; of this door and in this state, if there is one."""
        every = list(self.lives.items())
        found = [each for each in every if door in ("", each[1].door) and state in ("", each[1].state)]
        found = [each for each in found if not (state and each[1].ran)] or found or every
        return found[max(0, len(found) - 1 - newest)]

    def place(self, number: int, door: str) -> int:
        """Of the call that is so many back among all: how many back it is among those of its door."""
        return sum(life.door == door for life in list(self.lives.values())[len(self.lives) - number :])

    def free(self, life: Life) -> bool:
        return life.tool.endswith("look") or life.tool in self.granted.values()

    @staticmethod
    def may_decide(who: str, life: Life) -> bool:
        return who == "ann" or who == "agent" != life.by or (who == "stdio" and life.by == "agent")

    def decided(self, conversation: str, who: str, yes: ApprovalOptions | None) -> bool:
        """Give a verdict by the way that all go; whether it was taken."""
        approval = self.run(self.store.approvals.get(approval_id(conversation, "0.0")))
        if approval is None:
            return False
        desk = ApprovalDesk.of(self.store, self.clock, no_check, RULES)
        try:
            if yes is None:
                self.run(desk.reject(PEOPLE[who], (approval,)))
            else:
                self.run(desk.approve(PEOPLE[who], (approval,), yes))
        except (AlreadyDecided, BadInput, Denied):
            return False
        return True

    def ran(self, conversation: str, arguments: str) -> None:
        """A call runs, which is right if it was let run, and has not run."""
        life = self.lives.get(conversation)
        if life is None:  # through a gate, without a word to anybody
            life = Life("gate", f"{SERVER.id}__{self.through}", SERVER.principal, arguments, arguments)
            life.state = "yes" if self.free(life) else "waiting"
            self.lives[conversation] = life
        again = life.ran and life.tool == "t__look"  # what only reads is run again after a crash
        if not (life.runnable(self.now) or again) or arguments != life.meant:
            self.wrong.append(conversation)  # told outside: an engine outlives what its tools raise
        life.ran = True

    def looked(self, life: Life) -> None:
        """What a look at a call decides of it."""
        if life.state != "waiting":
            return
        if life.door in ("hook", "channel") and not life.alive:
            life.state = "over"
        elif self.free(life):
            life.state, life.judged_at = "yes", self.now
        elif life.due == float("inf"):
            life.due = self.now + TTL_S if self.up else life.due
        elif self.now >= life.due:
            life.state = "over"

    def drive(self, *, dies: bool = False, every: bool = False) -> None:
        """The engine looks at calls, if it is there: at those that are open, or at `every` one."""
        if not self.up:
            return
        self.engine.dies = dies
        for conversation, life in self.lives.items():
            if (life.ran or life.state == "over") and not every:
                continue
            self.looked(life)
            if not self.run(self.engine.work_on(conversation)):
                self.up = False
                return
            if life.door == "client" and life.state == "yes":
                assert life.ran
            if life.state == "yes" and not life.ran and (not life.runnable(self.now) or unclaimable(life)):
                life.state = "over"


def unclaimable(life: Life) -> bool:
    """Whether nobody can come for a call any more."""
    return life.door in ("hook", "channel") and not life.alive


def permission(path: str) -> Permission:
    return Permission("PermissionRequest", "Bash", {"path": path}, session="s", folder="", mode="interactive")


async def reached(asked: object) -> bool:
    return True


@pytest.mark.shows("approvals.every-door")
@pytest.mark.slow
def test_a_call_runs_once_by_a_valid_verdict_at_whichever_door() -> None:
    run_state_machine_as_test(Doors, settings=settings(max_examples=30, stateful_step_count=30, deadline=None))  # pyright: ignore[reportUnknownMemberType]
