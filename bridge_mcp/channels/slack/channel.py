"""The Slack channel: what it can do, and how its app is made."""

from __future__ import annotations

from collections.abc import Callable

from bridge_mcp.channels.bot_channel import Bot, BotChannel
from bridge_mcp.channels.slack.settings import Patience, SlackSettings
from bridge_mcp.core.capabilities import EVERY_MARKUP, MAX_FILE
from bridge_mcp.ports import Capabilities, ChannelTraits, Clock

__all__ = ["SlackChannel"]

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


class SlackChannel(BotChannel):
    """A `Channel` for one app.

    Args:
        settings: how it is reached.
        clock: dates what carries no time, and the last good exchange.
        patience: time-outs and pauses.
    """

    def __init__(self, settings: SlackSettings, clock: Clock, patience: Patience | None = None) -> None:
        def load() -> Callable[[], Bot]:
            from bridge_mcp.channels.slack.loaded import Loaded

            return lambda: Loaded(settings, clock, patience or Patience())

        traits = ChannelTraits(settings.name, "slack", subjects=SUBJECTS, can=CAN)
        super().__init__(traits, settings.lacking, clock, load)
