"""Checks that there is somebody who can approve the calls of each channel's assistant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from bridge_mcp.core.address import Address
from bridge_mcp.core.approval_settings import ApprovalSettings
from bridge_mcp.core.entries import Call
from bridge_mcp.core.policy import AGENTS, NeedsVerdict, Policy, Principal
from bridge_mcp.core.tools import BRIDGE, ToolSpec
from bridge_mcp.ports import ChannelRules, ChannelTraits, Pairing, Rules

__all__ = ["ApproverCheck"]


class ApproverCheck(Struct, frozen=True):
    """Finds possible approvers. `clients` are all clients over MCP, with whatever scopes."""

    rules: Rules
    traits: Mapping[str, ChannelTraits]
    pairings: Sequence[Pairing]
    clients: Sequence[Principal]

    def complaints(self, tools: Sequence[ToolSpec]) -> dict[str, str]:
        """By channel: which calls nobody could approve, and the fix."""
        by_channel = {name: self._complaint(channel, tools) for name, channel in self.rules.channels.items()}
        return {name: complaint for name, complaint in by_channel.items() if complaint}

    def _complaint(self, channel: ChannelRules, tools: Sequence[ToolSpec]) -> str:
        if channel.responder != "assistant" or channel.name not in self.traits:
            return ""
        offered = {spec.name: spec for spec in tools if offers(channel, spec)}
        policy = Policy(
            tools=offered,
            defaults=self.rules.asking,
            rules=(*channel.tools, *self.rules.tools),
        )
        asking = [name for name in offered if isinstance(policy.gate(Call("", name, "{}"), 0.0), NeedsVerdict)]
        stuck = [name for name in asking if not self._decidable(channel.name, policy.asking(name))]
        if not stuck:
            return ""
        others = f" and {len(stuck) - 1} other tools" if len(stuck) > 1 else ""
        quorum = max(policy.asking(name).quorum for name in stuck)
        who = "nobody is let in who could decide" if quorum == 1 else f"fewer than {quorum} are let in who could decide"
        if quorum > 1:
            who += " and that [people] names as different people"
        return (
            f"calls of {stuck[0]}{others} wait for a verdict, and {who}. Pair an approver (bridge-mcp pair add CODE "
            "--role approver), or give a client the scope approve; until then: bridge-mcp approvals."
        )

    def _decidable(self, channel: str, settings: ApprovalSettings) -> bool:
        """Whether there are enough approvers for a call of this channel; for a quorum, people in the config."""
        deciders = self._deciders(channel, settings)
        return bool(deciders) if settings.quorum == 1 else len(self.rules.people.distinct(deciders)) >= settings.quorum

    def _deciders(self, channel: str, settings: ApprovalSettings) -> set[str]:
        """The possible approvers of a call of this channel: clients, approvers in the asked chat, the owner."""
        over_mcp = {c.name for c in self.clients if "approve" in c.scopes and c.sees_channel(channel)}
        places = {settings.route or channel, *settings.also_route, settings.escalate_to} - {"", AGENTS}
        return over_mcp | {who for place in places for who in self.in_chat(place)}

    def in_chat(self, place: str) -> Iterable[str]:
        """The approvers who may press a button in that chat; on a local channel, the owner."""
        channel, chat, _ = Address.of(place)
        traits = self.traits.get(channel)
        if traits is None:
            return ()
        if not traits.needs_pairing:
            return ("owner",)
        pairings = [pairing for pairing in self.pairings if pairing.channel == channel]
        if chat and not any(pairing.subject == chat for pairing in pairings):
            return ()
        # An approver is a person: ids of groups begin with a minus.
        return [f"{channel}:{p.subject}" for p in pairings if p.role == "approver" and not p.subject.startswith("-")]


def offers(channel: ChannelRules, spec: ToolSpec) -> bool:
    """Whether the assistant of a channel has this tool."""
    return spec.tool in channel.builtin_tools if spec.server == BRIDGE else channel.has_server(spec.server)
