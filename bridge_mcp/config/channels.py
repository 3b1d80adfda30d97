"""Reads a [channels.NAME] section into the settings of its channel type."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from bridge_mcp.channels.plug import PlatformKeys
from bridge_mcp.channels.registry import BUILT_IN, plug
from bridge_mcp.config import schema
from bridge_mcp.config.problems import Problems
from bridge_mcp.config.secrets import Secrets
from bridge_mcp.config.values import ChannelSettings
from bridge_mcp.core.external_calls import RESERVED_CHANNELS

__all__ = ["SectionKeys", "channel_settings", "gather_s", "own_channels"]

logger = logging.getLogger(__name__)


class SectionKeys:
    """The `KeyReader` of one section: it reads the secrets that this section names, and no others."""

    def __init__(
        self, name: str, section: schema.Channel, problems: Problems, secrets: Secrets, holders: dict[str, str]
    ) -> None:
        self.name = name
        self._section = section
        self._problems = problems
        self._secrets = secrets
        self._holders = holders

    def problem(self, key: str, what: str, fix: str) -> None:
        """See `KeyReader`."""
        self._problems.add(self._path(key), what, fix)

    def web_address(self, key: str, url: str | None) -> None:
        """See `KeyReader`."""
        self._problems.add_unless_web(self._path(key), url)

    def secret(self, key: str) -> str:
        """See `KeyReader`."""
        variable, file = (getattr(self._section, f"{key}_{kind}", None) for kind in ("env", "file"))
        return self._secrets.read(self._path(key), variable, file)

    def holder(self, secret: str) -> str:
        """See `KeyReader`."""
        other = self._holders.setdefault(secret, self.name)
        return "" if other == self.name else other

    def lacking(self) -> str:
        """See `KeyReader`."""
        return self._secrets.lack(self._path(""))

    def _path(self, key: str) -> str:
        return f"channels.{self.name}.{key}" if key else f"channels.{self.name}"


def channel_settings(
    name: str, section: schema.Channel, problems: Problems, secrets: Secrets, holders: dict[str, str]
) -> ChannelSettings:
    """Return one channel's settings. `holders` maps each secret seen so far to the channel that has it."""
    keys, channel_type = SectionKeys(name, section, problems, secrets, holders), plug(section.type)
    if name in RESERVED_CHANNELS:
        keys.problem(
            "",
            "this name is taken by the bridge itself.",
            "Use another name, also in routes. Chats that were paired under the old one are paired anew; what was said "
            "there stays in the store.",
        )
    settings: object = None
    try:
        settings = channel_type.type.check(section, keys)
    except Exception as exc:
        logger.debug("channel %s cannot be read", name, exc_info=exc)
        package = channel_type.distribution or "the bridge"
        keys.problem("", f"{package} failed to read it: {type(exc).__name__}: {exc}.", "Tell its makers.")
    return ChannelSettings(name, channel_type, settings, lacking=keys.lacking())


def own_channels(env: Mapping[str, str]) -> dict[str, schema.Channel]:
    """Return the channels that exist without a section: the local one, and those whose variables are set."""
    sections = {"local": schema.channel_section({"type": "local"})}
    for name, builtin in BUILT_IN.items():
        if builtin.variables and all(env.get(variable, "").strip() for variable in builtin.variables.values()):
            sections[name] = schema.channel_section({"type": name, **builtin.variables})
    return sections


def gather_s(section: schema.Channel, *, scripted: bool) -> float:
    """Return how many seconds a reply waits for further messages; not 0 by default only where apps split messages.

    A scripted model answers each message by a rule of its own: it gains nothing from a second one.
    """
    if not isinstance(section, PlatformKeys):
        return 0.0
    if section.gather_s is not None:
        return section.gather_s
    return 0.0 if scripted else plug(section.type).type.gather_s
