"""A whole bridge in one process: the real engine, service and store, with the shipped fakes around them.

The store is a file in the test's folder, or the database of `store_database` where the test runs on Postgres: see
`conftest.engine_store`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import psycopg

from bridge_mcp.assembly import WallClock
from bridge_mcp.core.approval_settings import APPROVAL_FIELDS, ApprovalSettings
from bridge_mcp.core.entries import Attachment, Sender
from bridge_mcp.core.events import EVENTS, Event, EventType
from bridge_mcp.core.policy import SCOPES, Principal
from bridge_mcp.core.projections import Approval
from bridge_mcp.core.tools import FIND_TOOLS, READ_RESULT
from bridge_mcp.engine.engine import Engine
from bridge_mcp.ports import Capabilities, Channel, ChannelRules, Clock, Model, Rules, Store, Toolbox
from bridge_mcp.service import OWNER, Bridge
from bridge_mcp.stores import opening
from bridge_mcp.testing import FakeChannel, FakeModel, FakeToolbox

__all__ = ["ANN", "HOST", "OWNER", "SUPERVISOR", "WallClock", "World", "open_store", "run_statement", "verify", "world"]

ANN = Sender("7", "Ann")
HOST = Principal("host", "client", frozenset(SCOPES) - {"admin"})
SUPERVISOR = Principal("supervisor", "client", frozenset({"read", "approve"}))
WAIT_S = 10.0


def url_of(folder: Path) -> str:
    """Where the store of a test's folder is."""
    return f"sqlite:///{folder / 'bridge.db'}"


async def open_store(folder: Path, clock: Clock) -> Store:
    """The store of a test's folder, once more where it is open already."""
    return await opening.open_store(url_of(folder), clock=clock, delivered_by_commit=frozenset({"local"}))


def verify(folder: Path) -> tuple[str, ...]:
    """What is wrong with the store of a test's folder."""
    return opening.verify(url_of(folder))


def run_statement(folder: Path, statement: str) -> None:
    """Change the store of a test's folder behind its back."""
    url = url_of(folder)
    if opening.is_postgres(url):
        with psycopg.connect(url) as connection:
            connection.execute(statement.encode())
    else:
        with closing(sqlite3.connect(opening.path_of(url))) as file, file:
            file.execute(statement)


@dataclass
class World:
    """A running bridge and its surroundings."""

    bridge: Bridge
    store: Store
    local: FakeChannel
    family: FakeChannel
    model: Model
    toolbox: FakeToolbox
    rules: Rules
    channels: Mapping[str, Channel]
    clock: Clock
    engines: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    reloads: int = 0
    """How often the engine was asked to connect its servers afresh."""

    def reload(self) -> None:
        self.reloads += 1

    @asynccontextmanager
    async def engine_with(self, toolbox: Toolbox) -> AsyncGenerator[None]:
        """An engine with another toolbox, where the world was made without one."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(Engine(self.store, self.rules, self.channels, self.model, toolbox, self.clock).run)
            await told_tools(self, self.toolbox)
            yield
            tasks.cancel_scope.cancel()

    async def say(self, text: str, conversation: str = "local/main") -> str:
        return await self.bridge.say(OWNER, conversation, text)

    async def events(self, wanted: EventType, count: int = 1, conversation: str = "") -> tuple[Event, ...]:
        """The first `count` events of a type, since the beginning."""
        found: list[Event] = []
        cursor = 0
        with anyio.fail_after(WAIT_S):
            while len(found) < count:
                page = await self.bridge.wait_for_events(
                    OWNER, after=cursor, types=(wanted,), conversation=conversation, timeout_s=5
                )
                found += page.events
                cursor = page.cursor
        return tuple(found)

    async def approvals(self, count: int = 1) -> tuple[Approval, ...]:
        """The waiting approvals, the oldest first, once there are so many."""
        with anyio.fail_after(WAIT_S):
            while True:
                found = await self.bridge.list_approvals(OWNER)
                if len(found) >= count:
                    return found[::-1]
                head = await self.store.feed.head()
                await self.bridge.wait_for_events(OWNER, after=head, timeout_s=0.05)

    async def texts(self, conversation: str = "local/main") -> list[str]:
        """What stands in a conversation, in order."""
        return [m.text for m in (await self.bridge.read_messages(OWNER, conversation)).messages]

    async def settled(self, text: str, conversation: str = "local/main") -> str:
        """Say something, wait until the turn is over, and give the answer."""
        message = await self.say(text, conversation)
        ticket = await self.bridge.wait_for(OWNER, f"turn:{message}", timeout_s=WAIT_S)
        assert ticket.state == "done", await self._still_open(conversation, ticket.approvals)
        return ticket.text

    async def _still_open(self, conversation: str, waits_for: Sequence[str]) -> str:
        """Where a turn stands that should be over."""
        now, log = self.clock.now(), await self.store.log.load(conversation)
        last = [f"{type(each.entry).__name__}#{each.seq} {now - each.at:.1f} s ago" for each in log[-4:]]
        warnings = (await self.bridge.get_status(OWNER)).warnings
        return f"the turn is still open, waiting for {waits_for}; the last entries: {last}; warnings: {warnings}"


def rules_for(**changes: object) -> Rules:
    channels = {
        "local": ChannelRules("local", "assistant", system_prompt="Be kind.", chat_context=False),
        "family": ChannelRules("family", "assistant"),
    }
    asking = {name: changes.pop(name) for name in APPROVAL_FIELDS & changes.keys()}
    given: dict[str, object] = {"channels": channels, "asking": ApprovalSettings(**asking), **changes}  # pyright: ignore[reportArgumentType]
    return Rules(**given)  # pyright: ignore[reportArgumentType]


@asynccontextmanager
async def world(
    folder: Path,
    model: Model | None = None,
    toolbox: FakeToolbox | None = None,
    *,
    rules: Rules | None = None,
    engine: bool = True,
    clock: Clock | None = None,
    prompts: bool = False,
    part_size: int = 0,
    forms: bool = False,
    settles_s: float = 0.0,
    can: Capabilities | None = None,
) -> AsyncGenerator[World]:
    """A bridge with a local channel, and `family`, a fake platform whose chats need pairing."""
    clock = clock or WallClock()
    model = model or FakeModel()
    toolbox = toolbox or FakeToolbox()
    rules = rules or rules_for()
    local = FakeChannel("local", delivered_by_commit=True, clock=clock)
    family = FakeChannel(
        "family",
        needs_pairing=True,
        prompts=prompts,
        forms=forms,
        settles_s=settles_s,
        part_size=part_size,
        can=can,
        clock=clock,
    )
    channels: dict[str, Channel] = {"local": local, "family": family}
    store = await open_store(folder, clock)
    traits = {name: channel.traits for name, channel in channels.items()}

    async def fetch(channel: str, attachment: Attachment, most: int) -> bytes:
        return await channels[channel].fetch(attachment, most)

    running: list[Engine] = []
    bridge = Bridge(
        store,
        rules,
        traits,
        clock=clock,
        check=toolbox.check,
        is_engine=lambda: engine,
        fetch=fetch,
        fast_path=lambda: running[0].fast_path if running else None,
    )
    made = World(
        bridge, store, local, family=family, model=model, toolbox=toolbox, rules=rules, channels=channels, clock=clock
    )
    try:
        async with anyio.create_task_group() as tasks:
            made.engines = tasks.cancel_scope
            if engine:
                running.append(Engine(store, rules, channels, model, toolbox, clock, reconnect=made.reload))
                tasks.start_soon(running[0].run)
                await told_tools(made, toolbox)
                while not running[0].fast_path.open:
                    await anyio.lowlevel.checkpoint()
            yield made
            tasks.cancel_scope.cancel()
        await as_listed(store)
    finally:
        await store.close()


async def as_listed(store: Store) -> None:
    """Hold what the feed told last to the list of events: no body has another name in it, and none lacks one."""
    head = await store.feed.head()
    for event in (await store.feed.read(max(0, head - 500), 500)).events:
        assert "unreadable" in event.body or not unlisted(event), (event.type, unlisted(event))


def unlisted(event: Event) -> set[str]:
    """The names by which an event's body and `EVENTS` differ."""
    carries = EVENTS[event.type].carries
    must = {name for name in carries if not name.endswith("?")}
    may = {name.rstrip("?") for name in carries}
    return (must - event.body.keys()) | (event.body.keys() - may)


async def told_tools(made: World, toolbox: Toolbox) -> None:
    """Wait until the engine has put up its tools."""
    with anyio.fail_after(WAIT_S):
        shown = [spec for spec in toolbox.tools() if spec.name not in (READ_RESULT, FIND_TOOLS)]
        while len((await made.bridge.list_tools(OWNER)).tools) < len(shown):
            await anyio.lowlevel.checkpoint()


def names(calls: Iterable[tuple[str, object]]) -> list[str]:
    return [name for name, _ in calls]
