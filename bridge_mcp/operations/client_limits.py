"""What a client that is limited to some channels and chats may call: what those channels may, under their rules."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from bridge_mcp.core.address import Address
from bridge_mcp.core.policy import Policy, ToolRule
from bridge_mcp.core.tools import BRIDGE, ToolSpec
from bridge_mcp.ports import ChannelRules, Rules

__all__ = ["may_call", "may_use", "rules_within"]

STRICTNESS = ("never", "default", "by-annotation", "required")


def channels_within(within: Collection[str], rules: Rules) -> list[ChannelRules]:
    """The channels that these places lie in, as the config has them."""
    names = dict.fromkeys(Address.of(place).channel for place in sorted(within))
    return [rules.channels[name] for name in names if name in rules.channels]


def may_use(within: Collection[str], rules: Rules, server: str) -> bool:
    """Whether whoever is limited to these places (empty: nobody is) may use a nested tool server."""
    return not within or any(has(channel, server) for channel in channels_within(within, rules))


def may_call(within: Collection[str], rules: Rules, spec: ToolSpec) -> bool:
    """The same of one tool. The bridge's own tools are no client's to call."""
    return spec.server != BRIDGE and may_use(within, rules, spec.server)


def rules_within(within: Collection[str], rules: Rules, tools: Iterable[ToolSpec]) -> tuple[ToolRule, ...]:
    """What holds for calls of whoever is limited to these places: of several channels, for each tool the strictest."""
    channels = channels_within(within, rules)
    if len(channels) < 2:
        own = channels[0].tools if channels else ()
        return (*own, *rules.tools)
    return tuple(strictest([channel for channel in channels if has(channel, s.server)], rules, s) for s in tools)


def strictest(channels: Sequence[ChannelRules], rules: Rules, spec: ToolSpec) -> ToolRule:
    """The rule for one tool of the channel that lets the least pass; and as many approvers as any of them wants."""
    tools = {spec.name: spec}
    asked = [
        Policy(tools=tools, defaults=rules.asking, rules=(*channel.tools, *rules.tools)).asking(spec.name)
        for channel in channels
    ]
    strict = max(asked, key=lambda asking: STRICTNESS.index(asking.confirmation))
    return ToolRule(spec.name, {**strict.as_part(), "quorum": max(asking.quorum for asking in asked)})


def has(channel: ChannelRules, server: str) -> bool:
    """Whether a channel's assistant has the tools of a server."""
    return channel.tool_servers is None or server in channel.tool_servers
