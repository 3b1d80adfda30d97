"""Port: which processes work on a store that many share, as they say themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct

from bridge_mcp.core.results import Queue, Trouble
from bridge_mcp.ports.channels import ChannelHealth
from bridge_mcp.ports.tools import ServerStatus

__all__ = ["WorkerInfo", "Workers"]


class WorkerInfo(Struct, frozen=True, kw_only=True):
    """What one worker says of itself, about once a second."""

    id: str
    host: str
    pid: int
    version: str
    """Of bridge_mcp."""
    config: str
    """The digest of its configuration."""
    schema_version: int = 0
    """The schema of the store that it knows and works with."""
    clock_off_s: float = 0.0
    """How far the clock of its machine is ahead of the database's, by which it goes."""
    concurrency: int
    """How many conversations it drives at once."""
    since: float = 0.0
    """When it began, or went on after it was silent: epoch seconds by the store's clock."""
    seen: float = 0.0
    """When it said this."""
    refuses: str = ""
    """Why it drives nothing, with the next move; "" where it drives."""
    under_way: int = 0
    """How many conversations it drives now."""
    holds: tuple[str, ...] = ()
    """Its leases: `bridge`, `channel:NAME`, `server:NAME`."""
    channels: Mapping[str, ChannelHealth] = {}
    """How the channels are that it holds."""
    servers: Mapping[str, ServerStatus] = {}
    """How the tool servers are that it runs for all workers, by name; without their texts."""
    troubles: Mapping[str, Trouble] = {}
    """What fails in it, and is tried again."""


class Workers(Protocol):
    """The workers of a store."""

    begin: str
    """The command that begins one."""

    async def queue(self) -> Queue:
        """The work that waits and that is under way; nothing where one machine does all."""
        ...

    async def listed(self) -> tuple[WorkerInfo, ...]:
        """Those that live, the longest there first; () where one machine does all."""
        ...
