"""Whom a hook can ask, and as whom it asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from bridge_mcp.core.address import Address
from bridge_mcp.core.entries import Asked, External, Heard
from bridge_mcp.core.external_calls import external_name
from bridge_mcp.core.policy import AGENTS, Principal
from bridge_mcp.hooks.filing import principal_of
from bridge_mcp.hooks.hosts import Host
from bridge_mcp.operations.access import is_let_in
from bridge_mcp.operations.access import principal_of as writer
from bridge_mcp.operations.approver_check import ApproverCheck
from bridge_mcp.operations.external_calls import policy_of
from bridge_mcp.operations.owners_chat import owners_chat
from bridge_mcp.ports import ChannelTraits, Rules, Store

__all__ = ["People", "asker"]


def asker(host: Host) -> Principal:
    """As whom a host's hooks ask questions."""
    return Principal(principal_of(host), "client", frozenset({"read", "send"}), via="api")


class People(Struct, frozen=True):
    """Who is there to decide, as the config and the store have it now."""

    store: Store
    rules: Rules
    traits: Mapping[str, ChannelTraits]
    clients: Sequence[Principal]
    """Those that the config lets in over HTTP."""

    async def reaches(self, asked: Asked) -> bool:
        """Whether a prompt reaches somebody: an approver in the chat that is asked, or a client that decides."""
        stored = [client.principal for client in await self.store.clients.all()]
        if any("approve" in client.scopes and not client.within for client in (*self.clients, *stored)):
            return True
        pairings = await self.store.access.pairings()
        check = ApproverCheck(self.rules, self.traits, pairings, clients=self.clients)
        named_place = self._named(asked.server, asked.tool.removeprefix(f"{asked.server}__"))
        places = [place for place in (asked.route, *asked.also_route, asked.escalate_to) if place and place != AGENTS]
        # Nobody is known to look at a channel of this machine, unless the owner says that people are asked there.
        watched = [place for place in places if place == named_place or self._paired(place)]
        return any(check.in_chat(place) for place in watched)

    async def conversation(self, host: Host, tool: str) -> str:
        """The conversation in which a host's questions are asked; empty where there is none, or nobody is let in."""
        named_place = self._named(principal_of(host), tool)
        place = named_place or await owners_chat(self.store.access, self.traits)
        if place in ("", AGENTS) or not (named_place or self._paired(place)):
            return ""
        return place if await is_let_in(self.store.access, self.traits, place) else ""

    def _named(self, server: str, tool: str) -> str:
        """Where the owner wants people to be asked about calls of this tool; empty where nothing is set."""
        policy = policy_of(self.rules, "", External(server, tool))
        return policy.asking(external_name(server, tool)).route

    def _paired(self, place: str) -> bool:
        """Whether people have to be let in there, and so were."""
        traits = self.traits.get(Address.of(place).channel)
        return traits is not None and traits.needs_pairing

    async def may_decide(self, place: str, heard: Heard) -> bool:
        """Whether whoever wrote this may decide on calls."""
        address = Address.of(place)
        pairings = await self.store.access.find(address.channel, address.chat, heard.sender.id)
        return "approve" in writer(address.channel, heard.sender, pairings).scopes
