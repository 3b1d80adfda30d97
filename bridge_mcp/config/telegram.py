"""From a [channels.NAME] section of type "telegram" to the value that the channel takes."""

from __future__ import annotations

import re

from bridge_mcp.channels.telegram.bot.settings import TelegramSettings, Webhook
from bridge_mcp.config import schema
from bridge_mcp.config.problems import Problems
from bridge_mcp.config.secrets import Secrets

__all__ = ["not_local", "telegram"]

TOKEN = re.compile(r"[0-9]+:[A-Za-z0-9_-]+")
CHAT = re.compile(r"-?[0-9]+(/[0-9]+)?")
HOOK_SECRET = re.compile(r"[A-Za-z0-9_-]{16,256}")
"""What Telegram takes, and what cannot be guessed."""
ONLY_TELEGRAM = (
    "token_env",
    "token_file",
    "api_base_url",
    "poll_timeout_s",
    "webhook_url",
    "webhook_listen",
    "webhook_secret_env",
    "webhook_secret_file",
    "groups",
    "chats",
    "gather_s",
    "updates",
)


def not_local(name: str, section: schema.Channel, problems: Problems) -> None:
    """Note what a local channel does not have."""
    for each in ONLY_TELEGRAM:
        if each in section.model_fields_set:
            problems.add(f"channels.{name}.{each}", "a local channel has no such thing.", "Remove it.")


def telegram(
    name: str, section: schema.Channel, problems: Problems, secrets: Secrets, owners: dict[str, str]
) -> TelegramSettings:
    """One bot's settings. `owners` says which channel has which token so far."""
    key = f"channels.{name}"
    problems.add_unless_web(f"{key}.api_base_url", section.api_base_url)
    for chat in section.chats:
        if not CHAT.fullmatch(chat):
            problems.add(f'{key}.chats."{chat}"', "this is not a chat's id.", "Write its number, as /whoami says it.")
    return TelegramSettings(
        name=name,
        token=token(key, section, problems, secrets, owners),
        api_base_url=section.api_base_url or "",
        poll_timeout_s=section.poll_timeout_s,
        webhook=webhook(key, section, problems, secrets),
        lacking=secrets.lack(key),
        updates=tuple(dict.fromkeys(section.updates)),
        hears_all=any(mode != "mention" for mode in [section.groups, *(c.groups for c in section.chats.values())]),
    )


def token(key: str, section: schema.Channel, problems: Problems, secrets: Secrets, owners: dict[str, str]) -> str:
    """The bot's token: there, of the right form, and no other channel's."""
    found = secrets.read(f"{key}.token", section.token_env, section.token_file)
    if not (section.token_env or section.token_file):
        problems.add(
            key, "a telegram channel needs a token.", 'Add token_env = "TELEGRAM_BOT_TOKEN" and set that variable.'
        )
    elif found and not TOKEN.fullmatch(found):
        problems.add(
            f"{key}.token", "this is not a bot's token.", "Copy it from @BotFather; it is like 123456:AbC-dEf."
        )
    elif found in owners:
        problems.add(f"{key}.token", f"{owners[found]} has the same token.", "Give each channel a bot of its own.")
    if found:
        owners.setdefault(found, key.rpartition(".")[2])
    return found


def webhook(key: str, section: schema.Channel, problems: Problems, secrets: Secrets) -> Webhook | None:
    """Where updates are posted and taken; None when nothing is said about it."""
    secret = secrets.read(f"{key}.webhook_secret", section.webhook_secret_env, section.webhook_secret_file)
    if not section.webhook_url and not section.webhook_listen:
        if secret:
            problems.add(f"{key}.webhook_secret_env", "there is no webhook.", "Add webhook_url and webhook_listen.")
        return None
    if not section.webhook_url or not section.webhook_listen:
        there, missing = ("webhook_url", "webhook_listen") if section.webhook_url else ("webhook_listen", "webhook_url")
        problems.add(f"{key}.{there}", f"{missing} is missing.", "Give both, or neither for long polls.")
        return None
    problems.add_unless_web(f"{key}.webhook_url", section.webhook_url)
    if secret and not HOOK_SECRET.fullmatch(secret):
        problems.add(
            f"{key}.webhook_secret",
            "Telegram takes 1 to 256 letters, digits, '_' and '-', and fewer than 16 can be guessed.",
            "Make one with: python -c 'import secrets; print(secrets.token_urlsafe(32))'",
        )
    host, colon, port = section.webhook_listen.rpartition(":")
    if not (colon and host and port.isascii() and port.isdigit() and int(port) < 65536):
        problems.add(f"{key}.webhook_listen", "this is not an address to listen on.", 'Write it like "127.0.0.1:8443".')
        return None
    return Webhook(section.webhook_url, host.strip("[]"), int(port), secret=secret)
