"""[people.NAME]: which principals are one person."""

from __future__ import annotations

import re
from collections.abc import Mapping

from bridge_mcp.channels.registry import plug
from bridge_mcp.config import schema
from bridge_mcp.config.problems import Problems, nearest
from bridge_mcp.core.people import LOCAL, People
from bridge_mcp.core.policy import CLIENT_NAME, RESERVED

__all__ = ["people"]


def people(sections: Mapping[str, schema.Person], channels: Mapping[str, schema.Channel], problems: Problems) -> People:
    """Return the people of a file. It is a problem if two share a principal, or if nobody can be that principal."""
    names: dict[str, str] = {}
    for person, section in sections.items():
        key = f"people.{person}.principals"
        for principal in section.principals:
            wrong, fix = mistake(principal, channels)
            owner = of_another(principal, person, names)
            if owner:
                wrong, fix = f"'{principal}' is {owner} already.", "Name each principal with one person."
            if wrong:
                problems.add(key, wrong, fix)
            else:
                names[principal] = person
    return People(names)


def of_another(principal: str, person: str, names: Mapping[str, str]) -> str:
    """Return the other person who has this principal; all principals of this machine's user are one person."""
    alike = LOCAL if principal in LOCAL else frozenset({principal})
    return next((names[alias] for alias in sorted(alike) if alias in names and names[alias] != person), "")


def mistake(principal: str, channels: Mapping[str, schema.Channel]) -> tuple[str, str]:
    """Return why nobody can be this principal, with the fix; "" if somebody can."""
    channel, colon, subject = principal.partition(":")
    if colon:
        if channel not in channels:
            return f"there is no '{channel}' among the channels.", nearest(channel, channels, "channels")
        if re.fullmatch(plug(channels[channel].type).type.user_id, subject):
            return "", ""
        return f"'{subject}' is not a user's id.", "Write channel:user_id."
    if principal in RESERVED - LOCAL:
        return f"'{principal}' is not a person.", "Name owner, clients, and users of channels as channel:user_id."
    if CLIENT_NAME.fullmatch(principal):
        return "", ""
    return f"'{principal[:80]}' is not a principal.", "Name owner, clients, and users of channels as channel:user_id."
