"""The bridge itself in the shapes that the MCP face gives it: channels, servers, tools, who was let in, grants, status.

Knows the answers and the shapes; neither who asked nor how an answer travels.
"""

from __future__ import annotations

from collections.abc import Iterable

from bridge_mcp.core.answers import (
    ChannelInfo,
    ServerInfo,
    Status,
    ToolList,
)
from bridge_mcp.core.grants import Grant
from bridge_mcp.core.tools import (
    ToolSpec,
)
from bridge_mcp.ports import (
    Pairing,
    PairingRequest,
)
from bridge_mcp.server.render import instant, parsed, usage
from bridge_mcp.server.shapes import (
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

__all__ = [
    "channels",
    "grants",
    "pairing",
    "pairings",
    "status",
    "tool_list",
]


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


def tool_list(listed: ToolList, query: str) -> ToolListShape:
    """The tools whose name or description holds `query`, whatever its case, and all servers."""
    wanted = query.casefold()
    found = [each for each in listed.tools if wanted in f"{each.name} {each.description}".casefold()]
    return {"tools": [nested_tool(each) for each in found], "servers": [server(each) for each in listed.servers]}


def status(known: Status) -> StatusShape:
    return {
        "version": known.version,
        "role": known.role,
        "engine_pid": known.engine_pid,
        "engine_since": instant(known.engine_since),
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
