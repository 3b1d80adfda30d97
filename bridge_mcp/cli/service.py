"""Commands that keep `bridge-mcp serve` running for this user: service install, status, uninstall."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated
from xml.parsers.expat import ExpatError

from cyclopts import Parameter
from rich.text import Text

from bridge_mcp.cli.install import launch_of
from bridge_mcp.cli.output import console, drawn
from bridge_mcp.cli.service_units import ENV, Manager, manager, plist, unit
from bridge_mcp.cli.serving import parse_address
from bridge_mcp.cli.texts import hosts as texts
from bridge_mcp.core.errors import BadInput, room_or
from bridge_mcp.core.safe_text import visible
from bridge_mcp.folders import home
from bridge_mcp.hosts.launch import Launch
from bridge_mcp.hosts.settings_file import put, read

__all__ = ["install", "status", "uninstall"]

RUN_S = 60.0
"""Seconds that a command of the service manager may take."""


def install(
    *,
    http: str | None = None,
    print_: Annotated[bool, Parameter(name="--print")] = False,
    config: str | None = None,
) -> int:
    """Keep `bridge-mcp serve` running from now on, and after each login: by systemd, or by launchd.

    Where neither is, what to run is printed. Run again, it brings the service up to date. It holds paths, never
    secrets.

    Parameters
    ----------
    http
        HOST:PORT, to serve MCP over HTTP as well.
    print_
        Show what would be written and where, and change nothing.
    config
        The configuration file that it reads.
    """
    out = console()
    if http is not None:
        parse_address(http)
    launch = launch_of(config)
    command = served(launch, http)
    manager = this_manager()
    if manager is None or shutil.which(manager.start[0][0]) is None:
        out.print(texts.NO_MANAGER, soft_wrap=True)
        environment = " ".join(f"{name}={shlex.quote(value)}" for name, value in launch.env.items())
        sys.stdout.write(f"{environment + ' ' if environment else ''}{shlex.join(command)}\n")
        return 0
    text = text_of(manager, command, launch)
    if print_:
        console(stderr=True).print(texts.printed_for(manager.file), soft_wrap=True)
        sys.stdout.write(text)
        return 0
    if launch.secrets:
        out.print(texts.service_lacks(launch.secrets), style="yellow")
    return started(manager, text)


def started(manager: Manager, text: str) -> int:
    """Write the file where it says something else, have the manager take it up, and say how that went."""
    out = console()
    changed = read(manager.file) != text
    if changed:
        if manager.name == "launchd" and manager.file.exists():
            run(manager.stop)
        written(manager.file, text)
    out.print(texts.written(manager.file) if changed else texts.says_so_already(manager.file), soft_wrap=True)
    wrong = run(manager.start)
    if wrong:
        out.print(texts.not_started(wrong, commands(manager.start)), soft_wrap=True)
    else:
        out.print(texts.started(manager.name))
        lingering(manager)
    return 1 if wrong else 0


def status() -> int:
    """Show whether the service is installed, whether it runs, and whether its command is still there."""
    out = console()
    manager = this_manager()
    text = read(manager.file) if manager else None
    if manager is None or text is None:
        out.print(texts.INSTALL_SERVICE)
        return 1
    out.print(f"{manager.file}", soft_wrap=True)
    missing = command_gone(manager, text)
    if missing:
        out.print(texts.service_command_gone(visible(missing)), soft_wrap=True)
    wrong = run((manager.state,), printed=False)
    good = not wrong and not missing
    sign = Text(drawn("✓ ", "+ "), "green") if good else Text(drawn("✗ ", "x "), "bold red")
    verdict = texts.RUNS if not wrong else texts.RUNS_NOT
    out.print(Text.assemble(sign, verdict))
    if wrong and manager.name == "systemd":
        out.print(texts.WHY_NOT)
    lingering(manager)
    return 0 if good else 1


def uninstall() -> int:
    """End the service, and take it out. The configuration and the store stay."""
    out = console()
    manager = this_manager()
    if manager is None or not manager.file.exists():
        out.print(texts.NO_SERVICE)
        return 0
    wrong = run(manager.stop)
    manager.file.unlink()
    wrong = run(manager.forget) or wrong
    out.print(texts.removed(manager.file, wrong), soft_wrap=True)
    return 0


def served(launch: Launch, http: str | None) -> list[str]:
    """The command that serves, as the service starts it."""
    command, *args = launch.command, *launch.args
    position = args.index("--config") if "--config" in args else len(args)
    return [command, *args[:position], "serve", *args[position:], *(["--http", http] if http else [])]


def text_of(manager: Manager, command: Sequence[str], launch: Launch) -> str:
    """What its file says."""
    if manager.name == "systemd":
        return unit(command, launch.env)
    return plist(command, launch.env, log=Path(home()) / "Library" / "Logs" / "bridge-mcp.log")


def this_manager() -> Manager | None:
    """The service manager of this machine."""
    return manager(sys.platform, Path(home()), os.environ, user_id=os.getuid() if hasattr(os, "getuid") else 0)


def written(file: Path, text: str) -> None:
    """Write a file whole.

    Raises:
        BadInput: it cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        put(file, text, 0o644)
    except OSError as exc:
        raise BadInput(f"{file} cannot be written: {exc.strerror}.", fix=room_or(exc, "Mind its permissions.")) from exc


def run(argument_lists: Sequence[Sequence[str]], *, printed: bool = True) -> str:
    """Run commands of a service manager; why one failed, or ""."""
    for arguments in argument_lists:
        try:
            process = subprocess.run(arguments, capture_output=True, text=True, timeout=RUN_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as exc:
            return texts.cannot_run(arguments[0], type(exc).__name__)
        if process.returncode:
            last = (process.stderr.strip() or process.stdout.strip()).splitlines()[-1:] if printed else []
            return texts.command_failed(shlex.join(arguments), visible(" ".join(last))[:300] or process.returncode)
    return ""


def commands(argument_lists: Sequence[Sequence[str]]) -> str:
    return " && ".join(map(shlex.join, argument_lists))


def command_gone(manager: Manager, text: str) -> str:
    """The program that the file starts, if it is not there; that it names none, where it does not."""
    try:
        words = words_of(manager, text)
    except (ValueError, LookupError, ExpatError):
        words = []
    if not (command := next((word for word in words if word != ENV), "")):
        return texts.NO_COMMAND
    return "" if os.access(command, os.X_OK) else command


def words_of(manager: Manager, text: str) -> list[str]:
    """The command that the file starts. Raises where somebody has made it unreadable."""
    if manager.name == "launchd":
        import plistlib

        return [str(word) for word in plistlib.loads(text.encode())["ProgramArguments"]]
    line = next((entry for entry in text.splitlines() if entry.startswith("ExecStart=")), "ExecStart=")
    return shlex.split(line.partition("=")[2].replace("%%", "%").replace("$$", "$"))


def lingering(manager: Manager) -> None:
    """Say whether it ends when its user logs out, which systemd does unless lingering is on."""
    if manager.name != "systemd" or shutil.which("loginctl") is None:
        return
    name = os.environ.get("USER") or str(os.getuid())
    process = subprocess.run(
        ["loginctl", "show-user", name, "--property=Linger", "--value"],
        capture_output=True, text=True, timeout=RUN_S, check=False,
    )  # fmt: skip
    if process.stdout.strip() != "yes":
        console().print(texts.ends_at_logout(shlex.quote(name)))
