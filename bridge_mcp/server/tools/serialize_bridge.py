"""The bridge itself in the shapes that the MCP face gives it: channels, servers, tools, who was let in, grants, status.

Knows the answers and the shapes; neither who asked nor how an answer travels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bridge_mcp.core.errors import NotFound
from bridge_mcp.core.grants import Grant
from bridge_mcp.core.results import (
    ChannelInfo,
    ServerInfo,
    Status,
    ToolList,
)
from bridge_mcp.core.tool_search import first_line
from bridge_mcp.core.tools import (
    ToolSpec,
)
from bridge_mcp.ports import (
    Pairing,
    PairingRequest,
)
from bridge_mcp.server.tools.pages import fitting
from bridge_mcp.server.tools.schemas import (
    ChannelShape,
    ChannelsShape,
    GrantsShape,
    PairingShape,
    PairingsShape,
    ServerShape,
    StatusShape,
    ToolListShape,
    ToolShape,
)
from bridge_mcp.server.tools.serialize import instant, parsed, usage

__all__ = [
    "channels",
    "grants",
    "pairing",
    "pairings",
    "status",
    "tool_list",
    "whole_tools",
]

LIST_TOKENS = 3_000
"""Estimated tokens of a page of tools: hosts show their model no more than 2 to 12 kB of a long list."""
MAX_WHOLE = 50
"""Tools that may fit into a page whole; more never do."""


def channel(info: ChannelInfo) -> ChannelShape:
    return {
        "name": info.name,
        "type": info.type,
        "responder": info.responder,
        "needs_pairing": info.needs_pairing,
        "state": info.state,
        "error": info.error,
        "last_ok": instant(info.last_ok),
        "today": usage(info.today),
    }


def server(info: ServerInfo) -> ServerShape:
    return {
        "name": info.name,
        "state": info.state,
        "tools": info.tools,
        "error": info.error,
        "restarts": info.restarts,
        "instructions": info.instructions,
    }


def nested_tool(spec: ToolSpec) -> ToolShape:
    shape: ToolShape = {
        "name": spec.name,
        "server": spec.server,
        "tool": spec.tool,
        "description": spec.description,
        "schema": parsed(spec.schema),
        "read_only": spec.read_only,
        "destructive": spec.destructive,
        "idempotent": spec.idempotent,
        "open_world": spec.open_world,
        "confirmation": spec.confirmation,
    }
    if spec.changed:
        shape["changed"] = spec.changed
    return shape


def channels(found: Iterable[ChannelInfo]) -> ChannelsShape:
    return {"channels": [channel(each) for each in found]}


def tool_line(spec: ToolSpec) -> ToolShape:
    """A tool as one line of a long list."""
    shape: ToolShape = {"name": spec.name, "server": spec.server, "description": first_line(spec.description)}
    if spec.changed:
        shape["changed"] = spec.changed
    return shape


def tool_list(listed: ToolList, found: Sequence[ToolSpec], *, limit: int, offset: int = 0) -> ToolListShape:
    """A page of the tools that were found, from `offset` on, and on the first page how all servers are.

    Tools that fit into a page whole come whole, with their schemas; else each is a line.
    """
    servers = [] if offset else [server(each) for each in listed.servers]
    rest = found[offset : offset + limit]
    shapes = [nested_tool(each) for each in rest] if len(rest) <= MAX_WHOLE else []
    if not shapes or fitting(shapes, LIST_TOKENS) < len(found) - offset:
        shapes = [tool_line(each) for each in rest]
    shapes = shapes[: fitting(shapes, LIST_TOKENS)]
    end = offset + len(shapes)
    return {
        "tools": shapes,
        "found": len(found),
        "cursor": str(end) if end < len(found) else "",
        "servers": servers,
    }


def whole_tools(listed: ToolList, names: Iterable[str]) -> ToolListShape:
    """These tools with their schemas, as many as an answer holds.

    Raises:
        NotFound: one of them is not there.
    """
    known = {each.name: each for each in listed.tools}
    wanted = list(dict.fromkeys(names))
    missing = [name for name in wanted if name not in known]
    if missing:
        raise NotFound(f"There is no tool '{missing[0][:80]}'.", fix="Use names from list_tools without `names`.")
    shapes = [nested_tool(known[name]) for name in wanted]
    shapes = shapes[: fitting(shapes)]
    return {"tools": shapes, "found": len(wanted), "cursor": "", "servers": []}


def status(known: Status) -> StatusShape:
    return {
        "version": known.version,
        "role": known.role,
        "engine": known.engine,
        "settings": known.settings,
        "engine_pid": known.engine_pid,
        "engine_since": instant(known.engine_since),
        "engine_seen": instant(known.engine_seen or None),
        "engine_wrote": instant(known.engine_wrote or None),
        "channels": [channel(each) for each in known.channels],
        "servers": [server(each) for each in known.servers],
        "waiting_approvals": known.waiting_approvals,
        "queued_messages": known.queued_messages,
        "event_cursor": known.event_cursor,
        "today": usage(known.today),
        "warnings": list(known.warnings),
    }


def pairing(known: Pairing) -> PairingShape:
    return {
        "channel": known.channel,
        "chat": known.subject,
        "role": known.role,
        "name": known.name,
        "by": known.by,
        "at": instant(known.at),
    }


def pairings(found: Iterable[Pairing], asked: Iterable[PairingRequest]) -> PairingsShape:
    return {
        "pairings": [pairing(each) for each in found],
        "requests": [
            {
                "code": each.code,
                "channel": each.channel,
                "chat": each.subject,
                "name": each.name,
                "at": instant(each.at),
                "expires_at": instant(each.expires_at),
            }
            for each in asked
        ],
    }


def grants(found: Iterable[Grant]) -> GrantsShape:
    return {
        "grants": [
            {
                "id": each.id,
                "tool": each.tool,
                "conversation": each.conversation,
                "arguments": dict(each.arguments),
                "expires_at": instant(each.expires_at),
                "by": each.by,
                "created_at": instant(each.created_at),
            }
            for each in found
        ]
    }
