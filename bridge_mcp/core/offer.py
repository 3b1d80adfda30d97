"""Chooses the tools of a request if there are more than a provider accepts.

OpenAI refuses more than 128 tools in one request, and models choose badly among hundreds. Beyond that a request offers
the bridge's own tools, one of which searches, those that the conversation has called or found, and as many of the
others as have room, in their usual order. All of them can be called, whether they are offered or not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from bridge_mcp.core.messages import ChatMessage
from bridge_mcp.core.tool_search import search_tools
from bridge_mcp.core.tools import BRIDGE, FIND_TOOLS, ToolSpec

__all__ = ["MAX_TOOLS", "choose_tools", "search_result", "too_many_tools", "wanted_tools"]

MAX_TOOLS = 128
"""Tools in one request."""
MAX_FOUND = 10
"""Tools that one search gives."""

FOUND = re.compile(r"^- ([A-Za-z0-9_-]{1,64}):", re.MULTILINE)
MAX_SCHEMA = 4_000
"""Characters of a schema that a search shows: a call without it gets an error that says what is wrong."""


def wanted_tools(messages: Iterable[ChatMessage]) -> frozenset[str]:
    """The names of the tools that these messages have called or found."""
    names: set[str] = set()
    for message in messages:
        names.update(call.tool for call in message.calls)
        if message.call is not None and message.call.tool == FIND_TOOLS:
            names.update(FOUND.findall(message.text))
    return frozenset(names)


def choose_tools(tools: Sequence[ToolSpec], wanted: frozenset[str]) -> tuple[ToolSpec, ...]:
    """Up to `MAX_TOOLS` of the tools, in their order: the bridge's own, the wanted ones, the first others."""
    first = [spec.name for spec in tools if spec.server == BRIDGE]
    first += [spec.name for spec in tools if spec.server != BRIDGE and spec.name in wanted]
    rest = [spec.name for spec in tools if spec.server != BRIDGE and spec.name not in wanted]
    chosen = frozenset([*first, *rest][:MAX_TOOLS])
    return tuple(spec for spec in tools if spec.name in chosen)


def search_result(tools: Sequence[ToolSpec], query: str) -> str:
    """The result of a search for the model; `wanted_tools` reads the names out of it."""
    best = search_tools(tools, query)[:MAX_FOUND]
    if not best:
        servers = ", ".join(dict.fromkeys(spec.server for spec in tools))
        return f"No tool speaks of that. The tools are of these servers: {servers}."
    return "\n".join(f"- {spec.name}: {' '.join(spec.description.split())[:400]}\n  {schema(spec)}" for spec in best)


def schema(spec: ToolSpec) -> str:
    return spec.schema if len(spec.schema) <= MAX_SCHEMA else f"(its schema has {len(spec.schema)} characters)"


def too_many_tools(count: int) -> str:
    """The warning for the owner of a channel with so many tools; "" if a request holds them all."""
    if count <= MAX_TOOLS:
        return ""
    return (
        f"Its assistant has {count} tools. A request offers {MAX_TOOLS} of them, and it searches for the others: "
        "name fewer tool_servers, or allowed_tools of a server."
    )
