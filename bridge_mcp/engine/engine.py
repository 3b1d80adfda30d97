"""The engine: runs channels, conversations and outgoing messages, in exactly one process per store."""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial

import anyio
from msgspec import Struct

from bridge_mcp.core.address import Address
from bridge_mcp.core.entries import Attachment
from bridge_mcp.core.errors import FetchFailed, StoreError
from bridge_mcp.core.results import Trouble
from bridge_mcp.engine.activity_log import ActivityLog
from bridge_mcp.engine.forgetting import keep_forgetting
from bridge_mcp.engine.outbound.approval_prompts import PromptWorker
from bridge_mcp.engine.outbound.chat_activity import ChatActivity
from bridge_mcp.engine.outbound.outbox import OutboxWorker
from bridge_mcp.engine.publishing import Elsewhere, StatusPublisher
from bridge_mcp.engine.receiving import Receiving
from bridge_mcp.engine.supervision import TaskSupervisor, Troubles
from bridge_mcp.engine.transcriptions import TranscriptionWorker
from bridge_mcp.engine.turns.deps import Deps
from bridge_mcp.engine.turns.drives import ConversationDrives
from bridge_mcp.engine.turns.fast_path import FastPath
from bridge_mcp.engine.turns.policies import Policies
from bridge_mcp.engine.turns.progress import ProgressPublisher
from bridge_mcp.engine.turns.scheduler import Scheduler
from bridge_mcp.operations import clocks, status_board
from bridge_mcp.operations.forgetting import Keepers
from bridge_mcp.operations.inbox import Intake
from bridge_mcp.operations.owners_chat import owners_chat
from bridge_mcp.operations.recent_log import LogCache
from bridge_mcp.operations.waiting_approvals import close_what_is_over
from bridge_mcp.operations.welcome import WelcomeWorker
from bridge_mcp.ports import (
    KEPT,
    Callers,
    Channel,
    ChannelHealth,
    ChannelTraits,
    Clock,
    Dispatcher,
    Drafts,
    Files,
    Leases,
    Model,
    Rules,
    Store,
    Toolbox,
    Transcriber,
)

__all__ = ["Engine", "Shared", "channel_lease"]

logger = logging.getLogger(__name__)

WRITE_S = 60.0
"""The longest time between two writes to the store."""

BRIDGE_LEASE = "bridge"
"""The lease of what exactly one process does."""

MAX_FETCHED_FILE = 5_000_000
"""Bytes of a file that is fetched for a model; model adapters have lower limits."""

PRUNE_S = 600.0
"""How often old events and ended grants are deleted."""


class Shared(Struct, frozen=True):
    """What an engine needs that is one of several on its store."""

    dispatcher: Dispatcher
    leases: Leases
    concurrency: int
    """How many conversations it drives at once."""
    serves: frozenset[str]
    """The channels that it may run."""
    elsewhere: Callable[[], Elsewhere]
    """What the others tell of themselves."""
    away: Callable[[str], bool] = lambda server: False
    """Whether another process runs this tool server, for all."""


def channel_lease(name: str) -> str:
    """The lease of a channel: who has it receives from it and sends to it."""
    return f"channel:{name}"


class Engine:
    """Runs the channels, works on the conversations, sends the messages, and publishes its status.

    The caller makes sure that there is one engine, or that they share their work; else they would not damage the logs,
    but disturb the platforms.
    """

    def __init__(
        self,
        store: Store,
        rules: Rules,
        channels: Mapping[str, Channel],
        model: Model,
        toolbox: Toolbox,
        clock: Clock,
        files: Files | None = None,
        reconnect: Callable[[], object] = lambda: None,
        elapsed: Callable[[], float] = clocks.elapsed,
        callers: Callers | None = None,
        beside: Mapping[str, Callable[[], Awaitable[None]]] | None = None,
        drafts: Drafts | None = None,
        transcriber: Transcriber | None = None,
        traced: bool = False,
        shared: Shared | None = None,
    ) -> None:
        """`shared` where others work on the same store; None: this process alone is the engine."""
        self._store = store
        self._channels = channels
        self._model = model
        self._files = files
        self._toolbox = toolbox
        self._clock = clock
        self._supervisor = TaskSupervisor(Troubles(clock.now))
        self._beside = beside or {}
        """Lanes of others, by what they do."""
        self._rules = rules
        self._keepers = Keepers(store, files, drafts, clock=clock)
        self._elapsed = elapsed
        self._jumps = clocks.Jumps(clock, elapsed)
        self._recent_logs = LogCache(store.log, now=clock.now, ahead_since=self._jumps.ahead_since)
        traits = {name: channel.traits for name, channel in channels.items()}
        home = partial(owners_chat, store.access, traits)
        self._policies = Policies(rules, toolbox, store.grants, clock, store.spending, callers, home)
        self._drafts = drafts
        self._transcriptions, self._traced = self._make_transcriptions(transcriber), traced
        self._presence = ChatActivity(channels, store.channel_state, drafts)
        self._progress = ProgressPublisher(store.feed, clock)
        self._shared = shared
        deps = self._make_deps(traits)
        self._drives = self._make_drives(deps)
        self.fast_path = FastPath(deps, self._drives)
        """The fast path for clients' calls, while this runs."""
        self._status = self._make_status(model, toolbox, reconnect)
        intake = Intake(store, rules, traits, clock, self._jumps.ahead_since, toolbox.check)
        self._receiving = Receiving(intake, self._supervisor, self._status.changed)
        self._welcome = WelcomeWorker(store, rules, clock, intake)
        self._prompts = PromptWorker(store, traits, clock) if any(t.can.prompts for t in traits.values()) else None

    def _make_transcriptions(self, transcriber: Transcriber | None) -> TranscriptionWorker | None:
        if transcriber is None:
            return None
        fetch = partial(self._fetch, most=transcriber.max_bytes)
        return TranscriptionWorker(self._store, transcriber, fetch, self._policies.spent)

    def _make_status(self, model: Model, toolbox: Toolbox, reconnect: Callable[[], object]) -> StatusPublisher:
        return StatusPublisher(
            self._store,
            self._channels,
            toolbox,
            model,
            self._policies,
            self._supervisor,
            reconnect,
            look_again=self._drives.look_again,
            retry=lambda name: self._receiving.retry(name),
            elsewhere=self._shared.elsewhere if self._shared is not None else Elsewhere,
        )

    def _make_drives(self, deps: Deps) -> ConversationDrives:
        shared, most = self._shared, self._rules.max_turns
        alone = Scheduler(self._store.agenda, self._clock, self._supervisor)
        dispatcher = alone if shared is None else shared.dispatcher
        most = most if shared is None else shared.concurrency
        return ConversationDrives(deps, most, dispatcher, self._presence, self._supervisor)

    def _make_outbox(self, channels: Mapping[str, Channel], only: str = "") -> OutboxWorker:
        rules = self._rules
        return OutboxWorker(
            self._store, channels, self._clock, rules.outbox, self._files, self._supervisor, rules.quiet_until, only
        )

    def _make_deps(self, traits: Mapping[str, ChannelTraits]) -> Deps:
        return Deps(
            self._store,
            self._model,
            self._toolbox,
            policies=self._policies,
            recent_logs=self._recent_logs,
            clock=self._clock,
            traits=traits,
            fetch=self._fetch,
            show_text=self._presence.text,
            progress=self._progress,
            shows=self._presence.shows,
            supervisor=self._supervisor,
            traced=self._traced,
            away=self._shared.away if self._shared is not None else lambda server: False,
        )

    def changed(self) -> None:
        """Note that a channel or a tool server changed: the status is published at once."""
        self._status.changed()

    async def run(self, on_started: Callable[[], object] = lambda: None) -> None:
        """Until cancelled. `on_started` is called once every process can read in the status that this is the engine.

        Each background task fails and is run again by itself; a bug in the dispatcher of conversations ends the engine,
        so that a fresh one begins.

        Raises:
            StoreLost: there is no store to work with any more.
        """
        if self._drafts is not None:
            self._drafts.clear()
        if self._shared is None:
            await self._supervisor.until_done("Telling who is the engine", self._announce)
            on_started()
            await self._run_alone()
        else:
            on_started()
            await self._run_shared(self._shared)

    async def _run_alone(self) -> None:
        """All of it, in this process."""
        try:
            async with anyio.create_task_group() as tasks:
                for name, run in (
                    *self._lanes(),
                    *self._lanes_of_one(),
                    ("Sending messages", self._make_outbox(self._channels).run),
                ):
                    tasks.start_soon(self._supervisor.keep, name, run)
                for channel in self._channels.values():
                    tasks.start_soon(self._receiving.run, channel)
                tasks.start_soon(self._drives.run)
        finally:
            await self._sign_off()

    async def _run_shared(self, shared: Shared) -> None:
        """What each process does; and what one does at a time, while that one is this."""
        self._status.publishes = False
        async with anyio.create_task_group() as tasks:
            for name, run in self._lanes():
                tasks.start_soon(self._supervisor.keep, name, run)
            tasks.start_soon(shared.leases.hold, BRIDGE_LEASE, self._be_the_one)
            for name in self._channels.keys() & shared.serves:
                tasks.start_soon(shared.leases.hold, channel_lease(name), partial(self._serve, name))
            tasks.start_soon(self._drives.run)

    async def _be_the_one(self) -> None:
        """What exactly one process does, until cancelled."""
        self._status.publishes = True
        try:
            await self._supervisor.until_done("Telling who is the engine", self._announce)
            async with anyio.create_task_group() as tasks:
                for name, run in self._lanes_of_one():
                    tasks.start_soon(self._supervisor.keep, name, run)
        finally:
            self._status.publishes = False

    async def _serve(self, name: str) -> None:
        """Receive from a channel and send to it, until cancelled: one process does both, so that its limits hold."""
        channel = self._channels[name]
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._receiving.run, channel)
            tasks.start_soon(
                self._supervisor.keep, f"Sending messages to {name}", self._make_outbox({name: channel}, name).run
            )

    @property
    def served(self) -> dict[str, ChannelHealth]:
        """How the channels are that this process runs."""
        return {name: self._channels[name].health() for name in self._receiving.running}

    @property
    def troubles(self) -> dict[str, Trouble]:
        """What fails in this process."""
        return self._supervisor.troubles.all()

    def _lanes(self) -> Iterator[tuple[str, Callable[[], Awaitable[None]]]]:
        """The background tasks of each process that drives conversations, by name."""
        yield "Telling how things are", self._status.run
        yield "Showing what is typed", self._presence.run
        yield "Telling the progress of calls", self._progress.run

    def _lanes_of_one(self) -> Iterator[tuple[str, Callable[[], Awaitable[None]]]]:
        """The background tasks that exactly one process has, by name."""
        yield "Watching the clock", self._watch_the_clock
        yield "Writing to the store now and then", self._write_now_and_then
        yield "Forgetting old events", self._keep_the_feed_short
        yield "Forgetting for good", partial(keep_forgetting, self._keepers, self._rules, self._jumps, self._elapsed)
        yield "Closing approvals of calls that are over", partial(close_what_is_over, self._store)
        yield "Welcoming who was let in", self._welcome.run
        if self._transcriptions is not None:
            yield "Turning speech into text", self._transcriptions.run
        if ActivityLog.wanted():
            yield "Writing into the log what happens", ActivityLog(self._store, self._clock).run
        if self._prompts is not None:
            yield "Asking for approvals in chats", self._prompts.run
        yield from self._beside.items()

    async def _announce(self) -> None:
        """Publish channels and servers before the engine itself, so that whoever sees it sees them too."""
        await self._status.publish()
        await status_board.publish(self._store, "engine", status_board.EngineInfo(os.getpid(), self._clock.now()))

    async def _sign_off(self) -> None:
        """Publish that the engine has ended. A failure here must not hide the error that ended it."""
        with anyio.move_on_after(1, shield=True):
            try:
                await status_board.publish(self._store, "engine", status_board.EngineInfo(os.getpid(), 0.0))
            except StoreError as exc:
                logger.warning("the engine's end could not be written down: %s", exc)

    async def _fetch(self, conversation: str, attachment: Attachment, most: int = MAX_FETCHED_FILE) -> bytes:
        """The bytes of a file of a conversation, for a model."""
        if attachment.ref.startswith(KEPT) and self._files is not None:
            return await self._files.read(attachment.ref)
        channel = self._channels.get(Address.of(conversation).channel)
        if channel is None:
            raise FetchFailed(
                f"There is no channel that holds '{attachment.name or attachment.ref}'.",
                fix="It is there again once the config has the channel that it came in on.",
            )
        return await channel.fetch(attachment, most)

    async def _watch_the_clock(self) -> None:
        """Move deadlines when the wall clock was set."""
        await self._store.agenda.take_over(self._clock.now())
        while True:
            if jump := self._jumps.look():
                moved = partial(clocks.follow, jump, self._recent_logs, self._store.agenda, self._clock)
                await self._supervisor.until_done("Moving what waits", moved)
            await anyio.sleep(clocks.WATCH_S)

    async def _write_now_and_then(self) -> None:
        """Commit something at least every minute, so that a full disk is known before a message needs it."""
        while True:
            if self._clock.now() - self._store.health().written_at > WRITE_S:
                await self._store.status.put("written", self._clock.now())
            await anyio.sleep(WRITE_S / 4)

    async def _keep_the_feed_short(self) -> None:
        """Delete the oldest events, and ended grants; the logs keep the facts."""
        while True:
            await self._store.grants.prune(self._clock.now())
            spare = await self._store.feed.head() - self._rules.keep_events
            if spare > 0 and (pruned := await self._store.feed.prune(spare + 1)):
                logger.info("the feed forgot its %d oldest events", pruned)
            await anyio.sleep(PRUNE_S)
