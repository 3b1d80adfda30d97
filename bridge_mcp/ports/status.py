"""Ports of the store: how the engine is, for all processes to read, and the secrets that they share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol, TypeAlias

from bridge_mcp.core.tools import JSON

__all__ = ["EngineStatus", "Secrets", "StatusName"]

StatusName: TypeAlias = Literal[
    "engine",
    "settings",
    "channels",
    "tools",
    "models",
    "complaints",
    "troubles",
    "reload",
    "retries",
    "named_clients",
    "retained",
    "written",
    "checked",
]
"""Which process is the engine; the settings that it runs; how its channels, tools and models are; what is wrong with
settings; what fails and is tried again. Then times: when a reload of the tool servers was asked for, when the engine
last tried whether it can write, and when `check` did."""


class EngineStatus(Protocol):
    """How things were when the engine last looked, as JSON that `operations.status_board` writes and reads.

    It is for display, and one table with a body of JSON is its honest shape: the engine puts all of it up again.
    """

    async def put(self, name: StatusName, body: JSON) -> None:
        """Replace what is published under this name."""

    async def get(self, name: StatusName) -> JSON:
        """None when nobody put it up."""
        ...

    async def several(self, *names: StatusName) -> Mapping[StatusName, JSON]:
        """Those of these that somebody put up, by one look."""
        ...


class Secrets(Protocol):
    """Random keys that all processes on a store share, and that outlive them."""

    async def get_or_create(self, name: str) -> str:
        """The secret of this name, made at first: 32 random bytes in hexadecimal."""
        ...
