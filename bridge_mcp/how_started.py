"""How this process was started, and so how it is started again: by the service, by a command, or by an MCP host."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["LABEL", "UNIT", "how_started", "started_by"]

UNIT = "bridge-mcp.service"
"""What systemd calls the service."""
LABEL = "bridge-mcp.serve"
"""What launchd calls it."""
COMMANDS = ("serve", "worker", "console", "chat")
"""Commands of people that stay up; without one, it is a host's."""
CGROUP = Path("/proc/self/cgroup")


def how_started() -> tuple[str, str]:
    """Of this process: see `started_by`."""
    try:
        cgroup = CGROUP.read_text("utf-8")
    except OSError:  # no Linux, or none that tells
        cgroup = ""
    return started_by(sys.argv, os.environ, cgroup, user_id=os.getuid() if hasattr(os, "getuid") else 0)


def started_by(argv: Sequence[str], env: Mapping[str, str], cgroup: str, *, user_id: int) -> tuple[str, str]:
    """The command that restarts the service, where this is one, and the one that somebody typed; "" for none.

    systemd names the unit in the control group of its processes, launchd in their environment.
    """
    typed = shlex.join(["bridge-mcp", *argv[1:]]) if any(word in COMMANDS for word in argv[1:]) else ""
    if any(UNIT in line.split("/") for line in cgroup.splitlines()):
        return f"systemctl --user restart {UNIT}", typed
    if env.get("XPC_SERVICE_NAME") == LABEL:
        return f"launchctl kickstart -k gui/{user_id}/{LABEL}", typed
    return "", typed
