"""The base of the service's groups of methods: their parts, and the checks of addresses, limits and waits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias
from uuid import uuid4

from msgspec import structs
from msgspec.structs import replace

from bridge_mcp.core.address import Address
from bridge_mcp.core.entries import (
    Attachment,
    Requested,
    Sender,
    message_id,
)
from bridge_mcp.core.errors import BadInput, FetchFailed, KeyUsed, NotFound, NotPaired
from bridge_mcp.core.events import EVENT_TYPES, EventType
from bridge_mcp.core.policy import SCOPES, Principal
from bridge_mcp.core.projections import Approval, Message
from bridge_mcp.core.results import (
    Ticket,
    ToolList,
)
from bridge_mcp.core.tools import JSON, ToolSpec
from bridge_mcp.operations import approvals, status_board, tickets
from bridge_mcp.operations.addresses import (
    CALLS,
    check_text,
    parse_conversation,
)
from bridge_mcp.operations.client_limits import may_call, may_use
from bridge_mcp.operations.commit_wait import CommitWait
from bridge_mcp.operations.engine_liveness import silence, troubles
from bridge_mcp.operations.engine_settings import Settings
from bridge_mcp.operations.inbox import Intake
from bridge_mcp.ports import (
    ChannelTraits,
    Clock,
    Draft,
    Drafts,
    Pulse,
    Rules,
    Store,
    ToolProgress,
)

if TYPE_CHECKING:  # only the engine's process loads how turns are worked on
    from bridge_mcp.engine.turns.fast_path import FastPath

__all__ = [
    "MAX_WAIT_S",
    "OWNER",
    "BridgeBase",
    "SchemaCheck",
    "check_range",
    "check_wait",
    "event_types",
    "own_key",
    "sender_of",
]

SchemaCheck: TypeAlias = Callable[[ToolSpec, Mapping[str, JSON]], Awaitable[str]]
"""The error of arguments by their tool's schema; "" for none."""

Fetch: TypeAlias = Callable[[str, Attachment, int], Awaitable[bytes]]
"""Fetches the bytes of a channel's attachment, at most so many; raises `FetchFailed`."""

LOOK_AGAIN_S = 5.0
"""The longest wait without checking the time: machines sleep."""

MAX_WAIT_S = 50.0
"""The longest wait of a call: hosts cut calls near 60 seconds."""

OWNER = Principal("owner", "owner", frozenset(SCOPES), via="api")
"""The owner: the CLI and programs that embed the bridge act as this principal."""


async def no_files(channel: str, attachment: Attachment, most: int) -> bytes:
    """A `Fetch` that always fails."""
    raise FetchFailed("This process cannot fetch files.", fix="Open the bridge with its channels.")


class BridgeBase:
    """The parts that the service works with, and the checks that every method makes first."""

    def __init__(
        self,
        store: Store,
        rules: Rules,
        traits: Mapping[str, ChannelTraits],
        *,
        clock: Clock,
        check: SchemaCheck,
        is_engine: Callable[[], bool] = lambda: False,
        engine_lives: Callable[[], bool] = lambda: True,
        fetch: Fetch | None = None,
        fast_path: Callable[[], FastPath | None] = lambda: None,
        clients: Sequence[Principal] = (),
        settings: Settings | None = None,
        starting: Callable[[], bool] = lambda: False,
        pulse: Callable[[], Pulse | None] = lambda: None,
        drafts: Drafts | None = None,
    ) -> None:
        self.store = store
        self.rules = rules
        self.traits = traits
        self.intake = Intake(store, rules, traits, clock, check=check)
        self.verdicts = approvals.ApprovalDesk.of(store, clock, check, rules)
        self.clock = clock
        self._check = check
        self._is_engine = is_engine
        self._engine_lives = engine_lives
        self._fetch = fetch or no_files
        self._clients = tuple(clients)
        """Clients over MCP in the config, beside those in the store."""
        self._settings = settings or Settings()
        """The settings that this process read."""
        self._starting = starting
        """Whether this process is about to be the engine, if no other is."""
        self._pulse = pulse
        """Returns the engine's last pulse."""
        self._drafts = drafts
        """The texts so far of replies that are under way, where this process can read them."""
        self._fast_path = fast_path
        """Returns the fast path for calls, while this process is the engine."""

    def engine_runs(self) -> bool:
        """Whether any process drives conversations just now."""
        return self._engine_lives()

    async def _tools(self, who: Principal) -> ToolList:
        """The nested tools that `who` may call and their servers, as the engine last published them."""
        listed = await status_board.tools(self.store)
        if not who.within:
            return listed
        return ToolList(
            tuple(spec for spec in listed.tools if may_call(who.within, self.rules, spec)),
            tuple(server for server in listed.servers if may_use(who.within, self.rules, server.name)),
        )

    def _within(self, who: Principal, channel: str) -> frozenset[str]:
        """The channels and conversations that a list is limited to; empty: no limit."""
        if not channel:
            return who.within
        if channel not in self.traits or not who.sees_channel(channel):
            raise NotFound(f"There is no channel '{channel}'.", fix=f"The channels are: {self._names(who)}.")
        narrowed = frozenset(place for place in who.conversations if Address.of(place).channel == channel)
        return narrowed if narrowed and channel not in who.channels else frozenset({channel})

    def _names(self, who: Principal) -> str:
        return ", ".join(name for name in self.traits if who.sees_channel(name)) or "none"

    @property
    def has_several_relays(self) -> bool:
        """Whether several clients may answer the same chats: a channel is left to clients, and the config has some."""
        return self.rules.relayed and bool(self._clients)

    def _address(self, who: Principal, conversation: str, *, calls: bool = False) -> Address:
        """A conversation's address. Raises NotFound for an unknown channel, and for one that `who` may not see."""
        address = parse_conversation(conversation)
        channel = address.channel
        if calls and channel == CALLS:
            if who.within and not tickets.is_call_of(conversation, who.name):
                raise NotFound(f"There is no '{conversation}' for {who.name}.", fix="Use a ticket of your own.")
            return address
        if channel not in self.traits or not who.sees_channel(channel):
            raise NotFound(
                f"There is no channel '{channel}' (in '{conversation}').",
                fix=f"The channels are: {self._names(who)}.",
            )
        if not who.sees(conversation):
            raise NotFound(f"There is no conversation '{conversation}'.", fix="See list_conversations.")
        return address

    async def _known(self, who: Principal, conversation: str) -> None:
        """Raise NotFound unless the conversation exists, or is on a local channel."""
        self._address(who, conversation)
        if not await self.store.history.conversation(conversation) and not self._delivered_by_commit(conversation):
            raise NotFound(f"There is no conversation '{conversation}'.", fix="See list_conversations.")

    async def _open(self, who: Principal, conversation: str) -> None:
        """Raise unless messages may be sent to it: a local conversation, or a paired chat."""
        channel, chat, _ = self._address(who, conversation)
        if self.traits[channel].needs_pairing and not await self.store.access.find(channel, chat):
            raise NotPaired(
                f"'{conversation}' is not paired with this bridge.",
                fix=f"Have the owner run: bridge-mcp pair add {channel} {chat}",
            )

    def _delivered_by_commit(self, conversation: str) -> bool:
        return self.traits[Address.of(conversation).channel].delivered_by_commit

    async def _cursor(self, who: Principal, after: int | None, consumer: str) -> int:
        if after is not None and after < 0:
            raise BadInput(f"A cursor is never {after}.", fix="Use 0 to read from the beginning.")
        if not consumer:
            return await self.store.feed.head(who.within) if after is None else after
        check_text(consumer, "consumer", 100)
        if after is not None:
            await self.store.feed.read(after, 1)
        stored = await self.store.feed.acknowledge(f"{who.name}/{consumer}", -1 if after is None else after)
        return stored if after is None else after

    async def _wait(
        self, ticket: str, wait_s: float, *, for_people: bool = True, progress: ToolProgress | None = None
    ) -> Ticket:
        """The state of a ticket once it is done, or after `wait_s`; not `for_people`: also once it waits for a verdict.

        `progress` gets the progress of calls of its conversation that the engine publishes.
        """
        cursor = await self.store.feed.head() if progress is not None else 0
        watched = tickets.Watched(self.store, ticket)
        with CommitWait(self.store.agenda, check_wait(wait_s)) as wait:
            while True:
                state = await watched.look(self.clock.now())
                if state.state == "done":
                    return state
                # A question may expire, and no entry tells that.
                pause = 1.0 if state.kind == "question" else LOOK_AGAIN_S
                if (state.approvals and not for_people) or not await wait.more(pause, state.conversation):
                    return replace(state, warning=self._silence())
                if progress is not None:
                    cursor = await self._pass_on(progress, cursor, state.conversation)

    def _silence(self) -> str:
        """A warning if a result depends on an engine that gives no sign of life; "" if it does, or is this process."""
        if self._is_engine() or not self._engine_lives():
            return ""
        return silence(self._pulse(), self.clock.now())

    def draft(self, who: Principal, conversation: str) -> Draft | None:
        """The text so far of the reply that a model gives there; None for none, and for one that nobody asked for.

        Calling it asks for one: a reply that begins within the next seconds has drafts. To follow, call it every 0.1 s.
        """
        who.require("read")
        self._address(who, conversation)
        return None if self._drafts is None else self._drafts.read(conversation)

    async def is_ready(self) -> bool:
        """Whether messages are worked on: there is an engine, it gives signs of life, and the store can be written to.

        Raises:
            StoreError: the store cannot be read.
        """
        if not self._engine_lives() or await status_board.engine(self.store) is None:
            return False
        silent, failing = self._silence(), troubles(self._pulse(), self.store.health(), self.clock.now())
        return not silent and not any(failing)

    async def _pass_on(self, progress: ToolProgress, cursor: int, conversation: str) -> int:
        """Pass on the progress that was published since `cursor`; returns the next cursor."""
        page = await self.store.feed.read(cursor, 100, types=("tool.progress",), conversation=conversation)
        for event in page.events:
            progressed, total = event.body.get("progress"), event.body.get("total")
            if isinstance(progressed, int | float):
                out_of = total if isinstance(total, int | float) else None
                progress(progressed, out_of, str(event.body.get("message") or ""))
        return page.cursor

    async def _settled_message(self, conversation: str, seq: int, wait_s: float) -> Message:
        with CommitWait(self.store.agenda, check_wait(wait_s)) as wait:
            while True:
                message = await self.store.history.message(conversation, seq)
                if message is None:
                    raise NotFound(f"There is no message '{message_id(conversation, seq)}'.", fix="See read_messages.")
                if message.status not in ("queued", "sending") or not await wait.more(LOOK_AGAIN_S, conversation):
                    return message

    async def _approval(self, who: Principal, approval_id: str) -> Approval:
        """An approval that `who` may name."""
        approval = await approvals.find(self.store, approval_id)
        self._address(who, approval.conversation, calls=True)
        return approval

    async def _same_request(self, conversation: str, asked: Requested) -> None:
        first = (await self.store.log.load(conversation))[0].entry
        same = isinstance(first, Requested) and structs.replace(first, trace=None) == structs.replace(asked, trace=None)
        if not same:  # a repeated request may come in another trace
            raise KeyUsed(
                "This idempotency_key was used for another call.", fix="Use a new key for each different call."
            )


def check_range(name: str, value: int, most: int) -> int:
    """The value. Raises BadInput unless it is from 1 to `most`."""
    if not 1 <= value <= most:
        raise BadInput(f"{name} is {value}.", fix=f"Use 1 to {most}.")
    return value


def check_patterns(patterns: Mapping[str, str], name: str = "remember_arguments") -> None:
    """Raise BadInput unless patterns over arguments (`core/grants.py`) can be stored."""
    for argument, pattern in patterns.items():
        check_text(argument, name, 200)
        check_text(pattern, name, 2_000)


def check_wait(seconds: float) -> float:
    """The value. Raises BadInput unless it is from 0 to 50 seconds."""
    if not 0 <= seconds <= MAX_WAIT_S:
        raise BadInput(f"A call cannot wait {seconds:g} s.", fix=f"Use 0 to {MAX_WAIT_S:g}, and ask again.")
    return seconds


def event_types(types: Sequence[str]) -> tuple[EventType, ...]:
    """The types to filter a feed by. Raises BadInput for an unknown one."""
    unknown = [t for t in types if t not in EVENT_TYPES]
    if unknown:
        raise BadInput(f"There is no event type '{unknown[0]}'.", fix=f"The types are: {', '.join(EVENT_TYPES)}.")
    return tuple(t for t in EVENT_TYPES if t in types)


def sender_of(who: Principal) -> Sender:
    """A principal as the author of a message."""
    kind: Literal["person", "client", "owner", "bot"] = "owner" if who.kind == "owner" else "client"
    return Sender(who.name, who.name, kind)


def own_key(who: Principal, idempotency_key: str) -> str:
    """The idempotency key of a principal's action: its own key, made private to it, or a random one.

    No name has a space, and no key of the bridge's own or of a platform has one: nobody can use the key of another.
    """
    check_text(idempotency_key, "idempotency_key", 200)
    return f"{who.name} {idempotency_key}" if idempotency_key else uuid4().hex
