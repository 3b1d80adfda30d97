"""What `bridge-mcp check` asks Discord about a bot, without touching a bridge that runs: never a session."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

import aiohttp
from discord import Permissions
from discord.errors import HTTPException, RateLimited
from discord.http import Route

from bridge_mcp.channels.discord.bot.errors import INTENT, explained, refused
from bridge_mcp.channels.discord.bot.requests import Requests, Unfit
from bridge_mcp.channels.discord.bot.settings import DiscordSettings, Patience
from bridge_mcp.channels.plug import Found

__all__ = ["probe"]

CONTENT = (1 << 18) | (1 << 19)
"""Flags of an application that may read all messages: reviewed, or in fewer than a hundred guilds."""
NEEDED = (
    ("view_channel", "View Channels"),
    ("send_messages", "Send Messages"),
    ("send_messages_in_threads", "Send Messages in Threads"),
    ("read_message_history", "Read Message History"),
    ("attach_files", "Attach Files"),
    ("add_reactions", "Add Reactions"),
)
SHOWN = 20
FEW_STARTS = 50


async def probe(settings: DiscordSettings) -> AsyncIterator[Found]:
    """All checks of the bot, in order; ends early if Discord cannot be asked."""
    requests = Requests(settings, Patience())
    async with requests.open():
        try:
            me: Any = await requests.request(Route("GET", "/users/@me"))
            app: Any = await requests.request(Route("GET", "/applications/@me"))
            gateway: Any = await requests.request(Route("GET", "/gateway/bot"))
            guilds: Any = await requests.request(Route("GET", "/users/@me/guilds"))
        except HTTPException as exc:
            told = str(refused(settings.name)) if exc.status == 401 else explained(exc, requests.clean)
            yield Found(False, told)
            return
        except (RateLimited, Unfit, aiohttp.ClientError, TimeoutError, OSError) as exc:
            yield Found(False, explained(exc, requests.clean))
            return
        yield Found(True, f"@{me.get('username')}, in {len(guilds)} servers of Discord")
        for found in (intents(settings, int(app.get("flags") or 0)), starts(gateway)):
            if found is not None:
                yield found
        for found in permissions(cast("list[dict[str, Any]]", guilds)):
            yield found


def intents(settings: DiscordSettings, flags: int) -> Found:
    """Whether it may read what the settings want it to."""
    if not settings.hears_all:
        return Found(True, "It reads direct messages, mentions and replies; the message content intent is not needed")
    if flags & CONTENT:
        return Found(True, "It reads all messages (the message content intent is on)")
    return Found(False, f"It may not read all messages, which `groups` wants. {INTENT}.")


def starts(gateway: dict[str, Any]) -> Found | None:
    """Whether few of the day's sessions are left."""
    start: dict[str, Any] = gateway.get("session_start_limit") or {}
    left = start.get("remaining")
    if not isinstance(left, int) or left > FEW_STARTS:
        return None
    return Found(
        False,
        f"Only {left} of today's sessions are left: something connects again and again with this token. At 0 Discord "
        "makes the token invalid. Look for a second program that uses it.",
    )


def permissions(guilds: Sequence[dict[str, Any]]) -> list[Found]:
    """Which permissions it lacks, by server; channels may take away more."""
    if not guilds:
        invite = "discord.com/developers/applications, your application, OAuth2, scopes bot and applications.commands"
        return [Found(True, f"It is in no server: people can write to it once it shares one with them ({invite})")]
    found: list[Found] = []
    for guild in guilds[:SHOWN]:
        has = Permissions(int(guild.get("permissions") or 0))
        lacks = [] if has.administrator else [told for name, told in NEEDED if not getattr(has, name)]
        if lacks:
            name = str(guild.get("name"))[:100]
            fix = "Give its role these permissions (Server Settings, Roles)."
            found.append(Found(False, f"In {name} it lacks: {', '.join(lacks)}. {fix}"))
    return found
