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
    for report in inspect_hosts(machine()):
        name = f"host {report.host}"
        if report.wrong:
            yield Finding(name, True, texts.unreadable(report.file, report.wrong), warning=True)
        elif report.gone:
            yield Finding(name, False, texts.starts_nothing(report.file, commands=report.gone, host=report.host))
        elif len(report.names) > 1:
            yield Finding(name, True, texts.starts_often(report.file, report.names), warning=True)
        elif report.names:
            yield Finding(name, True, texts.starts_it(report.names[0], report.file))
