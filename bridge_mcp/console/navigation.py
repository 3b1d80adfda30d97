"""All pages of the console, and the links to them: the only lists of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from msgspec import Struct

from bridge_mcp.console.pages import (
    administration,
    approval,
    approvals,
    conversation,
    conversations,
    files,
    log,
    overview,
)
from bridge_mcp.console.visits import Page, Visit
from bridge_mcp.core.policy import Scope

__all__ = ["LINKS", "PAGES", "Link", "navigation"]


class Link(Struct, frozen=True):
    """One page in the navigation, for those who have the scope."""

    name: str
    path: str
    scope: Scope = "read"
    group: str = ""


LINKS: tuple[Link, ...] = (
    Link("Approvals", "/approvals"),
    Link("Conversations", "/conversations"),
    Link("Health", "/health", group="The bridge"),
    Link("Channels", "/channels", group="The bridge"),
    Link("Tool servers", "/servers", group="The bridge"),
    Link("Events", "/events", group="The bridge"),
    Link("Usage", "/usage", group="The bridge"),
    Link("Grants", "/grants", scope="admin", group="Who may"),
    Link("Pairing", "/pairing", scope="admin", group="Who may"),
    Link("Clients", "/clients", scope="admin", group="Who may"),
)

PAGES: tuple[Page, ...] = (
    *approvals.PAGES,
    *approval.PAGES,
    *conversations.PAGES,
    *conversation.PAGES,
    *files.PAGES,
    *log.PAGES,
    *overview.PAGES,
    *administration.PAGES,
)


def navigation(visit: Visit) -> Sequence[tuple[str, list[Link]]]:
    """The links that a session may follow, in their groups."""
    links_seen = [link for link in LINKS if visit.may(link.scope)]
    return [(group, list(links)) for group, links in groupby(links_seen, key=lambda link: link.group)]
