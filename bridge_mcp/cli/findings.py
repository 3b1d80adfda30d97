"""What `check` finds: one line each; and what can be told of clients and of patterns without asking anybody."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase

from msgspec import Struct

from bridge_mcp.cli.texts import checks as texts
from bridge_mcp.config import Client, Config
from bridge_mcp.core.policy import SCOPES
from bridge_mcp.core.tools import ToolSpec

__all__ = ["Finding", "clients", "patterns"]


class Finding(Struct, frozen=True):
    """One line: what was looked at, whether it is fine, and what there is to say."""

    what: str
    fine: bool
    told: str
    warning: bool = False
    """It works, and the owner should know this."""


def clients(config: Config) -> Iterator[Finding]:
    """What each MCP client may, and those that cannot come because their tokens are not there."""
    for client in (config.stdio, *config.clients):
        yield Finding(f"client {client.name}", True, allowed(client))
    for key, problem in config.lacking.items():
        if key.startswith("clients."):
            yield Finding(f"client {key.split('.')[1]}", False, problem)


def allowed(client: Client) -> str:
    """What a client may, and where."""
    scopes = ", ".join(scope for scope in SCOPES if scope in client.scopes) or texts.NOTHING
    places = ", ".join(sorted(client.channels | client.conversations)) or texts.EVERYWHERE
    return texts.may(scopes, places, person_decides=client.person_decides)


def patterns(config: Config, tools: Sequence[ToolSpec], ready: frozenset[str]) -> Iterator[Finding]:
    """Patterns over names of tools that match none: what they say holds for nothing.

    `ready` are the servers whose tools are known; of others nothing can be told.
    """
    for server in config.tool_servers:
        if server.name not in ready:
            continue
        tools_of_server = [spec.tool for spec in tools if spec.server == server.name]
        section = f"tool_servers.{server.name}"
        for pattern in server.allowed_tools:
            yield from unmatched(f"{section}.allowed_tools", pattern, tools_of_server)
        for rule in server.tools:
            yield from unmatched(f'{section}.tools."{rule.pattern}"', rule.pattern, tools_of_server)
    if not ready.issuperset(server.name for server in config.tool_servers):
        return
    every = [spec.name for spec in tools]
    for rule in config.rules.tools:
        yield from unmatched(f'approvals.tools."{rule.pattern}"', rule.pattern, every)
    for channel in config.rules.channels.values():
        for rule in channel.tools:
            yield from unmatched(f'channels.{channel.name}.tools."{rule.pattern}"', rule.pattern, every)


def unmatched(key: str, pattern: str, names: Sequence[str]) -> Iterator[Finding]:
    """A warning where no name matches a pattern."""
    if pattern == "*" or any(fnmatchcase(name, pattern) for name in names):
        return
    close = get_close_matches(pattern, names, 1, 0.5)
    yield Finding("pattern", True, texts.pattern_matches_nothing(key, close=close, names=names[:12]), warning=True)
