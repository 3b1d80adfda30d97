"""How one bot is reached. Read by the config room; knows nothing of python-telegram-bot."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["TELEGRAM", "Patience", "TelegramSettings", "Webhook"]

TELEGRAM = "https://api.telegram.org"


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where Telegram posts updates, and where we take them."""

    url: str
    """What Telegram is told; something in front of us may speak HTTPS for it."""
    host: str
    port: int
    secret: str = field(default="", repr=False)
    """What Telegram shows with every update; empty: one is drawn at each start."""


@dataclass(frozen=True, slots=True)
class TelegramSettings:
    """One bot."""

    name: str
    """As in `[channels.NAME]`."""
    token: str = field(repr=False)
    api_base_url: str = ""
    """A Bot API server of one's own; empty: Telegram's."""
    poll_timeout_s: int = 30
    """How long Telegram may hold a poll when there is nothing; at most 50."""
    webhook: Webhook | None = None
    """None: long polls."""
    hears_all: bool = False
    """Whether in some group it is to hear also what is not meant for it; Telegram's privacy mode hides that."""
    lacking: str = ""
    """What it needs and does not have, with the fix; not empty: it cannot work, and nothing is sent."""
    updates: tuple[str, ...] = ()
    """The kinds of updates that are asked for beside messages and buttons, e.g. `message_reaction`."""

    @property
    def base_url(self) -> str:
        """The server, without a slash at its end."""
        return (self.api_base_url or TELEGRAM).rstrip("/")

    @property
    def own_server(self) -> bool:
        """Whether it is not Telegram's own: then files may be larger, and may lie on this machine."""
        return self.base_url != TELEGRAM


@dataclass(frozen=True, slots=True)
class Patience:
    """How long things may take, in seconds."""

    slack: float = 10.0
    """How long after its time a poll may come back before it is given up as hanging."""
    first: float = 0.5
    """The first wait after something went wrong; each further one is twice as long."""
    most: float = 30.0
    first_conflict: float = 5.0
    """The first wait after somebody else polled."""
    most_conflict: float = 120.0
    peace: float = 300.0
    """How long nobody else must have polled for the next wait to be the first one again."""
    album_look: float = 0.1
    """How often to look for more parts of an album."""
    album_quiet: float = 0.5
    """How long no part of an album must have come for it to be whole."""
    webhook_look: float = 60.0
    """How often to look whether a webhook is still ours and works."""
    webhook_body: float = 30.0
    """How long the body of a post may take to come."""
