"""Names of people and chats, and which of them are of our own team: asked for once, and remembered for a while."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import anyio
from cachetools import LRUCache
from msgspec import Struct

from bridge_mcp.channels.slack.values import inner
from bridge_mcp.channels.slack.web import SlackFault, SlackWeb

__all__ = ["MOST_S", "NameEntry", "Names"]

KEPT_S = 3600.0
AGAIN_S = 60.0
"""After so long a name that was not to be had is asked for again."""
MOST_S = 1.5
"""A message waits no longer for a name: Slack wants it acknowledged within three seconds."""
REMEMBERED = 4096


class NameEntry(Struct, frozen=True):
    """What is known of a user or a chat."""

    name: str = ""
    team: str = ""
    """Of a user: the team that they are of; "" where that was not to be had."""
    bot: bool = False
    until: float = 0.0


class Names:
    """Names, by the ids of one workspace."""

    def __init__(self, web: SlackWeb) -> None:
        self._web = web
        self._known: LRUCache[str, NameEntry] = LRUCache(REMEMBERED)

    def at_hand(self, user: str) -> str:
        """The name of a user if it is known already, else their id."""
        name_entry = self._known.get(user)
        return name_entry.name if name_entry and name_entry.name else user

    async def user(self, user: str) -> NameEntry:
        """A user."""
        return await self._get(user, self._user)

    async def title(self, channel: str) -> str:
        """The name of a channel or a group; "" where it was not to be had."""
        return (await self._get(channel, self._channel)).name

    async def _get(self, key: str, ask: Callable[[str, float], Awaitable[NameEntry]]) -> NameEntry:
        known, now = self._known.get(key), time.monotonic()
        if known is not None and now < known.until:
            return known
        fresh = NameEntry(known.name if known else "", known.team if known else "", until=now + AGAIN_S)
        try:
            with anyio.move_on_after(MOST_S):
                fresh = await ask(key, now + KEPT_S)
        except SlackFault:
            pass  # a message is worth more than its sender's name
        self._known[key] = fresh
        return fresh

    async def _user(self, user: str, until: float) -> NameEntry:
        user_info = inner(await self._web.call(self._web.client.users_info, user=user), "user")
        profile = inner(user_info, "profile")
        name = (
            profile.get("display_name")
            or profile.get("real_name")
            or user_info.get("real_name")
            or user_info.get("name")
        )
        return NameEntry(str(name or ""), str(user_info.get("team_id", "")), bool(user_info.get("is_bot")), until=until)

    async def _channel(self, channel: str, until: float) -> NameEntry:
        channel_info = inner(await self._web.call(self._web.client.conversations_info, channel=channel), "channel")
        return NameEntry(str(channel_info.get("name") or ""), until=until)
