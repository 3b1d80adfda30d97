"""How one bot is reached. Read by the config room; knows nothing of python-telegram-bot."""

from __future__ import annotations

from typing import ClassVar
from urllib.parse import urlsplit

from msgspec import Struct

from bridge_mcp.core.secret_fields import HidesFields

__all__ = ["BUSINESS", "KINDS", "TELEGRAM", "Patience", "TelegramSettings", "Webhook", "site_of"]

KINDS = ("message", "edited_message", "callback_query", "my_chat_member")
BUSINESS = ("business_connection", "business_message", "edited_business_message", "deleted_business_messages")
TELEGRAM = "https://api.telegram.org"


class Webhook(HidesFields, frozen=True):
    """The URL that Telegram posts updates to, and the address on which this process listens."""

    HIDDEN: ClassVar = frozenset({"secret"})

    url: str
    """The public URL; a reverse proxy may terminate HTTPS in front of us."""
    host: str
    port: int
    secret: str = ""
    """The secret token that Telegram sends with every update; empty: a random one at each start."""


class TelegramSettings(HidesFields, frozen=True):
    """One bot."""

    HIDDEN: ClassVar = frozenset({"token"})

    name: str
    """As in `[channels.NAME]`."""
    token: str
    api_base_url: str = ""
    """A self-hosted Bot API server; empty: Telegram's."""
    poll_timeout_s: int = 30
    """How long Telegram may hold a poll when there is nothing; at most 50."""
    webhook: Webhook | None = None
    """None: long polls."""
    hears_all: bool = False
    """Whether the bot reads all messages of some group, for which Telegram's privacy mode has to be off."""
    lacking: str = ""
    """A missing setting (a token), with the fix; not empty: the channel cannot work, and nothing is sent."""
    updates: tuple[str, ...] = ()
    """Kinds of updates requested beside messages and buttons, e.g. `message_reaction`."""
    business: bool = False
    """Whether chats of accounts that connected the bot are heard."""
    channel_posts: bool = False
    direct_messages: bool = False
    """Whether direct messages of channels are heard."""

    @property
    def kinds(self) -> list[str]:
        """The `allowed_updates`: nothing is asked for that nobody configured."""
        posts = ("channel_post", "edited_channel_post") if self.channel_posts else ()
        return [*KINDS, *posts, *(BUSINESS if self.business else ()), *self.updates]

    @property
    def base_url(self) -> str:
        """The server, without a slash at its end."""
        return (self.api_base_url or TELEGRAM).rstrip("/")

    @property
    def own_server(self) -> bool:
        """Whether the server is self-hosted: then files may be larger, and may lie on this machine."""
        return self.base_url != TELEGRAM


class Patience(Struct, frozen=True):
    """Time-outs and pauses, in seconds."""

    slack: float = 10.0
    """How long a poll may take beyond its own time-out before it counts as hanging."""
    first: float = 0.5
    """The first pause after an error; each further one is twice as long."""
    most: float = 30.0
    first_conflict: float = 5.0
    """The first pause after another poller with the same token (409 Conflict)."""
    most_conflict: float = 120.0
    peace: float = 300.0
    """After this long without a conflict, the next pause is the first one again."""
    album_look: float = 0.1
    """How often to look for more parts of an album."""
    album_quiet: float = 0.5
    """An album is complete when no part came for this long."""
    webhook_look: float = 60.0
    """How often to check that the webhook is still ours and works."""
    webhook_body: float = 30.0
    """How long the body of a post may take to come."""


def site_of(url: str) -> str:
    """An address without its path, which may be secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
