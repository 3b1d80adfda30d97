"""What went wrong while receiving, in words of our own: what it means, how to mend it, how long to wait.

The library's exceptions may hold the token in their texts; none of them leaves this package.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta

from telegram.error import BadRequest, Conflict, InvalidToken, NetworkError, RetryAfter, TelegramError, TimedOut

from bridge_mcp.core.errors import ConfigError

__all__ = ["Backoff", "refused", "retry_after_s", "told"]


class Backoff:
    """Waits that double up to a limit, each off by up to a fifth so that several programs do not keep step."""

    def __init__(self, first_s: float, most_s: float) -> None:
        self._first_s, self._most_s = first_s, most_s
        self._count = 0

    def __bool__(self) -> bool:
        """Whether something went wrong since it went well."""
        return self._count > 0

    def next(self) -> float:
        """How long to wait now, in seconds."""
        wait = min(self._first_s * 2**self._count, self._most_s)
        self._count = min(self._count + 1, 30)
        return wait * random.uniform(0.8, 1.0)

    def reset(self) -> None:
        """It went well."""
        self._count = 0


def told(error: TelegramError | TimeoutError, server: str, clean: Callable[[str], str]) -> str:
    """What an error means, and the next move."""
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


def refused(error: InvalidToken, channel: str, own_server: bool) -> ConfigError:
    """Who we say we are is not known there: nothing can work until the owner changes something."""
    elsewhere = ", and that api_base_url is a Bot API server's" if own_server else ""
    return ConfigError(
        f"channels.{channel}: the Bot API server does not know this token.",
        fix=f"Check that it is the one that @BotFather shows (/mybots, API Token) and was not revoked{elsewhere}.",
    )


def retry_after_s(error: RetryAfter) -> float:
    """The seconds that Telegram asks for."""
    wait = error.retry_after
    return wait.total_seconds() if isinstance(wait, timedelta) else float(wait)
