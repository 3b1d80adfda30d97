"""All parts of a Slack channel that need slack-sdk, put together."""

from __future__ import annotations

from bridge_mcp.channels.health import BotHealth
from bridge_mcp.channels.slack.places import Places
from bridge_mcp.channels.slack.receive.files import fetch
from bridge_mcp.channels.slack.receive.session import Session
from bridge_mcp.channels.slack.send.sender import Sender
from bridge_mcp.channels.slack.settings import Patience, SlackSettings
from bridge_mcp.channels.slack.web import SlackWeb
from bridge_mcp.core.entries import Attachment
from bridge_mcp.ports import Clock, Inbox

__all__ = ["Loaded"]


class Loaded:
    """A `Bot`."""

    def __init__(self, settings: SlackSettings, clock: Clock, patience: Patience) -> None:
        self._clock = clock
        self._web = SlackWeb(settings, patience)
        self._places = Places(self._web)
        self._sender = Sender(self._web, self._places)
        self.open = self._web.open
        self.parts, self.send, self.show = self._sender.parts, self._sender.send, self._sender.drafts.show

    async def receive(self, inbox: Inbox, health: BotHealth) -> None:
        """See `Bot`."""
        self._sender.begin()
        await Session(self._web, self._places, self._sender.drafts, health, self._clock).run(inbox)

    async def fetch(self, attachment: Attachment, most: int) -> bytes:
        """See `ports.Channel`."""
        return await fetch(self._web, attachment, most)
