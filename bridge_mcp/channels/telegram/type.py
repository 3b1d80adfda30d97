"""Telegram as a type of channel: the keys of its sections, and their reading. Loads nothing of python-telegram-bot."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Literal

from pydantic import Field

from bridge_mcp.channels.plug import ChannelType, Found, Given, KeyReader, PlatformKeys, Text, listen_address
from bridge_mcp.channels.telegram.bot.settings import TelegramSettings, Webhook
from bridge_mcp.channels.telegram.channel import TelegramChannel
from bridge_mcp.ports import Clock

__all__ = ["TYPE", "TelegramKeys"]

TOKEN = re.compile(r"[0-9]+:[A-Za-z0-9_-]+")
CHAT = re.compile(r"-?[0-9]+(/(dm)?[0-9]+)?|business-[0-9]+(/[0-9]+)?")
GUESTS = r"business-(?P<owner>[0-9]{1,20})/.*|-?[0-9]{1,20}/dm[0-9]+"
HOOK_SECRET = re.compile(r"[A-Za-z0-9_-]{16,256}")
"""What Telegram takes, and what cannot be guessed."""


class TelegramKeys(PlatformKeys):
    """[channels.NAME] of type "telegram": a Telegram bot."""

    token_env: Text | None = None
    """The variable that holds the bot's token."""
    token_file: Text | None = None
    """The file that holds the bot's token."""
    api_base_url: Text | None = None
    """A Bot API server of your own; without it: Telegram's."""
    poll_timeout_s: int = Field(default=30, ge=1, le=50)
    """Seconds that one long poll waits."""
    webhook_url: Text | None = None
    """Where Telegram posts updates; without it: long polls, which need no open port."""
    webhook_listen: Text | None = None
    """HOST:PORT where the bridge takes those posts."""
    webhook_secret_env: Text | None = None
    """The variable with the secret that Telegram shows with each post; without it: drawn at each start."""
    webhook_secret_file: Text | None = None
    """The file that holds that secret."""
    business: bool = False
    """Whether it serves the chats of people who connect it to their account (Telegram Business); each is let in."""
    channel_posts: bool = False
    """Whether posts of channels that are let in are heard."""
    direct_messages: bool = False
    """Whether direct messages to channels are heard, each person's as a conversation of its own."""
    updates: list[Literal["message_reaction", "message_reaction_count", "chat_member", "chat_join_request"]] = []
    """What else people do that becomes an event."""


def check(section: TelegramKeys, keys: KeyReader) -> TelegramSettings:
    """One bot's settings."""
    keys.web_address("api_base_url", section.api_base_url)
    for chat in section.chats:
        if not CHAT.fullmatch(chat):
            keys.problem(f'chats."{chat}"', "this is not a chat's id.", "Write its number, as /whoami says it.")
    modes = [section.groups, *(each.groups for each in section.chats.values())]
    return TelegramSettings(
        name=keys.name,
        token=token(section, keys),
        api_base_url=section.api_base_url or "",
        poll_timeout_s=section.poll_timeout_s,
        webhook=webhook(section, keys),
        lacking=keys.lacking(),
        updates=tuple(dict.fromkeys(section.updates)),
        business=section.business,
        channel_posts=section.channel_posts,
        direct_messages=section.direct_messages,
        hears_all=any(mode not in ("mention", None) for mode in modes),
    )


def token(section: TelegramKeys, keys: KeyReader) -> str:
    """The bot's token: there, of the right form, and no other channel's."""
    value = keys.secret("token")
    if not (section.token_env or section.token_file):
        fix = 'Add token_env = "TELEGRAM_BOT_TOKEN" and set that variable.'
        keys.problem("", "a telegram channel needs a token.", fix)
    elif value and not TOKEN.fullmatch(value):
        keys.problem("token", "this is not a bot's token.", "Copy it from @BotFather; it is like 123456:AbC-dEf.")
    elif value and (holder := keys.holder(value)):
        keys.problem("token", f"{holder} has the same token.", "Give each channel a bot of its own.")
    return value


def webhook(section: TelegramKeys, keys: KeyReader) -> Webhook | None:
    """Where updates are posted and taken; None when nothing is said about it."""
    secret = keys.secret("webhook_secret")
    if not section.webhook_url and not section.webhook_listen:
        if secret:
            keys.problem("webhook_secret_env", "there is no webhook.", "Add webhook_url and webhook_listen.")
        return None
    if not section.webhook_url or not section.webhook_listen:
        both = ("webhook_url", "webhook_listen")
        present, missing = both if section.webhook_url else both[::-1]
        keys.problem(present, f"{missing} is missing.", "Give both, or neither for long polls.")
        return None
    keys.web_address("webhook_url", section.webhook_url)
    if secret and not HOOK_SECRET.fullmatch(secret):
        keys.problem(
            "webhook_secret",
            "Telegram takes 1 to 256 letters, digits, '_' and '-', and fewer than 16 can be guessed.",
            "Make one with: python -c 'import secrets; print(secrets.token_urlsafe(32))'",
        )
    address = listen_address(keys, "webhook_listen", section.webhook_listen, like="127.0.0.1:8443")
    return Webhook(section.webhook_url, *address, secret=secret) if address else None


def make(settings: TelegramSettings, given: Given) -> TelegramChannel:
    """The channel of one bot."""
    return TelegramChannel(settings, given.clock, given.commands)


def probe(settings: TelegramSettings, clock: Clock) -> AsyncIterator[Found]:
    """What Telegram says of the bot, by the module that needs the library."""
    from bridge_mcp.channels.telegram.bot.probe import probe as probed

    return probed(settings, clock)


TEMPLATE = """\
# [channels.family]
# type = "telegram"
# token_env = "TELEGRAM_BOT_TOKEN"
# groups = "mention"                       # in groups, answer what is meant for the bot; always: all; observe: nothing
# bots = "mentions"                        # other bots may speak where they mention it; without this line: never
# webhook_url = "https://bot.example.org/telegram"   # without this line: long polls, which need no open port
# webhook_listen = "127.0.0.1:8443"
# webhook_secret_env = "WEBHOOK_SECRET"    # without this line: one is drawn at each start
# api_base_url = "http://127.0.0.1:8081"   # a Bot API server of your own
# system_prompt_file = "family.md"
# history_limit = 200                      # messages that the model sees at most
# while_busy = "join"                      # messages while it works: join that turn; or queue, or interrupt it
# summarise = true                         # whether it sums up the older ones; false: they just go
# image_turns = 3                          # in how many last turns it sees images
# late_after_s = 3600                      # older ones are marked as late
# gather_s = 0.5                           # a reply waits so long for what belongs to its message
# updates = ["message_reaction"]           # also chat_member and others: events of people who react, come and go
# business = true                          # serve the chats of people who connect the bot to their own account
# channel_posts = true                     # hear posts of channels; direct_messages = true: what people write to them
# [channels.family.chats."-1001234567890"] # one group, or one topic of it ("-1001234567890/7")
# groups = "always"
"""

TYPE = ChannelType(
    TelegramKeys,
    check,
    make,
    probe=probe,
    template=TEMPLATE,
    gather_s=0.5,
    loggers=("telegram",),
    guests=GUESTS,
)
"""Apps cut long pastes, and send a comment and what it is about as two messages: hence `gather_s`."""
