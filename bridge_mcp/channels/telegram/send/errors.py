"""Classifies errors while sending: did the message surely not go out, is a retry safe, and what helps.

It surely did not go out only if it failed before the request was written (no connection), or if Telegram itself refused
it. A broken connection or a time-out after that, and a page of a gateway in front of Telegram, leave it uncertain.
Messages hold our own words and Telegram's description: the library's hold URLs, and those the token.
"""

from __future__ import annotations

from collections.abc import Sequence

import httpx
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Forbidden,
    InvalidToken,
    RetryAfter,
    TelegramError,
    TimedOut,
)

from bridge_mcp.channels.telegram.bot.responses import retry_after_s
from bridge_mcp.core.errors import SendFailed, SendUncertain

__all__ = ["failure", "markup_refused", "not_modified", "says"]

NOT_WRITTEN = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
"""httpx raises these while it gets a connection; later ones are ReadTimeout, ReadError, RemoteProtocolError, ..."""
NEVER_WRITABLE = (httpx.InvalidURL, httpx.UnsupportedProtocol)

BAD_TOKEN_S = 60.0
MARKUP = ("entit", "can't parse", "wrong http url", "url host", "invalid url", "text_url", "unsupported url")

MANAGE_TOPICS = "Make it an administrator there with the right to manage topics (can_manage_topics)."
TOPICS_OFF = "Turn topics on: for a group in its settings, for chats with people in the bot's settings (@BotFather)."

RECONNECT = "They can change that in Telegram, in the settings of their account."

FIXES: Sequence[tuple[str, str, str]] = (
    # a part of Telegram's description; what it means; the fix
    ("bot was blocked by the user", "the user blocked the bot", "They have to unblock it in Telegram."),
    ("user is deactivated", "the user's account is gone", ""),
    ("bot was kicked", "the bot was removed from the chat", "Add it to the chat again."),
    ("bot is not a member", "the bot is not in the chat", "Add it to the chat."),
    (
        "bot can't initiate conversation",
        "the user never wrote to the bot",
        "They have to press Start in the bot's chat first.",
    ),
    (
        "chat not found",
        "Telegram knows no such chat, or the bot never met it",
        "Check the id; the user has to write to the bot first, and a group has to add it.",
    ),
    ("business connection not found", "the account's owner has disconnected the bot", RECONNECT),
    ("business_connection_invalid", "the account's owner has disconnected the bot", RECONNECT),
    ("business_peer_invalid", "the account's owner does not let the bot write in this chat", RECONNECT),
    ("business_peer_usage_missing", "they have not written there within the last 24 hours", "Wait for a message."),
    ("not a forum", "the chat has no topics", TOPICS_OFF),
    ("chat_not_forum", "the chat has no topics", TOPICS_OFF),
    ("rights to create a topic", "the bot may make no topics", MANAGE_TOPICS),
    ("rights to edit the topic", "the bot may not change the topic", MANAGE_TOPICS),
    ("rights to close or open the topic", "the bot may neither close nor open the topic", MANAGE_TOPICS),
    ("topic_id_invalid", "the topic is gone", "Write to another topic, or to the chat itself."),
    ("message thread not found", "the topic is gone", "Write to another topic, or to the chat itself."),
    ("topic_closed", "the topic is closed", "Reopen it, or make the bot an administrator."),
    ("not enough rights", "the bot may not write there", "Give it the right in the chat's permissions."),
    ("have no rights", "the bot may not write there", "Give it the right in the chat's permissions."),
    ("chat_write_forbidden", "the bot may not write there", "Give it the right in the chat's permissions."),
    ("need administrator rights", "the bot may not post in the channel", "Make it an administrator of the channel."),
    ("message to edit not found", "the message to edit is gone", "Send a new one."),
    ("message can't be edited", "Telegram lets the bot not edit this message", "Send a new one."),
    ("message_id_invalid", "the message is gone", "Send a new one."),
    ("message to react not found", "the message to react to is gone", ""),
    ("too large", "the file is too large for Telegram", "Bots can send files of up to 50 MB."),
    ("too big", "the file is too large for Telegram", "Bots can send files of up to 50 MB."),
    ("file must be non-empty", "the file is empty", ""),
    ("wrong file identifier", "Telegram does not know the file (any more)", "Send the file itself."),
)


def failure(exc: TelegramError, where: str, token: str, *, harmless: bool) -> SendFailed:
    """The error to raise.

    Args:
        exc: what the library raised.
        where: the conversation, for people.
        token: is redacted, whatever Telegram says.
        harmless: the request is idempotent, as an edit is: then it is retried where its fate is uncertain.
    """
    match exc:
        case RetryAfter():
            wait = retry_after_s(exc)
            return SendFailed(f"Telegram asks to wait {wait:g} s before more is sent to '{where}'.", retry_after_s=wait)
        case ChatMigrated():
            return SendFailed(
                f"The group '{where}' has become a supergroup with another id: {exc.new_chat_id}.",
                fix="Send it there; the conversation goes on under its old name once the group's next message came.",
            )
        case Forbidden() | BadRequest():
            return refused(exc.message.replace(token, "…"), where)
        case InvalidToken():
            return SendFailed(
                f"Telegram does not accept the bot's token; nothing can be sent to '{where}'.",
                fix="Get a token from @BotFather and put it where the config's token_env points.",
                retry_after_s=BAD_TOKEN_S,
            )
        case _:
            return unreachable(exc, where, harmless=harmless)


def refused(description: str, where: str) -> SendFailed:
    """Telegram took the request and said no."""
    low = description.casefold()
    for words, meaning, fix in FIXES:
        if words in low:
            return SendFailed(f"Telegram did not take it for '{where}': {meaning} ({description}).", fix=fix)
    return SendFailed(f"Telegram did not take it for '{where}': {description}.")


def unreachable(exc: TelegramError, where: str, *, harmless: bool) -> SendFailed:
    """The error for a failure of the network, or of something in front of Telegram."""
    cause = exc.__cause__
    name = type(cause).__name__ if cause is not None else type(exc).__name__
    if isinstance(cause, NOT_WRITTEN) or (isinstance(cause, RuntimeError) and "not initialized" in str(cause)):
        return SendFailed(
            f"Telegram cannot be reached ({name}); nothing went out to '{where}'.",
            fix="Check the network, and api_base_url if it is set.",
            retry_after_s=0.0,
        )
    if isinstance(cause, NEVER_WRITABLE):
        return SendFailed(f"The address of Telegram makes no sense ({name}).", fix="Check api_base_url.")
    low = exc.message.casefold()
    if "too many requests" in low:
        return SendFailed(f"Telegram asks to wait before more is sent to '{where}'.", retry_after_s=1.0)
    if "entity too large" in low or "(413)" in low:
        return SendFailed(
            f"The file for '{where}' is too large for Telegram.", fix="Bots can send files of up to 50 MB."
        )
    problem = "did not answer in time" if isinstance(exc, TimedOut) else f"gave no answer that counts ({name})"
    if harmless:
        return SendFailed(f"Telegram {problem} for '{where}'; it is tried again.", retry_after_s=0.0)
    return SendUncertain(
        f"Telegram {problem}, so it may have gone out to '{where}' or not.",
        fix="Look into the chat before sending it again.",
    )


def says(exc: TelegramError, *words: str) -> bool:
    """Whether Telegram's description contains any of these. The library changes its case."""
    low = exc.message.casefold()
    return any(word in low for word in words)


def not_modified(exc: TelegramError) -> bool:
    """Whether an edit failed because the message already is as wanted."""
    return isinstance(exc, BadRequest) and says(exc, "message is not modified")


def markup_refused(exc: TelegramError) -> bool:
    """Whether Telegram refused the formatting (entities) of a text."""
    return isinstance(exc, BadRequest) and not isinstance(exc, TimedOut) and says(exc, *MARKUP)
