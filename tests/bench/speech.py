"""What clients of the two protocol eras put on the wire, byte by byte. Knows no pipe and no socket."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

__all__ = ["ERAS", "Call", "Era", "body", "handshake", "headers", "line"]

Era: TypeAlias = Literal["handshake", "2026-07-28"]
ERAS: tuple[Era, ...] = ("handshake", "2026-07-28")

OLD, NEW = "2025-11-25", "2026-07-28"
ME = {"name": "bench", "version": "1"}
ENVELOPE: dict[str, Any] = {
    "io.modelcontextprotocol/protocolVersion": NEW,
    "io.modelcontextprotocol/clientInfo": ME,
    "io.modelcontextprotocol/clientCapabilities": {},
}


@dataclass(frozen=True, slots=True)
class Call:
    """A request: a tool's call if `tool` is given."""

    method: str = "tools/call"
    tool: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
    params: Mapping[str, Any] = field(default_factory=dict[str, Any])


def handshake(era: Era) -> Call:
    """The first request of a client."""
    if era == "handshake":
        return Call("initialize", params={"protocolVersion": OLD, "capabilities": {}, "clientInfo": ME})
    return Call("server/discover")


def body(call: Call, era: Era) -> bytes:
    """The request as bytes with `%d` for its id, so that a client spends nothing on making it."""
    params: dict[str, Any] = dict(call.params)
    if call.tool:
        params |= {"name": call.tool, "arguments": dict(call.arguments)}
    if era != "handshake":
        params["_meta"] = ENVELOPE
    rest = json.dumps({"method": call.method} | ({"params": params} if params else {}))
    return b'{"jsonrpc":"2.0","id":%d,' + rest[1:].replace("%", "%%").encode()


def line(call: Call, era: Era) -> bytes:
    return body(call, era) + b"\n"


def headers(call: Call, era: Era, session: str) -> dict[str, str]:
    """The headers of its POST, beside those of any HTTP request."""
    found = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
    if era != "handshake":
        found |= {"Mcp-Protocol-Version": NEW, "Mcp-Method": call.method}
        found |= {"Mcp-Name": call.tool} if call.tool else {}
    elif session:
        found |= {"Mcp-Protocol-Version": OLD, "Mcp-Session-Id": session}
    return found
