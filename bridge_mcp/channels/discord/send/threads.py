"""Threads of channels: made, named, closed and opened again.

https://docs.discord.com/developers/resources/channel#start-thread-without-message. Discord has no key by which a thread
that was asked for twice is known again.
"""

from __future__ import annotations

from typing import Any

from discord.http import Route

from bridge_mcp.channels.discord.bot.requests import Requests
from bridge_mcp.channels.discord.send.messages import id_of
from bridge_mcp.channels.discord.send.parts import ChangeThread, MakeThread

__all__ = ["change", "make"]

PUBLIC = 11


async def make(requests: Requests, channel: str, body: MakeThread) -> tuple[str, ...]:
    """Make a public thread; its id."""
    route = Route("POST", "/channels/{channel_id}/threads", channel_id=channel)
    return (id_of(await requests.request(route, json={"name": body.name, "type": PUBLIC})),)


async def change(requests: Requests, channel: str, body: ChangeThread) -> tuple[str, ...]:
    """Give a thread another name, archive and lock it, or take both back."""
    changes: dict[str, Any] = {"name": body.name} if body.name else {}
    if body.closed is not None:
        changes |= {"archived": body.closed, "locked": body.closed}
    await requests.request(Route("PATCH", "/channels/{channel_id}", channel_id=channel), json=changes)
    return ()
