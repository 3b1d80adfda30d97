"""The status that the engine publishes for all processes: itself, its channels, models, tools and warnings.

It shows the state when the engine last looked; nothing is decided by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeVar, cast

from msgspec import Struct, to_builtins

from bridge_mcp.core.results import ChannelInfo, ServerInfo, ToolList, Trouble
from bridge_mcp.core.tools import JSON, ToolSpec
from bridge_mcp.ports import ChannelHealth, ChannelRules, ChannelTraits, ModelHealth, ServerStatus, Store

__all__ = [
    "EngineInfo",
    "ask_reload",
    "channel_info",
    "channels",
    "complaints",
    "engine",
    "models",
    "put_channels",
    "put_complaints",
    "put_engine",
    "put_models",
    "put_tools",
    "put_troubles",
    "reload_asked",
    "tools",
    "troubles",
    "warnings",
]

T = TypeVar("T", bound=Struct)


class EngineInfo(Struct, frozen=True):
    """The engine's process. `since` is epoch seconds, 0 when it has ended."""

    pid: int
    since: float


async def put_engine(store: Store, info: EngineInfo) -> None:
    """Publish the engine's process."""
    await store.status.put("engine", cast("JSON", to_builtins(info)))


async def engine(store: Store) -> EngineInfo | None:
    """The last engine; None if there never was one, or it ended cleanly."""
    body = await store.status.get("engine")
    info = read(EngineInfo, body) if body is not None else None
    return info if info and info.since else None


async def put_channels(store: Store, healths: Mapping[str, ChannelHealth]) -> None:
    """Publish the health of channels, by name."""
    await store.status.put("channels", {name: cast("JSON", to_builtins(health)) for name, health in healths.items()})


async def channels(store: Store) -> dict[str, ChannelHealth]:
    """The health of channels, by name; empty before the first engine."""
    body = await store.status.get("channels")
    return {name: read(ChannelHealth, each) for name, each in body.items()} if isinstance(body, dict) else {}


async def put_models(store: Store, healths: Sequence[ModelHealth]) -> None:
    """Publish the health of models."""
    await store.status.put("models", [cast("JSON", to_builtins(health)) for health in healths])


async def models(store: Store) -> tuple[ModelHealth, ...]:
    """The health of models; empty before the first call."""
    return tuple(read_all(ModelHealth, await store.status.get("models")))


async def put_complaints(store: Store, complaints: Mapping[str, str]) -> None:
    """Publish what is wrong with settings, by channel."""
    await store.status.put("complaints", dict(complaints))


async def complaints(store: Store) -> dict[str, str]:
    """By channel: what is wrong with its settings although it works."""
    body = await store.status.get("complaints")
    return {name: str(each) for name, each in body.items()} if isinstance(body, dict) else {}


async def put_troubles(store: Store, troubles: Mapping[str, Trouble]) -> None:
    """Publish what fails, by what it concerns."""
    await store.status.put("troubles", {what: cast("JSON", to_builtins(each)) for what, each in troubles.items()})


async def troubles(store: Store) -> dict[str, Trouble]:
    """By what it concerns: what fails in the engine, and is retried."""
    body = await store.status.get("troubles")
    return {what: read(Trouble, each) for what, each in body.items()} if isinstance(body, dict) else {}


async def ask_reload(store: Store, at: float) -> None:
    """Ask the engine to reconnect its tool servers."""
    await store.status.put("reload", at)


async def reload_asked(store: Store) -> JSON:
    """When that was last asked for."""
    return await store.status.get("reload")


async def put_tools(store: Store, specs: Sequence[ToolSpec], servers: Sequence[ServerStatus]) -> None:
    """Publish the tools and the status of their servers."""
    body: JSON = {
        "tools": [cast("JSON", to_builtins(spec)) for spec in specs],
        "servers": [cast("JSON", to_builtins(server_info(status))) for status in servers],
    }
    await store.status.put("tools", body)


async def tools(store: Store) -> ToolList:
    """The tools and their servers; empty before the first engine."""
    body = await store.status.get("tools")
    if not isinstance(body, dict):
        return ToolList((), ())
    return ToolList(tuple(read_all(ToolSpec, body.get("tools"))), tuple(read_all(ServerInfo, body.get("servers"))))


def server_info(status: ServerStatus) -> ServerInfo:
    used: Literal["none", "not used", "used", "changed"] = "none"
    if status.instructions_changed:
        used = "changed"
    elif status.instructions:
        used = "used" if status.in_prompts else "not used"
    says = status.instructions if status.instructions_changed else ""
    return ServerInfo(
        status.name,
        status.state,
        status.tools,
        error=status.error,
        restarts=status.restarts,
        instructions=used,
        says=says,
    )


def channel_info(traits: ChannelTraits, rules: ChannelRules, health: ChannelHealth | None) -> ChannelInfo:
    """One channel, from its config and its published health."""
    known = health or (ChannelHealth("ready") if traits.delivered_by_commit else None)
    return ChannelInfo(
        traits.name,
        traits.type,
        rules.responder,
        needs_pairing=traits.needs_pairing,
        state=known.state if known else "unknown",
        error=known.error if known else "",
        last_ok=known.last_ok if known else 0.0,
        distribution=rules.distribution,
    )


def warnings(
    told: EngineInfo | None,
    lives: bool,
    listed: Sequence[ChannelInfo],
    servers: Sequence[ServerInfo],
    healths: Sequence[ModelHealth] = (),
    complained: Mapping[str, str] | None = None,
    stuck: Mapping[str, str] | None = None,
    failing: Mapping[str, Trouble] | None = None,
    undelivered: Mapping[str, str] | None = None,
    *,
    starting: bool = False,
) -> tuple[str, ...]:
    """The warnings for the owner, each with its fix if there is one.

    `told` is the last published engine, `lives` whether there is one now, `starting` whether one is about to start.
    """
    found: list[str] = []
    if starting:
        found.append("The engine is starting: messages wait a moment.")
    elif told is None or not lives:
        killed = f"The engine, process {told.pid}, was killed. " if told else ""
        found.append(f"{killed}No engine is running: messages wait. Start one with: bridge-mcp serve")
    found += [f"Channel {c.name} is {c.state}: {c.error}" for c in listed if c.error]
    found += [f"Channel {name}: {told}" for each in (complained, stuck) for name, told in (each or {}).items()]
    found += [f"{what} fails and is tried again: {each.text}" for what, each in (failing or {}).items()]
    found += [f"The last message to {name} was not delivered: {why}" for name, why in (undelivered or {}).items()]
    found += [f"Tool server {s.name} is {s.state}: {s.error}" for s in servers if s.error]
    found += [
        f"Tool server {s.name} gives other instructions than before; the assistant is told the earlier ones. "
        f"Look at the new ones, and accept them or not: bridge-mcp servers trust {s.name}"
        for s in servers
        if s.instructions == "changed"
    ]
    found += [
        f"Model {m.name} does not answer{f'; {m.instead} answers in its place' if m.instead else ''}: {m.error}"
        for m in healths
        if m.error
    ]
    found += [f"Model {m.name}: {m.remark}" for m in healths if m.remark]
    return tuple(found)


def read(cls: type[T], body: JSON) -> T:
    """A flat value from its published form; fields of a newer version are ignored."""
    known = frozenset(cls.__struct_fields__)
    given = body if isinstance(body, dict) else {}
    return cls(**{name: value for name, value in given.items() if name in known})


def read_all(cls: type[T], body: JSON) -> list[T]:
    return [read(cls, each) for each in body] if isinstance(body, list) else []
