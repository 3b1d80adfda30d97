"""What keeps `bridge-mcp serve` running: a user unit of systemd, or an agent of launchd. Paths, never values."""

from __future__ import annotations

import plistlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from bridge_mcp.how_started import LABEL, UNIT

__all__ = ["ENV", "LABEL", "UNIT", "Manager", "manager", "plist", "unit"]

ENV = "/usr/bin/env"
PLAIN = re.compile(r"[^\\\"'$]*")
"""Programs that systemd starts by their names; it takes others only as arguments of another program."""
UNIT_TEXT = """\
[Unit]
Description=bridge-mcp: chats, tools and approvals for agents
StartLimitIntervalSec=300
StartLimitBurst=10

[Service]
Type=exec
ExecStart={command}
{environment}Restart=on-failure
RestartSec=5
RestartPreventExitStatus=2
TimeoutStopSec=30
UMask=0077
NoNewPrivileges=yes

[Install]
WantedBy=default.target
"""
"""`on-failure`: it is started again after a crash, and not after `systemctl --user stop`. 2 is wrong usage."""


class Manager(Struct, frozen=True):
    """Who keeps programs running here."""

    name: str
    """`systemd` or `launchd`."""
    file: Path
    """Where it wants to be told."""
    start: tuple[tuple[str, ...], ...]
    """The commands that make it take the file up, and start the program."""
    stop: tuple[tuple[str, ...], ...]
    """Those that end it, while the file is still there."""
    state: tuple[str, ...]
    """Asks how the program is; exit code 0 where it runs."""
    forget: tuple[tuple[str, ...], ...] = ()
    """Those for when the file is gone."""


def manager(platform: str, home: Path, env: Mapping[str, str], *, user_id: int) -> Manager | None:
    """The one of a platform; None where there is none that this program knows."""
    if platform == "darwin":
        domain = f"gui/{user_id}"
        file = home / "Library" / "LaunchAgents" / f"{LABEL}.plist"
        return Manager(
            "launchd",
            file,
            start=(("launchctl", "bootstrap", domain, str(file)),),
            stop=(("launchctl", "bootout", f"{domain}/{LABEL}"),),
            state=("launchctl", "print", f"{domain}/{LABEL}"),
        )
    if platform == "win32":
        return None
    base = Path(env.get("XDG_CONFIG_HOME") or "")
    folder = (base if base.is_absolute() else home / ".config") / "systemd" / "user"
    control = ("systemctl", "--user")
    return Manager(
        "systemd",
        folder / UNIT,
        start=((*control, "daemon-reload"), (*control, "enable", UNIT), (*control, "restart", UNIT)),
        stop=((*control, "disable", "--now", UNIT),),
        state=(*control, "is-active", "--quiet", UNIT),
        forget=((*control, "daemon-reload"),),
    )


def unit(command: Sequence[str], environment: Mapping[str, str]) -> str:
    """The unit that runs a command with these variables beside the usual ones."""
    words = [*command] if PLAIN.fullmatch(command[0]) else [ENV, *command]
    first, *rest = map(quoted, words)
    lines = "".join(f"Environment={quoted(f'{name}={value}')}\n" for name, value in environment.items())
    return UNIT_TEXT.format(command=" ".join([first, *(word.replace("$", "$$") for word in rest)]), environment=lines)


def quoted(word: str) -> str:
    """A word as systemd reads it back (systemd.syntax(7), Quoting; systemd.unit(5), Specifiers)."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("%", "%%")
    return f'"{escaped}"'


def plist(command: Sequence[str], environment: Mapping[str, str], *, log: Path) -> str:
    """The agent that runs a command (launchd.plist(5)); what it says goes to `log`, since launchd keeps none."""
    properties = {
        "Label": LABEL,
        "ProgramArguments": [*command],
        "EnvironmentVariables": dict(environment),
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": 10,
        "Umask": 0o077,
        "StandardErrorPath": str(log),
    }
    return plistlib.dumps({key: value for key, value in properties.items() if value != {}}).decode()
