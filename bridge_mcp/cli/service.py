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

from cyclopts import Parameter
from rich.text import Text

from bridge_mcp.cli.install import launch_of
from bridge_mcp.cli.output import console, drawn
from bridge_mcp.cli.service_units import ENV, Manager, manager, plist, unit
from bridge_mcp.cli.texts import hosts as texts
from bridge_mcp.core.errors import BadInput
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
    launch = launch_of(config)
    command = served(launch, http)
    here = this_manager()
    if here is None or shutil.which(here.start[0][0]) is None:
        out.print(texts.NO_MANAGER, soft_wrap=True)
        said = " ".join(f"{name}={shlex.quote(value)}" for name, value in launch.env.items())
        sys.stdout.write(f"{said + ' ' if said else ''}{shlex.join(command)}\n")
        return 0
    text = text_of(here, command, launch)
    if print_:
        console(stderr=True).print(texts.printed_for(here.file), soft_wrap=True)
        sys.stdout.write(text)
        return 0
    if launch.secrets:
        out.print(texts.service_lacks(launch.secrets), style="yellow")
    return started(here, text)


def started(here: Manager, text: str) -> int:
    """Write the file where it says something else, have the manager take it up, and say how that went."""
    out = console()
    changed = read(here.file) != text
    if changed:
        if here.name == "launchd" and here.file.exists():
            run(here.stop)
        written(here.file, text)
    out.print(texts.written(here.file) if changed else texts.says_so_already(here.file), soft_wrap=True)
    wrong = run(here.start)
    if wrong:
        out.print(texts.not_started(wrong, commands(here.start)), soft_wrap=True)
    else:
        out.print(texts.started(here.name))
    lingering(here)
    return 1 if wrong else 0


def status() -> int:
    """Show whether the service is installed, whether it runs, and whether its command is still there."""
    out = console()
    here = this_manager()
    text = read(here.file) if here else None
    if here is None or text is None:
        out.print(texts.INSTALL_SERVICE)
        return 1
    out.print(f"{here.file}", soft_wrap=True)
    gone = command_gone(here, text)
    if gone:
        out.print(texts.service_command_gone(visible(gone)), soft_wrap=True)
    wrong = run((here.state,), told=False)
    good = not wrong and not gone
    sign = Text(drawn("✓ ", "+ "), "green") if good else Text(drawn("✗ ", "x "), "bold red")
    said = texts.RUNS if not wrong else texts.RUNS_NOT
    out.print(Text.assemble(sign, said))
    if wrong and here.name == "systemd":
        out.print(texts.WHY_NOT)
    lingering(here)
    return 0 if good else 1


def uninstall() -> int:
    """End the service, and take it out. The configuration and the store stay."""
    out = console()
    here = this_manager()
    if here is None or not here.file.exists():
        out.print(texts.NO_SERVICE)
        return 0
    wrong = run(here.stop)
    here.file.unlink()
    wrong = run(here.forget) or wrong
    out.print(texts.removed(here.file, wrong), soft_wrap=True)
    return 0


def served(launch: Launch, http: str | None) -> list[str]:
    """The command that serves, as the service starts it."""
    command, *args = launch.command, *launch.args
    where = args.index("--config") if "--config" in args else len(args)
    return [command, *args[:where], "serve", *args[where:], *(["--http", http] if http else [])]


def text_of(here: Manager, command: Sequence[str], launch: Launch) -> str:
    """What its file says."""
    if here.name == "systemd":
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
        raise BadInput(f"{file} cannot be written: {exc.strerror}.", fix="Mind its permissions.") from exc


def run(what: Sequence[Sequence[str]], *, told: bool = True) -> str:
    """Run commands of a service manager; why one failed, or ""."""
    for each in what:
        try:
            done = subprocess.run(each, capture_output=True, text=True, timeout=RUN_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as exc:
            return texts.cannot_run(each[0], type(exc).__name__)
        if done.returncode:
            last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:] if told else []
            return texts.command_failed(shlex.join(each), visible(" ".join(last))[:300] or done.returncode)
    return ""


def commands(what: Sequence[Sequence[str]]) -> str:
    return " && ".join(map(shlex.join, what))


def command_gone(here: Manager, text: str) -> str:
    """The program that the file starts, if it is not there."""
    if here.name == "launchd":
        import plistlib

        command = str(plistlib.loads(text.encode())["ProgramArguments"][0])
    else:
        line = next((each for each in text.splitlines() if each.startswith("ExecStart=")), "ExecStart=")
        words = shlex.split(line.partition("=")[2].replace("%%", "%").replace("$$", "$"))
        command = next((each for each in words if each != ENV), "")
    return "" if os.access(command, os.X_OK) else command


def lingering(here: Manager) -> None:
    """Say whether it ends when its user logs out, which systemd does unless lingering is on."""
    if here.name != "systemd" or shutil.which("loginctl") is None:
        return
    name = os.environ.get("USER") or str(os.getuid())
    done = subprocess.run(
        ["loginctl", "show-user", name, "--property=Linger", "--value"],
        capture_output=True, text=True, timeout=RUN_S, check=False,
    )  # fmt: skip
    if done.stdout.strip() != "yes":
        console().print(texts.ends_at_logout(shlex.quote(name)))
