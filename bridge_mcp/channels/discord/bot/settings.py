"""How one bot is reached. Knows nothing of discord.py."""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from bridge_mcp.core.secret_fields import HidesFields

__all__ = ["DISCORD", "DiscordSettings", "Patience"]

DISCORD = "https://discord.com/api/v10"


class DiscordSettings(HidesFields, frozen=True):
    """One bot."""

    HIDDEN: ClassVar = frozenset({"token"})

    name: str
    """As in `[channels.NAME]`."""
    token: str
    api_base_url: str = ""
    """Another server in the place of Discord's, with the version in its path; empty: Discord's."""
    hears_all: bool = False
    """Whether it reads all messages of some channel: that takes the privileged message content intent."""
    stream: bool = True
    """Whether a reply is shown while it grows, by edits."""
    reactions: bool = False
    """Whether reactions are told of."""
    chats: tuple[str, ...] = ()
    """The channels that the config names, by their ids."""
    lacking: str = ""
    """A missing setting (a token), with the fix; not empty: the channel cannot work, and nothing is sent."""

    @property
    def base_url(self) -> str:
        """The API, without a slash at its end."""
        return (self.api_base_url or DISCORD).rstrip("/")


class Patience(Struct, frozen=True):
    """Time-outs and pauses, in seconds."""

    first: float = 1.0
    """The first pause after a connection broke; each further one is twice as long."""
    most: float = 60.0
    identify: float = 5.0
    """Between two new sessions: Discord allows one in five seconds, and a thousand a day."""
    silence: float = 60.0
    """How long the gateway may say nothing at all."""
    guilds: float = 5.0
    """How long the list of a guild's channels is waited for at the start of a session."""
    request: float = 20.0
    upload: float = 120.0
    again: float = 1.0
    """Until something is put again that could not be stored."""
    wait: float = 1.5
    """How long a message waits for its turn by Discord's limits."""
    draft: float = 1.5
    """Between two versions of a growing reply."""
