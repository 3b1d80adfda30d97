"""How one app is reached. Read by the config room; knows nothing of slack-sdk."""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from bridge_mcp.core.secret_fields import HidesFields

__all__ = ["SLACK", "Patience", "Posts", "SlackSettings"]

SLACK = "https://slack.com/api/"


class Posts(HidesFields, frozen=True):
    """Where this process takes events that Slack posts (Events API over HTTP)."""

    HIDDEN: ClassVar = frozenset({"secret"})

    host: str
    port: int
    secret: str
    """The app's signing secret."""


class SlackSettings(HidesFields, frozen=True):
    """One app in one workspace."""

    HIDDEN: ClassVar = frozenset({"bot_token", "app_token"})

    name: str
    """As in `[channels.NAME]`."""
    bot_token: str
    app_token: str = ""
    """The token of Socket Mode."""
    posts: Posts | None = None
    """None: Socket Mode."""
    api_base_url: str = ""
    """Another Web API; empty: Slack's."""
    threads: bool = True
    """Whether a mention in a channel begins a thread, which is a conversation of its own."""
    stream: bool = False
    """Whether a reply in a thread is shown as it grows."""
    reactions: bool = False
    """Whether reactions become events."""
    first_s: float = 0.0
    """Seconds before the first connection ever from which messages are read."""
    lacking: str = ""
    """A missing setting (a token), with the fix; not empty: the channel cannot work, and nothing is sent."""

    @property
    def base_url(self) -> str:
        """The Web API, with a slash at its end."""
        return f"{(self.api_base_url or SLACK).rstrip('/')}/"


class Patience(Struct, frozen=True):
    """Time-outs and pauses, in seconds."""

    request: float = 30.0
    first: float = 0.5
    """The first pause after an error; each further one is twice as long."""
    most: float = 30.0
    connections: int = 2
    """Socket Mode connections: while one is renewed, events come over the other."""
    ping: float = 5.0
    look: float = 0.25
    """How often to look whether the connections live."""
    gap: float = 10.0
    """After so long without any connection, messages may be lost for good: they are looked for in the history."""
    settle: float = 1.0
    """How long to wait until a message whose fate is unknown would be in the history."""
    body: float = 10.0
    """How long the body of a post may take to come."""
