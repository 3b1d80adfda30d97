"""Writes a hook's call down by the store itself, as `filing.request` does without loading it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from bridge_mcp.core.codec import decode
from bridge_mcp.core.entries import Requested
from bridge_mcp.core.errors import Conflict
from bridge_mcp.hooks.events import Permission
from bridge_mcp.hooks.filing import body_of, canonical, conversations_of
from bridge_mcp.hooks.hosts import Host
from bridge_mcp.operations.external_calls import Request

__all__ = ["write_request"]

T = TypeVar("T")


async def write_request(host: Host, call: Permission, caller: str, write: Callable[[Request], Awaitable[T]]) -> T:
    """Have `write` begin the first log of this call that has not begun; what it returns.

    Raises:
        BrokenInput: the call's arguments cannot be kept, or its session has asked for it too often.
    """
    arguments = canonical(call.arguments)
    entry = decode(body_of(host, call, arguments, caller))
    assert isinstance(entry, Requested)
    logs = conversations_of(host, call, arguments)
    while True:
        try:
            return await write(Request(next(logs), entry))
        except Conflict:
            continue
