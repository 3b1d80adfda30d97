"""Puts the parts together: the only module that sees all of them. Adapters are loaded when they are first needed.

A process opens the bridge as a face; with `engine` "now" or "soon" it also stands by for the engine's place, which one
process per store holds by the lock of a file, and which the system gives back when that process dies.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import anyio
import anyio.to_thread

from bridge_mcp.channels.local import LocalChannel
from bridge_mcp.config import ChannelSettings, Config
from bridge_mcp.core.errors import ConfigError
from bridge_mcp.core.tools import JSON, ToolSpec
from bridge_mcp.ports import Channel, Store
from bridge_mcp.service import Bridge

if TYPE_CHECKING:
    from filelock import BaseFileLock

__all__ = ["Assembly", "EngineWish", "WallClock", "open_bridge"]

logger = logging.getLogger(__name__)

EngineWish = Literal["now", "soon", "never"]
"""Whether this process may be the engine: from the start, once `Assembly.want_engine` was called, or not at all."""

TRY_S = 0.25
"""How often a process that stands by tries for the engine's place; the others' luck is spread by up to half of it."""

PAUSES_S = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Before an engine that broke is started again."""

STEADY_S = 60.0
"""An engine that ran this long was a good one: the next pause is the shortest again."""


class WallClock:
    """The system's clock."""

    def now(self) -> float:
        """Epoch seconds."""
        return time.time()


@dataclass(slots=True)
class Place:
    """Whether this process holds the engine's place now, and whether it should try."""

    wanted: anyio.Event
    held: bool = False


@dataclass(frozen=True, slots=True)
class Assembly:
    """An open bridge."""

    config: Config
    store: Store
    bridge: Bridge
    place: Place

    def want_engine(self) -> None:
        """From now on, stand by for the engine's place. Calling it again is fine."""
        self.place.wanted.set()

    @property
    def is_engine(self) -> bool:
        """Whether this process is the engine now."""
        return self.place.held


@asynccontextmanager
async def open_bridge(
    config: Config, *, engine: EngineWish = "now", settled: Callable[[], object] = lambda: None
) -> AsyncGenerator[Assembly]:
    """Open the store and the service, and stand by for the engine's place as `engine` says.

    `settled` is called when this process has become the engine and all that it needs is loaded.

    Raises:
        ConfigError: the settings ask for what there is not.
        StoreError: the store cannot be opened.
    """
    from bridge_mcp.stores.sqlite import open_store

    channels = make_channels(config.channels)
    delivered = frozenset(name for name, channel in channels.items() if channel.traits.delivered_by_commit)
    clock = WallClock()
    place = Place(anyio.Event())
    store = await open_store(config.store_path, clock=clock, delivered_by_commit=delivered)
    try:
        traits = {name: channel.traits for name, channel in channels.items()}
        bridge = Bridge(store, config.rules, traits, clock=clock, check=lazy_check(), is_engine=lambda: place.held)
        assembly = Assembly(config, store, bridge, place)
        if engine == "never":
            yield assembly
            return
        if engine == "now":
            assembly.want_engine()
        failure: BaseException | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stand_by, assembly, channels, clock, settled)
            try:
                yield assembly
            except Exception as exc:  # not wrapped into a group: the caller's errors are the caller's
                failure = exc
            tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure
    finally:
        with anyio.CancelScope(shield=True):
            await store.close()


def make_channels(settings: Mapping[str, ChannelSettings]) -> dict[str, Channel]:
    """The channels, by name.

    Raises:
        ConfigError: a channel was asked for that this version cannot reach.
    """
    channels: dict[str, Channel] = {}
    for name, each in settings.items():
        match each.type:
            case "local":
                channels[name] = LocalChannel(name)
            case "telegram" if each.asked_for:
                raise ConfigError(
                    f"channels.{name}.type: Telegram is not in this version of bridge_mcp.",
                    fix="Remove the channel, or use a later version.",
                )
            case "telegram":
                logger.warning("TELEGRAM_BOT_TOKEN is set, but Telegram is not in this version: left out")
    return channels


def lazy_check() -> Callable[[ToolSpec, Mapping[str, JSON]], str]:
    """The check of arguments against a tool's schema; its library is loaded with the first check."""
    from bridge_mcp.toolservers.schemas import Schemas

    schemas = Schemas()
    return lambda spec, arguments: schemas.complaint(spec.schema, arguments)


# -- the engine's place ----------------------------------------------------------------------------------------


async def stand_by(
    assembly: Assembly, channels: Mapping[str, Channel], clock: WallClock, settled: Callable[[], object]
) -> None:
    """Try for the engine's place, and be the engine while it is ours; until cancelled. Breaks are logged."""
    await assembly.place.wanted.wait()
    lock = await anyio.to_thread.run_sync(make_lock, assembly.config)
    broken = 0
    while True:
        if not taken(lock):
            await anyio.sleep(TRY_S * random.uniform(0.75, 1.25))
            continue
        began = time.monotonic()
        logger.info("this process is the engine now")
        try:
            await be_engine(assembly, channels, clock, settled)
        except Exception:
            broken = 0 if time.monotonic() - began > STEADY_S else broken + 1
            logger.exception("the engine broke; the face goes on")
        finally:
            assembly.place.held = False
            lock.release()
        # The pause comes after the release: another process may well be luckier.
        await anyio.sleep(PAUSES_S[min(broken, len(PAUSES_S)) - 1])


async def be_engine(
    assembly: Assembly, channels: Mapping[str, Channel], clock: WallClock, settled: Callable[[], object]
) -> None:
    """Be the engine until cancelled, or broken."""
    from bridge_mcp.engine.engine import Engine
    from bridge_mcp.models.registry import Models
    from bridge_mcp.toolservers.box import NestedToolbox

    config, store = assembly.config, assembly.store
    models = Models(config.models)
    toolbox = NestedToolbox(config.tool_servers, on_change=lambda: engine.changed(), clock=clock)
    engine = Engine(store, config.rules, channels, models, toolbox, clock)

    async def warm() -> None:
        await models.warm()
        settled()

    async with anyio.create_task_group() as tasks:
        toolbox.start(tasks)
        tasks.start_soon(warm)
        assembly.place.held = True
        try:
            await engine.run()
        finally:
            with anyio.CancelScope(shield=True):
                await toolbox.close()
                await models.close()
            tasks.cancel_scope.cancel()


def make_lock(config: Config) -> BaseFileLock:
    """The lock that the engine holds; the system releases it when the process is gone, however it went."""
    from filelock import FileLock

    return FileLock(config.lock_path, thread_local=False)


def taken(lock: BaseFileLock) -> bool:
    """Take the lock if it is free. Never waits."""
    from filelock import Timeout

    with suppress(Timeout):
        lock.acquire(timeout=0)
        return True
    return False
