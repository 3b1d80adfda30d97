"""The engine's settings: it publishes its file and its channels, and every other process uses them.

A user has one state folder, but processes may be started with different files, environments and folders. The engine's
settings hold for chats; a process that read others says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from bridge_mcp.core.json_reader import JSON
from bridge_mcp.operations.status_board import publish, read
from bridge_mcp.ports import Capabilities, ChannelRules, ChannelTraits, Rules, Store

__all__ = [
    "Roster",
    "Settings",
    "difference",
    "publish_settings",
    "published_settings",
    "settings_of",
    "started_again",
]


class PublishedChannel(Struct, frozen=True):
    """The part of a channel's settings that other processes need."""

    name: str
    type: str
    responder: Literal["assistant", "relay", "off"] = "relay"
    needs_pairing: bool = True
    delivered_by_commit: bool = False
    distribution: str = ""
    subjects: str = ChannelTraits("", "").subjects
    can: Capabilities = Capabilities()

    @property
    def traits(self) -> ChannelTraits:
        """The traits of the channel."""
        return ChannelTraits(
            self.name,
            self.type,
            self.needs_pairing,
            delivered_by_commit=self.delivered_by_commit,
            subjects=self.subjects,
            can=self.can,
        )


class Settings(Struct, frozen=True):
    """The settings that a process read when it started."""

    file: str = ""
    """The config file; "" for none."""
    digest: str = ""
    """The SHA-256 of its bytes."""
    channels: tuple[PublishedChannel, ...] = ()
    lacking: tuple[str, ...] = ()
    """Missing secrets, each with its key and fix, that no health or status shows."""
    service: str = ""
    """The command that restarts the process, where a service manager runs it."""
    command: str = ""
    """The command that somebody started it by; "" where it was a host's."""

    @property
    def where(self) -> str:
        """The file, for people."""
        return self.file or "no bridge.toml (the defaults)"


def settings_of(
    file: str,
    digest: str,
    traits: Mapping[str, ChannelTraits],
    rules: Rules,
    lacking: Mapping[str, str],
    started: tuple[str, str] = ("", ""),
) -> Settings:
    """The settings of this process; only missing secrets of clients are shown nowhere else."""
    channels = tuple(
        PublishedChannel(
            name,
            channel.type,
            rules.channel(name).responder,
            needs_pairing=channel.needs_pairing,
            delivered_by_commit=channel.delivered_by_commit,
            distribution=rules.channel(name).distribution,
            subjects=channel.subjects,
            can=channel.can,
        )
        for name, channel in traits.items()
    )
    client_problems = tuple(f"{key}: {reason}" for key, reason in lacking.items() if key.startswith("clients."))
    return Settings(file, digest, channels, client_problems, *started)


async def publish_settings(store: Store, settings: Settings) -> None:
    """Publish the engine's settings."""
    await publish(store, "settings", settings)


async def published_settings(store: Store) -> Settings | None:
    """The last engine's settings; None if there never was one."""
    body = await store.status.get("settings")
    if not isinstance(body, dict):
        return None
    lacking = body.get("lacking")
    return replace(
        read(Settings, body),
        channels=tuple(published_channels(body.get("channels"))),
        lacking=tuple(str(text) for text in lacking) if isinstance(lacking, list) else (),
    )


def published_channels(body: JSON) -> Iterator[PublishedChannel]:
    """The channels of an engine, with what they can do."""
    for channel in body if isinstance(body, list) else []:
        can: Any = read(Capabilities, channel.get("can")) if isinstance(channel, dict) else Capabilities()
        can = replace(can, markdown=tuple(can.markdown), topics=tuple(can.topics))
        yield replace(read(PublishedChannel, channel), can=can)


def difference(own: Settings, engine: Settings) -> str:
    """The warning for the owner if this process read other settings than the engine; "" if it did not."""
    if own.file == engine.file and own.digest != engine.digest:
        return (
            f"{own.file} has changed since the engine read it: the change holds once the engine ends and starts again."
        )
    if own.file != engine.file:
        option = f" For this process to read the same: --config {engine.file}" if engine.file else ""
        return f"The engine runs {engine.where}, and this process read {own.where}: the engine's holds.{option}"
    missing = [c.name for c in own.channels if c.name not in {other.name for other in engine.channels}]
    if missing:
        return f"The engine has no channel {' and none '.join(missing)}: it was started with other variables."
    return ""


def started_again(engine: Settings, pid: int) -> tuple[str, str]:
    """How the engine is ended and started again, in words, and the command to paste; "" for none."""
    if engine.service:
        return "Restart its service.", engine.service
    if engine.command:
        return f"End it where it runs (Ctrl-C; it is process {pid}), and start it again.", engine.command
    return f"Restart what started it, such as an MCP host: it is process {pid}.", ""


@dataclass(slots=True)
class Roster:
    """The channels that a process uses: its own while it is the engine or there is none, else the engine's.

    Several parts share its mappings, which change in place.
    """

    own: Settings
    own_rules: Rules
    traits: dict[str, ChannelTraits] = field(default_factory=dict[str, ChannelTraits])
    rules: Rules = field(init=False)
    delivered_by_commit: set[str] = field(default_factory=set[str])
    _channels: dict[str, ChannelRules] = field(default_factory=dict[str, ChannelRules])
    _taken: Settings | None = None

    def __post_init__(self) -> None:
        self.rules = replace(self.own_rules, channels=self._channels)
        self.go_by(self.own)

    def go_by(self, settings: Settings) -> None:
        """Use these channels from now on; rules that this process does not know are the defaults."""
        if settings == self._taken:
            return
        self._taken = settings
        configured: Mapping[str, Any] = self.own_rules.channels
        refill(self.traits, {channel.name: channel.traits for channel in settings.channels})
        rules = {channel.name: configured.get(channel.name) or default_rules(channel) for channel in settings.channels}
        refill(self._channels, {**(configured if settings is self.own else {}), **rules})
        self.delivered_by_commit.clear()
        self.delivered_by_commit.update(channel.name for channel in settings.channels if channel.delivered_by_commit)

    async def look(self, store: Store, lives: bool) -> None:
        """Use the published settings, if an engine runs in another process."""
        engine = await published_settings(store) if lives else None
        self.go_by(engine or self.own)


def default_rules(channel: PublishedChannel) -> ChannelRules:
    return ChannelRules(channel.name, responder=channel.responder, type=channel.type, distribution=channel.distribution)


def refill(target: dict[str, Any], items: Mapping[str, Any]) -> None:
    """Replace the contents of a mapping."""
    target.clear()
    target.update(items)
