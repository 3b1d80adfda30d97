"""What `check` finds in the settings of MCP hosts: who starts the bridge, and whether that command is still there."""

from __future__ import annotations

from collections.abc import Iterator

from bridge_mcp.cli.findings import Finding
from bridge_mcp.cli.install import machine
from bridge_mcp.cli.texts import hosts as texts
from bridge_mcp.hosts.inspection import inspect_hosts

__all__ = ["host_findings"]


def host_findings() -> Iterator[Finding]:
    """A line for each host that has the bridge, and for each whose settings cannot be read."""
    for each in inspect_hosts(machine()):
        what = f"host {each.host}"
        if each.wrong:
            yield Finding(what, True, texts.unreadable(each.file, each.wrong), warning=True)
        elif each.gone:
            yield Finding(what, False, texts.starts_nothing(each.file, commands=each.gone, host=each.host))
        elif len(each.names) > 1:
            yield Finding(what, True, texts.starts_often(each.file, each.names), warning=True)
        elif each.names:
            yield Finding(what, True, texts.starts_it(each.names[0], each.file))
