"""What a bot may do in servers of Discord and in their channels: https://docs.discord.com/developers/topics/permissions."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import reduce
from typing import Any

from discord import Permissions
from msgspec import Struct

from bridge_mcp.channels.discord.bot.invitation import NEEDED

__all__ = ["Member", "allowed", "lacking", "of_channels"]

FORUM, MEDIA = 15, 16
WRITABLE = frozenset({0, 2, 5, 13, FORUM, MEDIA})
"""Types of channels that have messages, or threads with messages."""
MAX_NAMED = 10


class Member(Struct, frozen=True):
    """The bot in one server."""

    id: str
    guild: str
    roles: frozenset[str]
    permissions: int
    """Those of its roles together."""


def lacking(permissions: int) -> list[str]:
    """The permissions that the bot needs and does not have, by their labels."""
    has = Permissions(permissions)
    return [] if has.administrator else [label for name, label in NEEDED if not getattr(has, name)]


def allowed(member: Member, overwrites: Sequence[Mapping[str, Any]]) -> int:
    """The permissions in a channel: those of the server, but for what the channel denies or allows.

    First for everybody, then for the member's roles together, then for the member.
    """
    if Permissions(member.permissions).administrator:
        return member.permissions
    by_id = {str(each.get("id")): (number(each, "allow"), number(each, "deny")) for each in overwrites}
    may = member.permissions
    bits = [by_id[role] for role in member.roles if role in by_id]
    roles = reduce(int.__or__, (allow for allow, _ in bits), 0), reduce(int.__or__, (deny for _, deny in bits), 0)
    for allow, deny in (by_id.get(member.guild, (0, 0)), roles, by_id.get(member.id, (0, 0))):
        may = may & ~deny | allow
    return may


def number(overwrite: Mapping[str, Any], name: str) -> int:
    value = str(overwrite.get(name) or "0")
    return int(value) if value.isdecimal() else 0


def of_channels(
    member: Member, channels: Sequence[Mapping[str, Any]], configured: Collection[str], server: str
) -> Iterator[tuple[bool, str]]:
    """Whether the bot may work in the channels of a server: those that the config names, each; of the others one line.

    What it lacks everywhere in the server is told of the server alone.
    """
    everywhere, elsewhere = set(lacking(member.permissions)), list[str]()
    for each in channels:
        if each.get("type") not in WRITABLE:
            continue
        may = allowed(member, each.get("permission_overwrites") or ())
        lacks = [label for label in lacking(may) if label not in everywhere]
        if each.get("type") in (FORUM, MEDIA):  # only posts, which are threads, have messages
            lacks = [label for label in lacks if label != "Send Messages"]
        name = f"#{str(each.get('name'))[:100]}"
        if lacks and str(each.get("id")) in configured:
            yield False, f"In {name} of {server} it lacks: {', '.join(lacks)}. Give them in that channel's settings."
        elif lacks and "View Channels" not in lacks:
            elsewhere.append(name)
    if elsewhere:
        more = f" and {len(elsewhere) - MAX_NAMED} more" if len(elsewhere) > MAX_NAMED else ""
        yield True, f"In {server} it sees channels and may not do all of its work there: {shown(elsewhere)}{more}"


def shown(names: Sequence[str]) -> str:
    return ", ".join(names[:MAX_NAMED])
