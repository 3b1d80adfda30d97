"""What `check` finds where calls come through doors: who could decide on them, and what clients are shown."""

from __future__ import annotations

from collections.abc import Iterator

from bridge_mcp.cli.findings import Finding
from bridge_mcp.cli.texts import checks as texts
from bridge_mcp.config import Config
from bridge_mcp.core.address import Address
from bridge_mcp.core.grants import SHORTENED
from bridge_mcp.core.policy import AGENTS
from bridge_mcp.operations.approver_check import ApproverCheck

__all__ = ["claude_channel", "doors", "exposed"]


def exposed(config: Config) -> Iterator[Finding]:
    """Clients that are to have tools of servers among their own, and cannot call any."""
    for client in (config.stdio, *config.clients):
        if client.expose and "tools" not in client.scopes:
            yield Finding(f"client {client.name}", True, texts.shows_no_tool(client.name), warning=True)


def doors(config: Config, check: ApproverCheck, home: str) -> Iterator[Finding]:
    """Where nobody could decide on calls of gates, hooks and clients. `home`: where they are asked about by default."""
    rules, asking = config.rules, config.rules.asking
    if any("approve" in client.scopes and not client.within for client in check.clients):
        return
    places = [place for place in (asking.route or home, *asking.also_route, asking.escalate_to) if place]
    chats = [place for place in places if place != AGENTS and any(check.in_chat(place))]
    paired = [place for place in chats if check.traits[Address.of(place).channel].needs_pairing]
    if not rules.cli and not paired:
        yield Finding("approvals", False, texts.NOBODY_DECIDES)
    elif AGENTS in places and not chats:
        yield Finding("approvals", True, texts.nobody_asked(AGENTS), warning=True)
    if not paired and not (asking.route and chats) and any(rule.pattern.startswith("hook:") for rule in rules.tools):
        yield Finding("hooks", True, texts.NOBODY_FOR_HOOKS, warning=True)


def claude_channel(config: Config, *, used: bool) -> Iterator[Finding]:
    """What keeps Claude Code's channel (`bridge-mcp --channel`) from working; `used`: a session has used it."""
    freeing = [
        rule.pattern
        for rule in config.rules.tools
        if rule.pattern.startswith(SHORTENED) and (rule.says.get("confirmation") == "never" or rule.says.get("review"))
    ]
    for pattern in freeing:
        yield Finding("channel", True, texts.frees_nothing(pattern), warning=True)
    if not used and not any(rule.pattern.startswith(SHORTENED) for rule in config.rules.tools):
        return
    lacking = [scope for scope in ("read", "send") if scope not in config.stdio.scopes]
    if lacking:
        yield Finding("channel", True, texts.channel_lacks(lacking), warning=True)
    if all(channel.responder != "relay" for channel in config.rules.channels.values()):
        yield Finding("channel", True, texts.NOTHING_PUSHED, warning=True)
