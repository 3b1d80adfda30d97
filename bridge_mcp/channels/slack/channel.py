"""The Slack channel as the engine sees it: receiving and sending, put together when they are first needed.

Importing this is cheap: slack-sdk is loaded when the channel runs, sends, or fetches a file.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import anyio.to_thread

from bridge_mcp.channels.health import BotHealth
from bridge_mcp.channels.slack.settings import Patience, SlackSettings
from bridge_mcp.core.capabilities import EVERY_MARKUP, MAX_FILE
from bridge_mcp.core.entries import Attachment
from bridge_mcp.core.errors import ConfigError, FetchFailed, SendFailed
from bridge_mcp.ports import Capabilities, ChannelHealth, ChannelTraits, Clock, Inbox, OutgoingAction, Part

if TYPE_CHECKING:
    from bridge_mcp.channels.slack.places import Places
    from bridge_mcp.channels.slack.receive.session import Session
    from bridge_mcp.channels.slack.send.sender import Sender
    from bridge_mcp.channels.slack.web import SlackWeb

__all__ = ["SlackChannel"]

LACKING_S = 60.0
"""Seconds until a message without a token is tried again; only a restart of the bridge brings a token."""
SUBJECTS = r"[CG][A-Z0-9]{2,40}|[TE][A-Z0-9]{2,40}\.[UW][A-Z0-9]{2,40}"
SETTLES_S = 3600.0
"""For so long a message of ours is among the last ones of its chat, where it is looked for."""


CAN = Capabilities(
    text_chars=4_199,
    markdown=EVERY_MARKUP,
    edits=True,
    reactions=True,
    buttons=25,
    forms=True,
    file_bytes=MAX_FILE,
    files_in=True,
    albums=True,
    edits_in=True,
    groups=True,
    bots=True,
    threads=True,
    topics=("make", "name"),
    typing=True,
    drafts=True,
    history=True,
    prompts=True,
    settles_s=SETTLES_S,
)
"""What apps can do, by https://docs.slack.dev; Slack itself takes files of up to 1 GB."""


class SlackChannel:
    """A `Channel` for one app.

    Args:
        settings: how it is reached.
        clock: dates what carries no time, and the last good exchange.
        patience: time-outs and pauses.
    """

    def __init__(self, settings: SlackSettings, clock: Clock, patience: Patience | None = None) -> None:
        self.traits = ChannelTraits(settings.name, "slack", subjects=SUBJECTS, can=CAN)
        self._settings, self._clock, self._patience = settings, clock, patience or Patience()
        self._health = BotHealth(clock)
        self._loading = threading.Lock()
        self._loaded: tuple[SlackWeb, Places, Sender] | None = None

    async def run(self, inbox: Inbox) -> None:
        """See `ports.Channel`."""
        self._health.begin()
        try:
            if self._settings.lacking:
                raise ConfigError(self._settings.lacking)
            session_type = await anyio.to_thread.run_sync(self._load_session)
            web, places, sender = self._load()
            sender.begin()
            async with web.open():
                await session_type(web, places, sender.shows, self._health, self._clock).run(inbox)
        except ConfigError as exc:
            self._health.end(str(exc))
            raise
        finally:
            self._health.end()

    def parts(self, action: OutgoingAction) -> tuple[Part, ...]:
        """See `ports.Channel`."""
        return self._load()[2].parts(action)

    async def send(self, part: Part) -> tuple[str, ...]:
        """See `ports.Channel`."""
        web, _, sender = self._load()
        if self._settings.lacking:
            raise SendFailed(self._settings.lacking, retry_after_s=LACKING_S)
        async with web.open():
            return await sender.send(part)

    async def show(self, chat: str, draft: int, text: str) -> None:
        """See `ports.Channel`."""
        web, _, sender = self._load()
        if self._settings.lacking:
            return
        async with web.open():
            await sender.shows.show(chat, draft, text)

    async def fetch(self, attachment: Attachment, most: int) -> bytes:
        """See `ports.Channel`."""
        if self._settings.lacking:
            raise FetchFailed(self._settings.lacking)
        web, _, _ = await anyio.to_thread.run_sync(self._load)
        from bridge_mcp.channels.slack.receive.files import fetch

        async with web.open():
            return await fetch(web, attachment, most)

    def health(self) -> ChannelHealth:
        """See `ports.Channel`."""
        return self._health.health

    def _load_session(self) -> type[Session]:
        """The receiving half's class, with all that it loads."""
        from bridge_mcp.channels.slack.receive.session import Session

        self._load()
        return Session

    def _load(self) -> tuple[SlackWeb, Places, Sender]:
        """The parts that need the library, loaded once; slow the first time.

        Raises:
            SendFailed: slack-sdk is not installed.
        """
        with self._loading:
            if self._loaded is None:
                from bridge_mcp.channels.slack.places import Places
                from bridge_mcp.channels.slack.send.sender import Sender
                from bridge_mcp.channels.slack.web import SlackWeb

                web = SlackWeb(self._settings, self._patience)
                places = Places(web)
                self._loaded = web, places, Sender(web, places)
            return self._loaded
