"""Errors of Discord in our own words: what they mean, and how to mend them."""

from __future__ import annotations

from collections.abc import Callable

import aiohttp
from discord.errors import HTTPException, RateLimited

from bridge_mcp.core.errors import ConfigError

__all__ = ["INTENT", "TOKEN", "closed", "explained", "refused", "worded"]

INTENT = (
    "Switch on the Message Content Intent (discord.com/developers/applications, your application, Bot), or set "
    'groups = "mention": direct messages, mentions and replies are read without it'
)

TOKEN = "Copy it anew: discord.com/developers/applications, your application, Bot, Reset Token."

MEANINGS = {
    10003: "there is no such channel, or the bot is not in it",
    10008: "that message is not there any more",
    10013: "there is no such user",
    10014: "Discord has no such emoji, or the bot may not use it",
    20016: "the channel's slow mode lets nobody write so soon",
    30010: "there are 20 different reactions below that message already",
    40005: "a file is too large for Discord: 10 MiB each, 25 MiB together",
    40007: "the bot is banned there",
    50001: "the bot may not see that channel",
    50005: "somebody else wrote that message",
    50006: "there is nothing to see in it",
    50007: "they take no direct messages from the bot: it has no server in common with them, or was blocked",
    50008: "a forum takes posts alone: write in one of them (FORUM/POST)",
    50013: "the bot lacks a permission there",
    50083: "that thread is archived and locked",
}
"""https://docs.discord.com/developers/topics/opcodes-and-status-codes#json."""


def worded(error: HTTPException, clean: Callable[[str], str]) -> str:
    """A refusal as part of a sentence."""
    if meaning := MEANINGS.get(error.code):
        return meaning
    return f"Discord says {error.status} {clean(error.text)[:300] or 'nothing more'}"


def explained(error: BaseException, clean: Callable[[str], str]) -> str:
    """What an error while receiving means."""
    match error:
        case RateLimited():
            return f"Discord asks to wait {error.retry_after:.0f} s. Nothing is to be done."
        case HTTPException():
            return f"Discord refuses a request: {worded(error, clean)}. It is tried again."
        case TimeoutError():
            return "Discord does not answer. It is tried again; mind the network, or a proxy in between."
        case aiohttp.ClientError() | OSError():
            return f"Discord cannot be reached ({type(error).__name__}). It is tried again; mind the network."
        case _:
            return f"Discord gave an answer that cannot be used: {clean(str(error))}. It is tried again."


def refused(channel: str) -> ConfigError:
    """The error for a token that Discord does not accept."""
    return ConfigError(
        f"channels.{channel}: Discord does not know this token.",
        fix=TOKEN,
    )


def closed(channel: str, code: int | None) -> ConfigError | None:
    """The error for a close code after which no further try can help; None for all others.

    https://docs.discord.com/developers/topics/opcodes-and-status-codes#gateway-gateway-close-event-codes.
    """
    match code:
        case 4004:
            return refused(channel)
        case 4013:
            return ConfigError(
                f"channels.{channel}: Discord does not know these intents (4013).",
                fix="Update bridge_mcp and discord.py.",
            )
        case 4014:
            return ConfigError(
                f"channels.{channel}: Discord does not allow this bot to read all messages (4014).", fix=f"{INTENT}."
            )
        case 4011:
            return ConfigError(
                f"channels.{channel}: this bot is in more servers than one session carries (4011).",
                fix="Use a bot of its own for this bridge.",
            )
        case 4010 | 4012:
            return ConfigError(
                f"channels.{channel}: Discord speaks another version of its gateway ({code}).",
                fix="Update bridge_mcp and discord.py.",
            )
        case _:
            return None
