"""The status that the engine publishes for all processes: itself, its channels, models, tools and warnings.

It shows the state when the engine last looked; nothing is decided by it.
"""

from __future__ import annotations

from typing import Literal, TypeVar, cast

from msgspec import Struct, to_builtins

from bridge_mcp.core.results import ChannelInfo, ServerInfo, ToolList, Trouble
from bridge_mcp.core.tools import JSON, ToolSpec
from bridge_mcp.ports import ChannelHealth, ChannelRules, ChannelTraits, ModelHealth, ServerStatus, StatusName, Store

__all__ = [
    "EngineInfo",
    "ask_reload",
    "ask_retry",
    "asked_for",
    "channel_info",
    "channels",
    "complaints",
    "engine",
    "last_retention_at",
    "models",
    "named_clients",
    "publish",
    "server_info",
    "tools",
    "troubles",
]

T = TypeVar("T", bound=Struct)


class EngineInfo(Struct, frozen=True):
    """The engine's process. `since` is epoch seconds, 0 when it has ended."""

    pid: int
    since: float


async def publish(store: Store, name: StatusName, value: object) -> None:
    """Publish one part of the status."""
    await store.status.put(name, cast("JSON", to_builtins(value)))


async def engine(store: Store) -> EngineInfo | None:
    """The last engine; None if there never was one, or it ended cleanly."""
    body = await store.status.get("engine")
    info = read(EngineInfo, body) if body is not None else None
    return info if info and info.since else None


async def channels(store: Store) -> dict[str, ChannelHealth]:
    """The health of channels, by name; empty before the first engine."""
    body = await store.status.get("channels")
    return {name: read(ChannelHealth, health) for name, health in body.items()} if isinstance(body, dict) else {}


async def models(store: Store) -> tuple[ModelHealth, ...]:
    """The health of models; empty before the first call."""
    return tuple(read_all(ModelHealth, await store.status.get("models")))


async def complaints(store: Store) -> dict[str, str]:
    """By channel: what is wrong with its settings although it works."""
    body = await store.status.get("complaints")
    return {name: str(text) for name, text in body.items()} if isinstance(body, dict) else {}


async def troubles(store: Store) -> dict[str, Trouble]:
    """By what it concerns: what fails in the engine, and is retried."""
    body = await store.status.get("troubles")
    return {subject: read(Trouble, trouble) for subject, trouble in body.items()} if isinstance(body, dict) else {}


async def ask_reload(store: Store, at: float) -> None:
    """Ask the engine to reconnect its tool servers."""
    await store.status.put("reload", at)


async def ask_retry(store: Store, channel: str, at: float) -> None:
    """Ask the engine to run a channel afresh, at once."""
    _, asked = await asked_for(store)
    await store.status.put("retries", {**asked, channel: at})


async def asked_for(store: Store) -> tuple[JSON, dict[str, JSON]]:
    """When a reload was last asked for, and by channel, when it was to run afresh."""
    parts = await store.status.several("reload", "retries")
    retries = parts.get("retries")
    return parts.get("reload"), dict(retries) if isinstance(retries, dict) else {}


async def last_retention_at(store: Store) -> float:
    """When an engine last looked for what is older than its channel keeps (epoch seconds); 0 for never."""
    body = await store.status.get("retained")
    return float(body) if isinstance(body, int | float) else 0.0


async def named_clients(store: Store) -> tuple[str, ...]:
    """The clients that the config named when an engine last started."""
    body = await store.status.get("named_clients")
    return tuple([str(name) for name in body]) if isinstance(body, list) else ()


async def tools(store: Store) -> ToolList:
    """The tools and their servers; empty before the first engine."""
    body = await store.status.get("tools")
    if not isinstance(body, dict):
        return ToolList((), ())
    return ToolList(tuple(read_all(ToolSpec, body.get("tools"))), tuple(read_all(ServerInfo, body.get("servers"))))


def server_info(status: ServerStatus) -> ServerInfo:
    """One tool server, as all processes are told of it."""
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
    current = health or (ChannelHealth("ready") if traits.delivered_by_commit else None)
    return ChannelInfo(
        traits.name,
        traits.type,
        rules.responder,
        needs_pairing=traits.needs_pairing,
        state=current.state if current else "unknown",
        error=current.error if current else "",
        last_ok=current.last_ok if current else 0.0,
        distribution=rules.distribution,
        can=traits.can,
    )


def read(cls: type[T], body: JSON) -> T:
    """A flat value from its published form; fields of a newer version are ignored."""
    names = frozenset(cls.__struct_fields__)
    fields = body if isinstance(body, dict) else {}
    return cls(**{name: value for name, value in fields.items() if name in names})


def read_all(cls: type[T], body: JSON) -> list[T]:
    return [read(cls, item) for item in body] if isinstance(body, list) else []
