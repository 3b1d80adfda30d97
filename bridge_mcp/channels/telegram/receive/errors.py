"""Errors while receiving, in our own words: what they mean and how to mend them.

The library's exceptions may quote the token; none of them leaves this package.
"""

from __future__ import annotations

from collections.abc import Callable

from telegram.error import BadRequest, Conflict, NetworkError, RetryAfter, TelegramError, TimedOut

from bridge_mcp.channels.telegram.bot.responses import retry_after_s
from bridge_mcp.core.errors import ConfigError

__all__ = ["explained", "refused"]


def explained(error: TelegramError | TimeoutError, server: str, clean: Callable[[str], str]) -> str:
    """What an error means, and the fix."""
    match error:
        case Conflict() if "webhook" in str(error).casefold():
            return (
                "Another program set a webhook for this bot, so Telegram takes no polls. Find that program, stop it, "
                "or give one of the two a bot of its own (@BotFather, /newbot); starting the bridge again removes the "
                "webhook. If nobody knows of it, revoke the token: @BotFather, /revoke."
            )
        case Conflict():
            return (
                "Another program polls with this bot's token, and Telegram serves one at a time. Look for a second "
                "bridge with another state folder, another bot program, or a server that was forgotten; stop it, or "
                "give one of the two a bot of its own (@BotFather, /newbot). If nobody knows of it, revoke the token: "
                "@BotFather, /revoke."
            )
        case RetryAfter():
            return f"Telegram asks to wait {retry_after_s(error):g} s. Nothing is to be done."
        case TimedOut() | TimeoutError():
            return f"{server} does not answer. It is tried again; mind the network, or a proxy in between."
        case BadRequest():
            return f"{server} refuses the request: {clean(error.message)}."
        case NetworkError():
            return f"{server} cannot be reached: {clean(error.message)}. It is tried again; mind the network."
        case _:
            return f"{server} gave an answer that cannot be used: {clean(error.message)}. It is tried again."


def refused(channel: str, own_server: bool) -> ConfigError:
    """The error for a token that the server does not accept: nothing can work until the owner changes it."""
    elsewhere = ", and that api_base_url is a Bot API server's" if own_server else ""
    return ConfigError(
        f"channels.{channel}: the Bot API server does not know this token.",
        fix=f"Check that it is the one that @BotFather shows (/mybots, API Token) and was not revoked{elsewhere}.",
    )
