"""What `bridge-mcp check` asks Discord about a bot, without touching a bridge that runs: never a session."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

from discord.errors import HTTPException
from discord.http import Route

from bridge_mcp.channels.discord.bot.errors import INTENT, explained, refused
from bridge_mcp.channels.discord.bot.permissions import Member, lacking, of_channels
from bridge_mcp.channels.discord.bot.requests import REQUEST_ERRORS, Requests
from bridge_mcp.channels.discord.bot.settings import DiscordSettings, Patience
from bridge_mcp.channels.plug import Found

__all__ = ["probe"]

CONTENT = (1 << 18) | (1 << 19)
"""Flags of an application that may read all messages: reviewed, or in fewer than a hundred guilds."""
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
        except REQUEST_ERRORS as exc:
            unknown_token = isinstance(exc, HTTPException) and exc.status == 401
            yield Found(False, str(refused(settings.name)) if unknown_token else explained(exc, requests.clean))
            return
        yield Found(True, f"@{me.get('username')}, in {len(guilds)} servers of Discord")
        for result in (intents(settings, int(app.get("flags") or 0)), starts(gateway)):
            if result is not None:
                yield result
        for result in permissions(cast("list[dict[str, Any]]", guilds)):
            yield result
        async for result in of_its_channels(requests, settings, str(me.get("id")), guilds):
            yield result


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
        return [Found(True, "It is in no server: people can write to it once it shares one with them")]
    results: list[Found] = []
    for guild in guilds[:SHOWN]:
        if lacks := lacking(int(guild.get("permissions") or 0)):
            name = str(guild.get("name"))[:100]
            fix = "Give its role these permissions (Server Settings, Roles)."
            results.append(Found(False, f"In {name} it lacks: {', '.join(lacks)}. {fix}"))
    return results


async def of_its_channels(
    requests: Requests, settings: DiscordSettings, me: str, guilds: Sequence[dict[str, Any]]
) -> AsyncIterator[Found]:
    """What channels take away from it; a named channel that no server has."""
    missing = set(settings.chats)
    for guild in guilds[:SHOWN]:
        server, name = str(guild.get("id")), str(guild.get("name"))[:100]
        try:
            membership: Any = await requests.request(
                Route("GET", "/guilds/{guild_id}/members/{user}", guild_id=server, user=me)
            )
            channels: Any = await requests.request(Route("GET", "/guilds/{guild_id}/channels", guild_id=server))
        except REQUEST_ERRORS as exc:
            yield Found(
                True, f"What it may do in the channels of {name} is not known: {explained(exc, requests.clean)}"
            )
            return
        roles = frozenset(str(each) for each in membership.get("roles") or ())
        member = Member(me, server, roles, permissions=int(guild.get("permissions") or 0))
        missing -= {str(each.get("id")) for each in channels}
        for fine, message in of_channels(member, channels, settings.chats, name):
            yield Found(fine, message)
    if missing and len(guilds) <= SHOWN:
        yield Found(False, f"No server that it is in has the channel {', '.join(sorted(missing))}: see `chats`.")
