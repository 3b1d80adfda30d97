"""What `check` finds in the settings of MCP hosts: who starts the bridge, and whether that command is still there."""

from __future__ import annotations

from collections.abc import Iterator

from bridge_mcp.cli.findings import Finding
from bridge_mcp.cli.install import machine
from bridge_mcp.hosts.found import found

__all__ = ["host_findings"]


def host_findings() -> Iterator[Finding]:
    """A line for each host that has the bridge, and for each whose settings cannot be read."""
    for each in found(machine()):
        what = f"host {each.host}"
        if each.wrong:
            yield Finding(what, True, f"{each.file} cannot be looked at: {each.wrong}", warning=True)
        elif each.gone:
            told = f"{each.file} starts {', '.join(each.gone)}, which is not there. Run: bridge-mcp install {each.host}"
            yield Finding(what, False, told)
        elif len(each.names) > 1:
            told = f"{each.file} starts it {len(each.names)} times, as {', '.join(each.names)}: one is enough."
            yield Finding(what, True, told, warning=True)
        elif each.names:
            yield Finding(what, True, f"starts it as '{each.names[0]}' ({each.file})")
