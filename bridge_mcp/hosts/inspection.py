"""What the hosts of this machine say of the bridge: who starts it, and with which command."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from bridge_mcp.core.errors import BadInput
from bridge_mcp.hosts.installing import entries, is_plain
from bridge_mcp.hosts.settings_file import read
from bridge_mcp.hosts.table import HOSTS, Machine

__all__ = ["HostState", "inspect_hosts", "is_there"]


class HostState(Struct, frozen=True):
    """One host whose settings are there."""

    host: str
    title: str
    file: Path
    names: tuple[str, ...] = ()
    """What the bridge is called there; more than one name is more than one process."""
    gone: tuple[str, ...] = ()
    """Commands of these that are no longer there."""
    wrong: str = ""
    """Why its settings cannot be read."""


def inspect_hosts(machine: Machine) -> Iterator[HostState]:
    """The hosts whose settings are there, in the order of their table."""
    for key, host in HOSTS.items():
        file = host.place(machine)
        try:
            text = read(file)
            if text is None:
                continue
            servers = {name: entry for name, entry in entries(host, file, text).items() if is_plain(entry)}
        except BadInput as exc:
            yield HostState(key, host.title, file, wrong=str(exc))
            continue
        missing = tuple(dict.fromkeys(server.command for server in servers.values() if not is_there(server.command)))
        yield HostState(key, host.title, file, names=tuple(servers), gone=missing)


def is_there(command: str) -> bool:
    """Whether a host can start this: a program at this path, or one of this name on the PATH."""
    path = os.path.expanduser(command)
    return os.access(path, os.X_OK) if os.path.dirname(path) else shutil.which(path) is not None
