"""The types of channels: the built-in ones, and those that other packages bring as entry points.

Nothing is imported to list them. A type's module is imported when a section names the type; a package cannot take the
name of a built-in one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from msgspec import Struct, field

from bridge_mcp.channels.plug import AnyChannelType, ChannelType, Keys
from bridge_mcp.core.errors import ConfigError

__all__ = ["BUILT_IN", "GROUP", "BuiltinType", "Plug", "plug", "type_names"]

GROUP = "bridge_mcp.channels"
"""The group of entry points."""


class BuiltinType(Struct, frozen=True):
    """A type that comes with the bridge."""

    where: str
    """The module and the name in it of its `ChannelType`."""
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    """Keys and the variables they name. Where all are set and no file has channels, there is one of this type."""


BUILT_IN: Mapping[str, BuiltinType] = {
    "local": BuiltinType("bridge_mcp.channels.local:TYPE"),
    "telegram": BuiltinType("bridge_mcp.channels.telegram.type:TYPE", {"token_env": "TELEGRAM_BOT_TOKEN"}),
    "slack": BuiltinType(
        "bridge_mcp.channels.slack.type:TYPE",
        {"bot_token_env": "SLACK_BOT_TOKEN", "app_token_env": "SLACK_APP_TOKEN"},
    ),
    "discord": BuiltinType("bridge_mcp.channels.discord.type:TYPE", {"token_env": "DISCORD_BOT_TOKEN"}),
}


class Plug(Struct, frozen=True):
    """A type that was found."""

    name: str
    """As `type` in `[channels.NAME]`."""
    type: AnyChannelType
    distribution: str = ""
    """The package that brings it, with its version; "" for a built-in one."""


def type_names() -> list[str]:
    """The types that a section may name, built-in ones first. Loads none."""
    names = {each.name for each in entry_points(group=GROUP)}
    return [*BUILT_IN, *sorted(names - BUILT_IN.keys())]


@lru_cache(maxsize=64)
def plug(name: str) -> Plug:
    """The type of this name, loaded.

    Raises:
        ConfigError: there is none, several packages bring it, or its package cannot be loaded.
    """
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].where.partition(":")
        return Plug(name, getattr(import_module(module), attribute))
    points = [*entry_points(group=GROUP, name=name)]
    if not points:
        raise ConfigError(
            f"there is no type '{name[:64]}'.",
            fix=f"The types are: {', '.join(type_names())}. A package that brings another has to be installed here.",
        )
    if len(points) > 1:
        both = " and ".join(sorted({distribution(each) for each in points}))
        raise ConfigError(f"several packages bring the type '{name}': {both}.", fix="Uninstall all but one.")
    return Plug(name, loaded(points[0]), distribution(points[0]))


def loaded(point: EntryPoint) -> AnyChannelType:
    """The `ChannelType` that an entry point names.

    Raises:
        ConfigError: it cannot be imported, or is something else.
    """
    package = distribution(point)
    try:
        value: object = point.load()
    except (Exception, SystemExit) as exc:
        raise ConfigError(
            f"{package} brings the type '{point.name}', and cannot be loaded: {type(exc).__name__}: {exc}.",
            fix="Install a version of it that fits this bridge.",
        ) from exc
    if not isinstance(value, ChannelType) or not is_valid(cast("AnyChannelType", value)):
        raise ConfigError(
            f"{package} brings the type '{point.name}' as '{point.value}', which is no ChannelType.",
            fix="Install a version of it that fits this bridge.",
        )
    return cast("AnyChannelType", value)


def is_valid(channel_type: AnyChannelType) -> bool:
    """Whether a type of a package's has fields of the right kinds, which nothing checks where it is made."""
    keys = cast("object", channel_type.settings)
    callables = (channel_type.check, channel_type.make, channel_type.probe or print, channel_type.setup or print)
    try:
        re.compile(channel_type.user_id)
        written = f"{channel_type.template:s}{channel_type.gather_s:f}{''.join(channel_type.loggers)}"
    except (TypeError, ValueError, re.error):
        return False
    return bool(written) and isinstance(keys, type) and issubclass(keys, Keys) and all(map(callable, callables))


def distribution(point: EntryPoint) -> str:
    """The name and version of the package that an entry point is from."""
    return f"{point.dist.name} {point.dist.version}" if point.dist else "a package without a name"
