"""Where calls are asked about that belong to no chat, when the owner has named no place: the chat of who may decide."""

from __future__ import annotations

from collections.abc import Mapping

from bridge_mcp.operations.addresses import join
from bridge_mcp.ports import Access, ChannelTraits

__all__ = ["MAIN", "owners_chat"]

MAIN = "main"
"""The conversation of a local channel in which its user is found."""


async def owners_chat(access: Access, traits: Mapping[str, ChannelTraits]) -> str:
    """The private chat of the approver who was let in first; else the main conversation here; "" for neither."""
    approvers = [
        pairing
        for pairing in await access.pairings()
        if pairing.role == "approver" and pairing.subject.isdecimal() and pairing.channel in traits
    ]
    if approvers:
        first = min(approvers, key=lambda t: t.at)
        return join(first.channel, first.subject)
    return next((join(name, MAIN) for name, t in traits.items() if not t.needs_pairing), "")
