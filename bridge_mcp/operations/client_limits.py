"""The tools of a client that is limited to some channels and chats: those of these channels, under their rules."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from bridge_mcp.core.address import Address
from bridge_mcp.core.policy import Policy, ToolRule
from bridge_mcp.core.tools import BRIDGE, ToolSpec
from bridge_mcp.ports import ChannelRules, Rules

__all__ = ["may_call", "may_use", "rules_within"]

STRICTNESS = ("never", "default", "by-annotation", "required", "person")


def channels_within(within: Collection[str], rules: Rules) -> list[ChannelRules]:
    """The channels of these channels and conversations, as configured."""
    names = dict.fromkeys(Address.of(place).channel for place in sorted(within))
    return [rules.channels[name] for name in names if name in rules.channels]


def may_use(within: Collection[str], rules: Rules, server: str) -> bool:
    """Whether a client with these limits (empty: none) may use a nested tool server."""
    return not within or any(channel.has_server(server) for channel in channels_within(within, rules))


def may_call(within: Collection[str], rules: Rules, spec: ToolSpec) -> bool:
    """The same for one tool. Clients may not call the bridge's own tools."""
    return spec.server != BRIDGE and may_use(within, rules, spec.server)


def rules_within(within: Collection[str], rules: Rules, tools: Iterable[ToolSpec]) -> tuple[ToolRule, ...]:
    """The rules for calls of a client with these limits: of several channels, the strictest for each tool."""
    channels = channels_within(within, rules)
    if len(channels) < 2:
        of_channel = channels[0].tools if channels else ()
        return (*of_channel, *rules.tools)
    return tuple(strictest([channel for channel in channels if channel.has_server(s.server)], rules, s) for s in tools)


def strictest(channels: Sequence[ChannelRules], rules: Rules, spec: ToolSpec) -> ToolRule:
    """The strictest of the channels' rules for one tool, with the highest quorum of all.

    A reviewer looks at its calls only where all of them name the same.
    """
    tools = {spec.name: spec}
    asked = [
        Policy(tools=tools, defaults=rules.asking, rules=(*channel.tools, *rules.tools)).asking(spec.name)
        for channel in channels
    ]
    strict = max(asked, key=lambda asking: STRICTNESS.index(asking.confirmation))
    review = strict.review if all(asking.review == strict.review for asking in asked) else None
    quorum = max(asking.quorum for asking in asked)
    return ToolRule(spec.name, {**strict.as_part(), "quorum": quorum, "review": review})
