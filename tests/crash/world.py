"""A world in which a turn can be interrupted at every touch of the outside.

The engine reaches the outside only through ports, so a crash point is a place before or after a port's method: this
module wraps the real store and small fakes of model and tools, and calls `Points.reach` at each of those places.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from bridge_mcp import ports
from bridge_mcp.core.approval_settings import ApprovalSettings, Reviewer
from bridge_mcp.core.decide import decide
from bridge_mcp.core.entries import (
    Asked,
    Entry,
    Finished,
    Heard,
    Judged,
    Log,
    Replied,
    Sender,
    Started,
    Stopped,
    Withdrawn,
)
from bridge_mcp.core.errors import AlreadyDecided
from bridge_mcp.core.policy import Policy, Principal, ToolSource
from bridge_mcp.core.steps import Idle, Wait
from bridge_mcp.core.tools import JSON, ToolResult, ToolSpec
from bridge_mcp.core.window import Window
from bridge_mcp.engine.turns.conversation_worker import ConversationWorker
from bridge_mcp.engine.turns.deps import Deps
from bridge_mcp.engine.turns.policies import Policies
from bridge_mcp.engine.turns.reviews import ReviewRates
from bridge_mcp.operations import approvals, conversations
from bridge_mcp.operations.recent_log import LogCache
from bridge_mcp.ports import (
    CallContext,
    Capacity,
    ChannelRules,
    Grants,
    Model,
    ModelCall,
    ModelHealth,
    ModelReply,
    ModelRequest,
    OnText,
    Rules,
    ServerStatus,
    Spending,
    Store,
    ToolProgress,
)

ANN = Sender("7", "Ann")
HOST = Sender("host", "host", "client")
SUPERVISOR = Principal("supervisor", "client", frozenset({"read", "approve"}))


class Crash(BaseException):
    """The process is gone. Not an `Exception`: nothing in the engine may catch it and go on."""


class NoRates(ReviewRates):
    """A thousand runs stand in one store and at one moment: no rate is held."""

    async def limit_reached(self, reviewer: Reviewer, store: Store, clock: ports.Clock) -> str:
        return ""


@dataclass
class Points:
    """Counts the places a run comes by, and does something at chosen ones."""

    at: dict[int, Callable[[], Awaitable[None]]] = field(default_factory=dict[int, Callable[[], Awaitable[None]]])
    crash_at: int = -1
    seen: list[str] = field(default_factory=list[str])
    dead: bool = False

    async def reach(self, name: str) -> None:
        if self.dead:
            raise Crash(name)
        index = len(self.seen)
        self.seen.append(name)
        if index in self.at:
            await self.at[index]()
        if index == self.crash_at:
            self.dead = True
            raise Crash(name)


class Guarded:
    """Any port, with a crash point before and after each of its coroutines."""

    def __init__(self, port: object, name: str, points: Points) -> None:
        self._port = port
        self._name = name
        self._points = points

    def __getattr__(self, method: str) -> Any:
        inner = getattr(self._port, method)

        async def guarded(*args: object, **kwargs: object) -> object:
            await self._points.reach(f"before {self._name}.{method}")
            answer = await inner(*args, **kwargs)
            await self._points.reach(f"after {self._name}.{method}")
            return answer

        return guarded


class GuardedStore:
    """A store whose log and agenda are guarded: all that a drive writes to."""

    def __init__(self, store: Store, points: Points) -> None:
        self.log = Guarded(store.log, "log", points)
        self.agenda = Guarded(store.agenda, "agenda", points)
        self.grants: Grants = store.grants
        self.spending: Spending = store.spending


class Clock:
    """A clock of the run's own, so that runs which let approvals expire do not disturb the others."""

    def __init__(self) -> None:
        self.time = 10_000.0

    def now(self) -> float:
        return self.time


SPECS = (
    ToolSpec("bank__read", "bank", "read", description="Read.", schema="{}", read_only=True),
    ToolSpec("bank__pay", "bank", "pay", description="Pay.", schema="{}"),
)


@dataclass
class Offer:
    """What the bank offers: its tools may leave, come back, become others, or be taken out of the config."""

    specs: tuple[ToolSpec, ...] = SPECS
    configured: bool = True

    def leave(self) -> None:
        """The bank can pay no more, for the moment."""
        self.specs = SPECS[:1]

    def change(self) -> None:
        """It pays in another way."""
        self.specs = (SPECS[0], replace(SPECS[1], description="Pay twice."))

    def withdraw(self) -> None:
        """The config has the bank no longer."""
        self.specs, self.configured = (), False

    @property
    def gone(self) -> bool:
        """Whether paying may come back."""
        return self.configured and len(self.specs) < len(SPECS)


class Bank:
    """A toolbox that counts its effects."""

    def __init__(self, points: Points, paid: list[str], offer: Offer) -> None:
        self._points = points
        self._paid = paid
        self._offer = offer

    def tools(self) -> tuple[ToolSpec, ...]:
        return self._offer.specs

    def status(self) -> tuple[ServerStatus, ...]:
        return (ServerStatus("bank", "ready", len(self._offer.specs)),) if self._offer.configured else ()

    async def ready(self, servers: frozenset[str], timeout_s: float) -> None:
        """Always."""

    async def call(
        self,
        spec: ToolSpec,
        arguments: Mapping[str, JSON],
        *,
        context: CallContext | None = None,
        progress: ToolProgress | None = None,
    ) -> ToolResult:
        await self._points.reach(f"before {spec.tool}")
        if spec.tool == "pay":
            self._paid.append(str(arguments["id"]))
        await self._points.reach(f"after {spec.tool}")
        return ToolResult("ok")

    async def accept(self, spec: ToolSpec) -> None:
        """Nothing here ever changes."""

    async def check(self, spec: ToolSpec, arguments: Mapping[str, JSON]) -> str:
        return ""


def call(name: str, identity: str) -> ModelCall:
    return ModelCall(f"m{identity}", f"bank__{name}", f'{{"id":"{identity}"}}')


SCRIPT = (
    ModelReply("Let me see.", (call("read", "a"), call("pay", "b"), call("pay", "c"))),
    ModelReply("", (call("pay", "d"),)),
)


class Teller:
    """A model whose reply depends on the request alone: two rounds of calls, then text."""

    def __init__(self, points: Points) -> None:
        self._points = points

    def health(self) -> tuple[ModelHealth, ...]:
        return ()

    async def capacity(self, model: str) -> Capacity:
        return Capacity()

    async def reply(self, request: ModelRequest, on_text: OnText | None = None) -> ModelReply:
        await self._points.reach("before the model")
        rounds = sum(1 for message in request.messages if message.calls)
        await self._points.reach("after the model")
        return SCRIPT[rounds] if rounds < len(SCRIPT) else ModelReply("All done.")


@dataclass
class World:
    """One conversation, driven to its end whatever happens on the way."""

    store: Store
    conversation: str
    verdict: str = "approve"
    points: Points = field(default_factory=Points)
    paid: list[str] = field(default_factory=list[str])
    offer: Offer = field(default_factory=Offer)
    clock: Clock = field(default_factory=Clock)
    window: Window = Window()
    crashes: int = 0
    reviewer: Reviewer | None = None

    async def hear(self, key: str, text: str = "pay my bills") -> None:
        await self.store.log.record(self.conversation, Heard(text, ANN, key))

    async def stop(self) -> None:
        await conversations.stop(self.store, self.clock, self.conversation, "ann")

    async def take_back(self) -> None:
        """A client says something and takes it back."""
        (recorded,) = await self.store.log.record(self.conversation, Heard("and more", HOST, "m9"))
        assert await conversations.withdraw(
            self.store, self.conversation, recorded.seq, "host", "its caller cancelled it"
        )

    async def clear(self) -> None:
        await conversations.clear(self.store, self.conversation, "ann")

    def drive(self, points: Points) -> ConversationWorker:
        """A fresh process's drive: nothing of an earlier one is left but the store."""
        store: Any = GuardedStore(self.store, points)
        bank = Bank(points, self.paid, self.offer)
        channel = self.conversation.partition("/")[0]
        rules = Rules(
            {channel: ChannelRules(channel, "assistant", window=self.window)},
            asking=self.asking,
        )
        policies = Policies(rules, bank, store.grants, self.clock, store.spending)
        return ConversationWorker(
            self.conversation,
            Deps(
                store,
                self.model_at(points),
                bank,
                policies=policies,
                recent_logs=LogCache(store.log),
                clock=self.clock,
                traits={},
                review_rates=NoRates(),
            ),
        )

    def model_at(self, points: Points) -> Model:
        """The model that a process asks."""
        return Teller(points)

    async def run(self) -> Log:
        """Drive, crash, start again, judge what waits, until nothing is left to do. The log at the end."""
        for _ in range(60):
            try:
                await self.drive(self.points).run()
            except BaseExceptionGroup as group:
                if group.split(Crash)[1] is not None:
                    raise
                self.crashes += 1
                self.points = Points()
                continue
            except Crash:
                self.crashes += 1
                self.points = Points()
                continue
            log = await self.store.log.load(self.conversation)
            match decide(log, self.policy(), self.clock.now()):
                case Idle():
                    return log
                case Wait():
                    await self.let_go_on()
                case _:
                    pass
        raise AssertionError(f"{self.conversation} did not come to rest: {self.points.seen[-20:]}")

    async def takeover(self) -> None:
        """Another process drives the conversation to its end while this one stands still, and will wake up later."""
        other = type(self)(
            self.store, self.conversation, self.verdict, paid=self.paid, offer=self.offer, clock=self.clock
        )
        await other.run()

    def policy(self) -> Policy:
        sources = {"bank": ToolSource()} if self.offer.configured else {}
        tools = {spec.name: spec for spec in self.offer.specs}
        return Policy(self.conversation, tools, defaults=self.asking, sources=sources)

    @property
    def asking(self) -> ApprovalSettings:
        return ApprovalSettings(expires_s=600, review=self.reviewer)

    async def let_go_on(self) -> None:
        """End what the conversation waits for: verdicts first, and then the tool that an approved call waits for."""
        if await self.store.approvals.find(status="waiting", conversation=self.conversation):
            await self.judge()
        elif self.offer.gone:
            self.offer.specs = SPECS

    async def judge(self) -> None:
        """Give the verdict this run is about to everything that waits."""
        if self.verdict == "expire":
            self.clock.time += 601
            return
        desk = approvals.ApprovalDesk(self.store, self.clock, approvals.no_check, separate=False)
        for approval in await self.store.approvals.find(status="waiting", conversation=self.conversation):
            try:
                if self.verdict == "approve":
                    await desk.approve(SUPERVISOR, (approval,), approvals.ApprovalOptions())
                else:
                    await desk.reject(SUPERVISOR, (approval,), "no")
            except AlreadyDecided:
                pass


def findings(world: World, log: Log, *, crashed: bool, expect_reply: bool = True) -> list[str]:
    """What went wrong in a run; nothing should."""
    found: list[str] = []
    entries = [logged.entry for logged in log]
    if len(world.paid) != len(set(world.paid)):
        found.append(f"paid twice: {world.paid}")
    calls = {c.id: c.arguments for e in entries if isinstance(e, Replied) for c in e.calls}
    approved = {calls[e.call] for e in entries if isinstance(e, Judged) and e.verdict == "approved"}
    if unasked := [p for p in world.paid if f'{{"id":"{p}"}}' not in approved]:
        found.append(f"paid without a verdict: {unasked}")
    finished = [e.call for e in entries if isinstance(e, Finished)]
    if len(finished) != len(set(finished)):
        found.append(f"two outcomes for one call: {finished}")
    judged = [e.call for e in entries if isinstance(e, Judged)]
    if len(judged) != len(set(judged)):
        found.append(f"two verdicts for one call: {judged}")
    asked = {e.call for e in entries if isinstance(e, Asked)}
    if ghosts := asked & set(finished) - set(judged):
        found.append(f"approvals of calls that are over: {ghosts}")
    if not crashed and any(isinstance(e, Finished) and e.outcome == "unknown" for e in entries):
        found.append("an outcome was lost without a crash")
    begun = [e.call for e in entries if isinstance(e, Started) and e.effect == "tool"]
    again = {e.call for e in entries if isinstance(e, Started) and e.repeatable}
    if twice := [c for c in begun if begun.count(c) > 1 and c not in again]:
        found.append(f"begun twice: {twice}")
    back = {e.message for e in entries if isinstance(e, Withdrawn)}
    stopped = taken_back_after_reading(entries)
    heard = [each.seq for each in log if isinstance(each.entry, Heard) and each.seq not in back and each.seq >= stopped]
    last = max(heard, default=-1)
    # Where the host's stop has ended all that was heard, nothing is left to be answered.
    if (
        expect_reply
        and (heard or not stopped)
        and not any(isinstance(e, Replied) and not e.calls and e.upto > last for e in entries)
    ):
        found.append("a message was never answered")
    return found


def taken_back_after_reading(entries: list[Entry]) -> int:
    """Up to which message the host stopped a turn; 0 if it did not.

    Where a reply with calls had read the host's message too, nobody can tell which of its calls are whose: taking the
    message back ends them all, and with them the turn.
    """
    return max((entry.upto for entry in entries if isinstance(entry, Stopped) and entry.by == HOST.id), default=0)
