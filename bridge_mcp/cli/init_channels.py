"""What `init` asks about each type of channel: a row here is all that a new one needs."""

from __future__ import annotations

from msgspec import Struct

from bridge_mcp.channels.registry import BUILT_IN

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


LET_IN = "Write to the bot: it shows you a code, and bridge-mcp pair add CODE --role approver lets you in."

ROWS = (
    ChannelQuestions(
        "telegram",
        "Telegram",
        questions=(Question("token", "The bot's token, from @BotFather (/newbot)"),),
        then=LET_IN,
    ),
    ChannelQuestions(
        "telegram",
        "Telegram, by a Bot API server of your own",
        questions=(
            Question("api_base_url", "The server's address", secret=False, default="http://127.0.0.1:8081"),
            Question("token", "The bot's token, from @BotFather (/newbot)"),
        ),
        then=LET_IN,
    ),
    ChannelQuestions(
        "discord",
        "Discord",
        questions=(Question("token", "The bot's token, from the Developer Portal (Bot, Reset Token)"),),
        then=LET_IN,
    ),
    ChannelQuestions(
        "slack",
        "Slack",
        questions=(
            Question("bot_token", "The bot token (xoxb-…), from OAuth & Permissions"),
            Question("app_token", "The app-level token (xapp-…) with connections:write, from Basic Information"),
        ),
        then=LET_IN,
    ),
)
CHANNELS = tuple(each for each in ROWS if each.type in BUILT_IN)
"""Those of types that this version has."""
