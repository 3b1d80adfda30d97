"""What `init` asks about each type of channel: a row here is all that a new one needs."""

from __future__ import annotations

from msgspec import Struct

from bridge_mcp.channels.registry import BUILT_IN
from bridge_mcp.cli.texts import setup as texts

__all__ = ["CHANNELS", "ChannelQuestions", "Question"]


class Question(Struct, frozen=True):
    """One key of a channel's section."""

    key: str
    """Of a secret without `_env` or `_file`."""
    asks: str
    secret: bool = True
    default: str = ""


class ChannelQuestions(Struct, frozen=True):
    """One type of channel; its section is called like its type."""

    type: str
    title: str
    questions: tuple[Question, ...]
    then: str
    """What is left to do at the platform."""


ROWS = (
    ChannelQuestions(
        "telegram",
        "Telegram",
        questions=(Question("token", texts.TELEGRAM_TOKEN),),
        then=texts.WRITE_TO_THE_BOT,
    ),
    ChannelQuestions(
        "telegram",
        texts.OWN_BOT_API,
        questions=(
            Question("api_base_url", texts.SERVER_ADDRESS, secret=False, default="http://127.0.0.1:8081"),
            Question("token", texts.TELEGRAM_TOKEN),
        ),
        then=texts.WRITE_TO_THE_BOT,
    ),
    ChannelQuestions(
        "discord",
        "Discord",
        questions=(Question("token", texts.DISCORD_TOKEN),),
        then=texts.WRITE_TO_THE_BOT,
    ),
    ChannelQuestions(
        "slack",
        "Slack",
        questions=(
            Question("bot_token", texts.SLACK_BOT_TOKEN),
            Question("app_token", texts.SLACK_APP_TOKEN),
        ),
        then=texts.WRITE_TO_THE_BOT,
    ),
)
CHANNELS = tuple(row for row in ROWS if row.type in BUILT_IN)
"""Those of types that this version has."""
