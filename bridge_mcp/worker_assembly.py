"""Puts a worker together: an engine that shares its store with others, on Postgres."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Set
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Protocol

import anyio
import anyio.to_thread
from msgspec import Struct

from bridge_mcp import __version__
from bridge_mcp.assembly import (
    Assembly,
    Place,
    fetch_file,
    lanes_beside,
    load_engine,
    make_channels,
    make_models,
    make_roster,
)
from bridge_mcp.builtin_tools import with_builtins
from bridge_mcp.config import Config
from bridge_mcp.core.errors import StoreLost
from bridge_mcp.engine.engine import Engine, Shared
from bridge_mcp.engine.publishing import Elsewhere
from bridge_mcp.engine.supervision import first_error
from bridge_mcp.models.registry import Models
from bridge_mcp.operations.engine_settings import Roster, publish_settings
from bridge_mcp.ports import Channel, ChannelHealth, ChannelTraits, ServerStatus, WorkerInfo
from bridge_mcp.service import Bridge
from bridge_mcp.stores.postgres.errors import ConnectionLost
from bridge_mcp.stores.postgres.files import PostgresFiles
from bridge_mcp.stores.postgres.migrate import newest
from bridge_mcp.stores.postgres.store import PostgresStore, open_store
from bridge_mcp.telemetry.configured import recording
from bridge_mcp.toolservers.toolbox import NestedToolbox
from bridge_mcp.voices import Voices, make_voices
from bridge_mcp.workers.clock import DatabaseClock
from bridge_mcp.workers.jobs import JobDispatcher
from bridge_mcp.workers.leases import PostgresLeases
from bridge_mcp.workers.registry import TICK_S, Registry
from bridge_mcp.workers.session import DirectSession

__all__ = ["Worker", "WorkerOptions", "open_worker"]

logger = logging.getLogger(__name__)

TELL_S = 2.0
"""How long a Postgres that is away is tried before people are told."""

WARM_S = 10.0
"""How long a worker waits for its tool servers before it begins; a call waits for its server once more."""

FOLLOW_S = 0.5
"""How often a worker looks at what others tell of the tool servers that they run for all."""


def server_lease(name: str) -> str:
    """The lease of a tool server that one worker runs for all."""
    return f"server:{name}"


class Stop(Protocol):
    """Set when a worker is to end: an event of asyncio's or anyio's."""

    async def wait(self) -> object:
        """Until it is set."""
        ...


class StoppedWaiting(Exception):
    """A worker was to end while it waited for Postgres."""


@asynccontextmanager
async def open_worker(
    config: Config, options: WorkerOptions, tell: Callable[[str], object], stop: Stop
) -> AsyncGenerator[Worker]:
    """A worker on the store that the configuration names. A Postgres that is away is waited for, and told of.

    Raises:
        StoppedWaiting: `stop` was set meanwhile.
        ConfigError: the settings ask for what there is not.
        StoreError: the store cannot be opened.
    """
    from bridge_mcp.stores.drafts import DraftFolder
    from bridge_mcp.toolservers.schemas import Schemas

    logging.getLogger("procrastinate").setLevel(logging.WARNING)  # it tells of each job
    clock, schemas = DatabaseClock(), Schemas()
    channels = make_channels(config.channels, clock)
    roster = make_roster(config, channels)
    models = make_models(config)
    store = await opened(config, clock, roster.delivered_by_commit, tell, stop)
    files = PostgresFiles(config.store.url, max_file=config.max_file, max_total=config.max_files)
    try:
        drafts = DraftFolder(config.drafts_path)
        bridge = Bridge(
            store,
            roster.rules,
            roster.traits,
            clock=clock,
            check=schemas.complaint,
            is_engine=lambda: True,
            engine_lives=lambda: True,
            fetch=partial(fetch_file, files, channels),
            clients=config.visitors,
            settings=roster.own,
            drafts=drafts,
        )
        async with recording(config.telemetry, __version__) as otlp:
            place, callers = Place(anyio.Event()), store.callers
            assembly = Assembly(
                config, store, files, bridge=bridge, place=place, drafts=drafts, otlp=otlp, callers=callers
            )
            worker = Worker(assembly, store, options, channels, models, roster, clock)
            store.fence_by(worker.fences)
            yield worker
    finally:
        with anyio.CancelScope(shield=True):
            await schemas.close()
            await files.close()
            await store.close()


async def opened(
    config: Config, clock: DatabaseClock, delivered_by_commit: Set[str], tell: Callable[[str], object], stop: Stop
) -> PostgresStore:
    """The store, as soon as its Postgres answers, and has told the time.

    Raises:
        StoppedWaiting: `stop` was set meanwhile.
    """
    told = ""
    while True:
        try:
            store = await open_store(
                config.store.url,
                clock=clock,
                delivered_by_commit=delivered_by_commit,
                direct_url=config.store.direct_url,
                wait_s=TELL_S,
                reads_at_once=config.store.reads_at_once,
            )
            async with AsyncExitStack() as stack:
                stack.push_async_callback(store.close)
                # This machine's own clock may be wrong, which is not to be taken for one that is set.
                await clock.ask(store.workers.now)
                stack.pop_all()
                return store
        except ConnectionLost as exc:
            if str(exc) != told:
                told = str(exc)
                tell(told)
        with anyio.move_on_after(1.0):
            await stop.wait()
            raise StoppedWaiting


class WorkerOptions(Struct, frozen=True, kw_only=True):
    """What the command line says of a worker."""

    concurrency: int
    """How many conversations it drives at once."""
    channels: frozenset[str]
    """The channels that it may hold."""
    grace_s: float
    """How long a stop waits for what is under way."""


class Worker:
    """One worker. `run` works until `stop` is set, then hands over what is left."""

    def __init__(
        self,
        assembly: Assembly,
        store: PostgresStore,
        options: WorkerOptions,
        channels: Mapping[str, Channel],
        models: Models,
        roster: Roster,
        clock: DatabaseClock,
    ) -> None:
        self._assembly = assembly
        self._options = options
        self._channels = channels
        self._models = models
        self._roster = roster
        self._clock = clock
        self._host = socket.gethostname()
        self._id = secrets.token_hex(8)
        url = assembly.config.store.direct
        self._session = DirectSession(url, clock, TICK_S)
        self.registry = Registry(self._session, self._say)
        self._leased = DirectSession(url, DatabaseClock())
        """Of the leases alone: what else a worker says waits for its turn among all workers."""
        self._leases = PostgresLeases(self._leased, f"{self._host}:{os.getpid()}", self.registry.may_drive)
        self._jobs = JobDispatcher(url, self._session, store, self.registry.may_drive, self._shared)
        self._engine: Engine | None = None
        self._toolbox: NestedToolbox | None = None

    @property
    def fences(self) -> Mapping[str, int]:
        """The fencing numbers of the leases that it holds now, by name."""
        return self._leases.fences

    async def run(self, stop: Stop, on_ready: Callable[[], object]) -> tuple[str, ...]:
        """Work until `stop` is set; the conversations that were handed over to other workers in the middle.

        `on_ready` is called once it drives and all that it needs is loaded.

        Raises:
            StoreLost: there is no store any more.
        """
        try:
            return await self._work(stop, on_ready)
        except BaseExceptionGroup as group:
            lost, others = group.split(StoreLost)
            if lost is None or others is not None:
                raise
            raise first_error(lost) from group

    async def _work(self, stop: Stop, on_ready: Callable[[], object]) -> tuple[str, ...]:
        engine_type, toolbox_type = await anyio.to_thread.run_sync(load_engine)
        toolbox = self._toolbox = self._make_toolbox(toolbox_type)
        voices = make_voices(self._assembly.config, self._models)
        engine = self._engine = self._make_engine(engine_type, toolbox, voices)
        left: tuple[str, ...] = ()
        await toolbox.recall()
        async with anyio.create_task_group() as tasks:
            toolbox.start(tasks)
            # Loading keeps the event loop busy: what is held while it does would be lost.
            await self._warm(toolbox)
            tasks.start_soon(self._session.run)
            tasks.start_soon(self._leased.run)
            tasks.start_soon(self._tell, on_ready)
            try:
                async with anyio.create_task_group() as working:
                    working.start_soon(engine.run)
                    working.start_soon(self._follow, toolbox)
                    for name in toolbox.shared:
                        working.start_soon(self._leases.hold, server_lease(name), partial(toolbox.live, name))
                    await stop.wait()
                    left = await self._jobs.finish(self._options.grace_s)
                    working.cancel_scope.cancel()
            finally:
                with anyio.CancelScope(shield=True):
                    await toolbox.close()
                    await self._models.close()
                    await voices.close()
                    await self.registry.leave()
                tasks.cancel_scope.cancel()
        return left

    def _make_engine(self, engine_type: type[Engine], toolbox: NestedToolbox, voices: Voices) -> Engine:
        assembly, config = self._assembly, self._assembly.config
        configured = partial(publish_settings, assembly.store, self._roster.own)
        return engine_type(
            assembly.store,
            config.rules,
            self._channels,
            self._models,
            with_builtins(toolbox, config, assembly.store, self._traits, self._clock, self._models),
            self._clock,
            files=assembly.files,
            reconnect=toolbox.reconnect,
            callers=assembly.callers,
            beside=lanes_beside(assembly, voices, self._clock) | {"Telling how the bridge is configured": configured},
            drafts=assembly.drafts,
            transcriber=voices.transcriber,
            traced=assembly.otlp is not None,
            shared=Shared(
                self._jobs,
                self._leases,
                self._options.concurrency,
                serves=self._options.channels,
                elsewhere=self._elsewhere,
                away=lambda server: server in toolbox.shared and not self._runs_here(server),
            ),
        )

    @property
    def _traits(self) -> dict[str, ChannelTraits]:
        return {name: channel.traits for name, channel in self._channels.items()}

    def _make_toolbox(self, toolbox_type: type[NestedToolbox]) -> NestedToolbox:
        config = self._assembly.config
        return toolbox_type(
            config.tool_servers,
            on_change=lambda: self._engine.changed() if self._engine is not None else None,
            clock=self._clock,
            pins=self._assembly.store.tool_pins,
            files=self._assembly.files,
            tokens=config.tokens_path,
            holds=self._runs_here,
        )

    def _runs_here(self, server: str) -> bool:
        """Whether this worker is the one that runs a tool server for all."""
        return server_lease(server) in self._leases.fences

    def _shared(self) -> dict[str, bool]:
        """The tool servers that one worker runs for all, and whether it is this one."""
        return {} if self._toolbox is None else {name: self._runs_here(name) for name in self._toolbox.shared}

    async def _follow(self, toolbox: NestedToolbox) -> None:
        """Go by what other workers tell of the tool servers that they run for all."""
        while toolbox.shared:
            statuses: dict[str, ServerStatus] = {}
            for worker in self.registry.workers:
                statuses |= worker.servers
            await toolbox.follow(statuses)
            await anyio.sleep(FOLLOW_S)

    async def _warm(self, toolbox: NestedToolbox) -> None:
        """Load what the first turn would wait for."""
        await self._models.warm()
        own_servers = {server.name for server in self._assembly.config.tool_servers} - {*toolbox.shared}
        await toolbox.ready(frozenset(own_servers), WARM_S)

    async def _tell(self, on_ready: Callable[[], object]) -> None:
        """Say when this worker drives."""
        await self.registry.driving.wait()
        on_ready()

    def _say(self) -> WorkerInfo:
        """What this worker is like now."""
        engine = self._engine
        return WorkerInfo(
            id=self._id,
            host=self._host,
            pid=os.getpid(),
            version=__version__,
            config=self._assembly.config.digest,
            schema_version=newest(),
            clock_off_s=round(time.time() - self._clock.now(), 3),
            concurrency=self._options.concurrency,
            under_way=len(self._jobs.under_way),
            holds=tuple(sorted(self._leases.fences)),
            channels={} if engine is None else engine.served,
            servers={} if self._toolbox is None else self._toolbox.shared_status,
            troubles={} if engine is None else engine.troubles,
        )

    def _elsewhere(self) -> Elsewhere:
        """What the other workers tell of themselves."""
        healths: dict[str, ChannelHealth] = {}
        others = [worker for worker in self.registry.workers if worker.id != self._id]
        for worker in others:
            healths |= worker.channels
        troubles = {
            f"{part} (worker {worker.host}:{worker.pid})": trouble
            for worker in others
            for part, trouble in worker.troubles.items()
        }
        return Elsewhere(healths, troubles)
