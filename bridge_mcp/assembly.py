"""Puts the parts together: the only module that sees all of them. Adapters are loaded when they are first needed.

A process opens the bridge as a face; with `engine` "now" or "soon" it also stands by for the engine's place, which one
process per store holds by the lock of a file, and which the system gives back when that process dies.
"""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

import anyio.to_thread
from msgspec import Struct

from bridge_mcp import __version__
from bridge_mcp.builtin_tools import with_builtins
from bridge_mcp.callers import FileCallers, sweep
from bridge_mcp.channels.plug import Given
from bridge_mcp.config import ChannelSettings, Config
from bridge_mcp.core.backoff import Backoff
from bridge_mcp.core.entries import Attachment
from bridge_mcp.core.errors import FetchFailed, StoreError
from bridge_mcp.engine.supervision import error_line, first_error
from bridge_mcp.engine_lock import PulseFile, Seal, engine_lives, make_lock, owner_of
from bridge_mcp.how_started import how_started
from bridge_mcp.operations.clocks import WallClock
from bridge_mcp.operations.commands import COMMANDS
from bridge_mcp.operations.engine_settings import Roster, publish_settings, settings_of
from bridge_mcp.operations.later import cancel_of_gone
from bridge_mcp.ports import KEPT, Callers, Channel, Clock, Drafts, Files, Pulse, Store
from bridge_mcp.redaction import quiet
from bridge_mcp.server.events.configured import event_lanes
from bridge_mcp.service import Bridge
from bridge_mcp.telemetry.configured import recording, span_lanes
from bridge_mcp.voices import Voices, make_voices

if TYPE_CHECKING:
    from bridge_mcp.engine.engine import Engine
    from bridge_mcp.engine.turns.fast_path import FastPath
    from bridge_mcp.models.registry import Models
    from bridge_mcp.telemetry.otlp import Otlp
    from bridge_mcp.toolservers.toolbox import NestedToolbox

__all__ = ["Assembly", "EngineWish", "WallClock", "make_channels", "open_bridge"]

logger = logging.getLogger(__name__)

EngineWish = Literal["now", "soon", "never"]
"""Whether this process may be the engine: from the start, once `Assembly.want_engine` was called, or not at all."""

TRY_S, LOOK_S = 0.25, 2.0
"""How often a process that stands by tries for the engine's place (spread by a quarter), and looks what that runs."""
PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0
"""The shortest and the longest pause before an engine that broke is started again."""
STEADY_S = 60.0
"""An engine that ran this long was a good one: the next pause is the shortest again."""
BEAT_S = 2.0
"""How often the engine says that it is alive."""
AHEAD_S = 2.0
"""How long a process has stood by until it loads what tool servers need: its own start comes first."""
WARM_S = 60.0
"""How long tool servers may take until loading counts as done."""


@dataclass(slots=True)
class Place:
    """Whether this process holds the engine's place now, and whether it should try."""

    wanted: anyio.Event
    held: bool = False
    fast_path: FastPath | None = None
    """The engine's short way for clients' calls, while it is here."""
    coming: bool = False
    """Whether it is about to be held: nothing has gone wrong so far."""


class Assembly(Struct, frozen=True):
    """An open bridge."""

    config: Config
    store: Store
    files: Files
    bridge: Bridge
    place: Place
    drafts: Drafts
    otlp: Otlp | None
    callers: Callers

    def want_engine(self) -> None:
        """From now on, stand by for the engine's place. Calling it again is fine."""
        self.place.wanted.set()

    @property
    def is_engine(self) -> bool:
        """Whether this process is the engine now."""
        return self.place.held


@asynccontextmanager
async def open_bridge(
    config: Config, *, engine: EngineWish = "now", on_ready: Callable[[], object] = lambda: None
) -> AsyncGenerator[Assembly]:
    """Open the store and the service, and stand by for the engine's place as `engine` says; on Postgres workers drive.

    `on_ready` is called when this process has become the engine and all that it needs is loaded.

    Raises:
        ConfigError: the settings ask for what there is not.
        StoreError: the store cannot be opened.
    """
    if config.store.is_postgres:
        from bridge_mcp.face_assembly import open_shared_face

        async with open_shared_face(config) as assembly:
            yield assembly
        return
    channels = make_channels(config.channels, WallClock())
    roster = make_roster(config, channels)
    place = Place(anyio.Event(), coming=engine != "never")
    models = None if engine == "never" else make_models(config)
    # A process that becomes the engine "soon" first looks while it stands by: its host waits for the list of tools.
    async with open_face(config, channels, roster, place, look=engine != "soon") as assembly:
        if models is None:
            yield assembly
            return
        if engine == "now":
            assembly.want_engine()
        standby = Standby(assembly, channels, models, clock=WallClock(), on_ready=on_ready, roster=roster)
        failure: BaseException | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(standby.run)
            tasks.start_soon(standby.look_ahead)
            try:
                yield assembly
            except (Exception, SystemExit) as exc:  # not wrapped into a group: the caller's errors are the caller's
                failure = exc
            tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure


@asynccontextmanager
async def open_face(
    config: Config, channels: Mapping[str, Channel], roster: Roster, place: Place, *, look: bool
) -> AsyncGenerator[Assembly]:
    """The store and the service on it. `look` reads first which channels the running engine has."""
    from bridge_mcp.stores.drafts import DraftFolder
    from bridge_mcp.stores.files import FileFolder
    from bridge_mcp.stores.sqlite import open_store
    from bridge_mcp.toolservers.schemas import Schemas

    clock, schemas, pulse = WallClock(), Schemas(), PulseFile(config.lock_path)
    drafts, callers = DraftFolder(config.drafts_path), FileCallers(config.callers_path)
    owner = partial(owner_of, config.lock_path, pulse)
    delivered = roster.delivered_by_commit
    store = await open_store(config.store_path, clock=clock, delivered_by_commit=delivered, owner=owner)
    try:
        if look:
            await roster.look(store, engine_lives(config.lock_path))
        files = FileFolder(config.files_path, max_file=config.max_file, max_folder=config.max_files)
        bridge = Bridge(
            store,
            roster.rules,
            roster.traits,
            clock=clock,
            check=schemas.complaint,
            is_engine=lambda: place.held,
            engine_lives=lambda: place.held or engine_lives(config.lock_path),
            fetch=partial(fetch_file, files, channels),
            fast_path=lambda: place.fast_path,
            clients=config.visitors,
            pulse=pulse.read,
            settings=roster.own,
            starting=lambda: place.coming,
            drafts=drafts,
        )
        async with recording(config.telemetry, __version__) as otlp:
            yield Assembly(config, store, files, bridge=bridge, place=place, drafts=drafts, otlp=otlp, callers=callers)
    finally:
        with anyio.CancelScope(shield=True):
            await schemas.close()
            await store.close()


async def fetch_file(
    files: Files, channels: Mapping[str, Channel], channel: str, attachment: Attachment, max_bytes: int
) -> bytes:
    """A file's bytes: from the folder of files, or from the platform that holds it."""
    if attachment.ref.startswith(KEPT):
        return await files.read(attachment.ref)
    if channel not in channels:
        raise FetchFailed("Only the engine knows this channel.", fix="Start this process as it was started.")
    return await channels[channel].fetch(attachment, max_bytes)


def make_roster(config: Config, channels: Mapping[str, Channel]) -> Roster:
    """The channels and their rules as this process's own config has them, until the engine's are read."""
    traits = {name: channel.traits for name, channel in channels.items()}
    file = str(config.source) if config.source else ""
    return Roster(settings_of(file, config.digest, traits, config.rules, config.lacking, how_started()), config.rules)


def make_channels(settings: Mapping[str, ChannelSettings], clock: Clock) -> dict[str, Channel]:
    """The channels, by name. What their platforms need is loaded when they are first used."""
    return {name: make_channel(one, clock) for name, one in settings.items()}


def make_channel(settings: ChannelSettings, clock: Clock) -> Channel:
    """The channel of one [channels.NAME] section; opens no connection."""
    commands = tuple((name, command.about) for name, command in COMMANDS.items())
    quiet(settings.plug.type.loggers)
    channel: Channel = settings.plug.type.make(settings.settings, Given(clock, commands))
    return channel


def make_models(config: Config) -> Models:
    """The models; what they need is loaded when the engine starts.

    Raises:
        ConfigError: a script or a parameter is off.
    """
    from bridge_mcp.models.registry import Models

    return Models(config.models)


# -- the engine's place ----------------------------------------------------------------------------------------


class Standby(Struct, frozen=True):
    """Tries for the engine's place, and is the engine while it is ours."""

    assembly: Assembly
    channels: Mapping[str, Channel]
    models: Models
    clock: WallClock
    on_ready: Callable[[], object]
    roster: Roster

    async def run(self) -> None:
        """Until cancelled. An engine that breaks is logged, and started again, here or in a luckier process."""
        await self.assembly.place.wanted.wait()
        lock = await anyio.to_thread.run_sync(make_lock, self.assembly.config.lock_path)
        backoff, looked, standing_by = Backoff(PAUSE_S, LONGEST_PAUSE_S), 0.0, False
        while True:
            try:
                acquired = lock.acquire()
                seal = Seal(self.assembly.config.lock_path)
            except StoreError as exc:
                logger.error("no engine here: %s", exc)
                self.assembly.place.coming = False
                await anyio.sleep(LONGEST_PAUSE_S)
                continue
            if not acquired:
                if not standing_by:
                    standing_by = True
                    logger.info("another process is the engine; this one stands by")
                if time.monotonic() - looked > LOOK_S:
                    looked = time.monotonic()
                    await self.look_at_engine()
                await anyio.sleep(TRY_S * random.uniform(0.75, 1.25))
                continue
            began, standing_by = time.monotonic(), False
            try:
                self.roster.go_by(self.roster.own)
                await publish_settings(self.assembly.store, self.roster.own)
                await self.be_engine(seal)
            except Exception as exc:
                logger.error("the engine broke: %s; the face goes on", error_line(first_error(exc)), exc_info=exc)
                self.assembly.place.coming = False
            finally:
                self.assembly.place.held = False
                self.assembly.place.fast_path = None
                lock.release()
            if time.monotonic() - began > STEADY_S:
                backoff.reset()
            await anyio.sleep(backoff.next())

    async def look_at_engine(self) -> None:
        """Go by the channels of the process that is the engine."""
        try:
            await self.roster.look(self.assembly.store, True)
        except StoreError as exc:
            logger.warning("what the engine runs cannot be read: %s", exc)

    async def look_ahead(self) -> None:
        """Load what tool servers need, if there are any: 0.4 s of CPU and 16 MB that a takeover need not wait for."""
        if self.assembly.config.tool_servers:
            await self.assembly.place.wanted.wait()
            await anyio.sleep(AHEAD_S)
            await anyio.to_thread.run_sync(load_client, abandon_on_cancel=True)

    async def be_engine(self, seal: Seal) -> None:
        """Be the engine until cancelled, or broken."""
        engine_type, toolbox_type = await anyio.to_thread.run_sync(load_engine)
        config, store = self.assembly.config, self.assembly.store
        toolbox = toolbox_type(
            config.tool_servers,
            on_change=lambda: engine.changed(),
            clock=self.clock,
            pins=store.tool_pins,
            files=self.assembly.files,
            tokens=config.tokens_path,
        )
        traits = {name: channel.traits for name, channel in self.channels.items()}
        tools = with_builtins(toolbox, config, store, traits, self.clock, self.models)
        voices = make_voices(config, self.models)
        engine = engine_type(
            store,
            config.rules,
            self.channels,
            self.models,
            tools,
            self.clock,
            files=self.assembly.files,
            reconnect=toolbox.reconnect,
            callers=self.assembly.callers,
            beside=lanes_beside(self.assembly, voices, self.clock),
            drafts=self.assembly.drafts,
            transcriber=voices.transcriber,
            traced=self.assembly.otlp is not None,
        )
        await toolbox.recall()
        await cancel_of_gone(store, [visitor.name for visitor in config.visitors])
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.beat, seal)
            toolbox.start(tasks)
            tasks.start_soon(self.warm, toolbox)

            def became_engine() -> None:
                self.assembly.place.held = self.assembly.place.coming = True
                self.assembly.place.fast_path = engine.fast_path
                logger.info("this process is the engine now")

            try:
                await engine.run(became_engine)
            finally:
                with anyio.CancelScope(shield=True):
                    await toolbox.close()
                    await self.models.close()
                    await voices.close()
                tasks.cancel_scope.cancel()

    async def beat(self, seal: Seal) -> None:
        """Say that this engine is alive, and step down once its lock is not the one at its path.

        Raises:
            PlaceLost: another process can be the engine now.
        """
        file, since, told_of = PulseFile(self.assembly.config.lock_path), time.time(), ""
        while True:
            seal.check()
            health = self.assembly.store.health()
            pulse = Pulse(
                os.getpid(), since, time.time(), written_at=health.written_at, error=health.failure, held=health.held
            )
            try:
                file.write(pulse)
            except OSError as exc:
                if str(exc) != told_of:
                    told_of = str(exc)
                    logger.warning("others cannot be told that the engine is alive: %s", exc)
            await anyio.sleep(BEAT_S)

    async def warm(self, toolbox: NestedToolbox) -> None:
        """Load what the first turn would wait for, and say when it is there; clear up after callers that are gone."""
        await anyio.to_thread.run_sync(sweep, self.assembly.config.callers_path, self.clock.now())
        await self.models.warm()
        await toolbox.ready(frozenset(server.name for server in self.assembly.config.tool_servers), WARM_S)
        self.on_ready()


def lanes_beside(assembly: Assembly, voices: Voices, clock: Clock) -> dict[str, Callable[[], Awaitable[None]]]:
    """What else exactly one process does, by what it is: posting events, sending spans, speaking."""
    lanes = event_lanes(assembly.bridge, clock) | span_lanes(assembly.otlp, assembly.store)
    traits = assembly.bridge.traits
    return lanes | voices.lanes(assembly.config, assembly.store, assembly.files, clock, traits=traits)


def load_engine() -> tuple[type[Engine], type[NestedToolbox]]:
    """What only an engine needs."""
    from bridge_mcp.engine.engine import Engine
    from bridge_mcp.toolservers.toolbox import NestedToolbox

    return Engine, NestedToolbox


def load_client() -> None:
    """What connecting to tool servers takes."""
    from bridge_mcp.toolservers.supervisor import load

    load()
