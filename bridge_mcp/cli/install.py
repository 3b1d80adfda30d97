"""Commands that put the bridge among the servers of an MCP host, and take it out again: install, uninstall."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.text import Text

from bridge_mcp.cli.output import console, drawn, grid
from bridge_mcp.cli.own_command import lasting_command
from bridge_mcp.cli.texts import hosts as texts
from bridge_mcp.config.variables import variables_of
from bridge_mcp.core.errors import BadInput
from bridge_mcp.core.safe_text import visible
from bridge_mcp.folders import home
from bridge_mcp.hosts.deep_links import LINKED, deep_link
from bridge_mcp.hosts.inspection import inspect_hosts
from bridge_mcp.hosts.installing import added, entries, is_plain, removed
from bridge_mcp.hosts.launch import Launch
from bridge_mcp.hosts.settings_file import read, write
from bridge_mcp.hosts.table import HOSTS, Host, Machine
from bridge_mcp.paths import find_config, state_folder, working_folder

__all__ = ["HostName", "install", "launch_of", "machine", "put_into", "uninstall"]

HostName = Literal[
    "claude-desktop", "claude-code", "cursor", "vscode", "copilot", "windsurf", "zed", "codex", "gemini", "antigravity",
    "opencode", "goose", "lmstudio", "cline", "continue",
]  # fmt: skip
NAME = "bridge"
"""What the bridge is called among a host's servers, where nothing else is said."""


def install(
    host: HostName | None = None,
    /,
    *,
    name: str | None = None,
    print_: Annotated[bool, Parameter(name="--print")] = False,
    link: bool = False,
    project: Annotated[bool, Parameter(negative="")] = False,
    scopes: str | None = None,
    config: str | None = None,
) -> int:
    """Put the bridge among the servers of an MCP host; without a host, show which are on this machine.

    All else in the host's settings stays as it is, and a copy of what was there is kept. Run again, it brings the entry
    up to date. Secrets are not written: where the host can hand on variables by their names, it is told the names.

    Parameters
    ----------
    host
        The host.
    name
        What the bridge is called there; without it: as it is called already, or `bridge`.
    print_
        Show what would be written and where, and write nothing.
    link
        Print a link that adds it (Cursor, VS Code, LM Studio), and write nothing.
    project
        For the project in this folder alone, in the host's file there, such as `.mcp.json`: who has that file in a
        repository gives it to others, with the paths of this machine.
    scopes
        What the host may do, such as `read,send`.
    config
        The configuration file that it reads.
    """
    if host is None:
        return overview(machine())
    launch, folder = launch_of(config, scopes), working_folder() if project else None
    if link:
        if host not in LINKED:
            raise BadInput(f"{HOSTS[host].title} opens no such links.", fix=f"These do: {', '.join(LINKED)}.")
        sys.stdout.write(f"{deep_link(host, launch, name=name or NAME)}\n")
        return 0
    if print_:
        return shown(HOSTS[host], HOSTS[host].file(machine(), folder), launch, name or NAME)
    put_into(host, launch, name=name, project=folder)
    return 0


def put_into(host: str, launch: Launch, *, name: str | None = None, project: Path | None = None) -> None:
    """Put the bridge among a host's servers, for all projects or for the one in a folder, and say what was done.

    Raises:
        BadInput: its settings are not there, or cannot be changed; they are as they were.
    """
    target, out = HOSTS[host], console()
    file = target.file(machine(), project)
    before = read(file)
    if before is None and target.only_existing and project is None:
        raise BadInput(
            f"{target.title} has no settings at {file} yet.",
            fix=f"Start {target.title} once, or add by hand what this shows: bridge-mcp install {host} --print",
        )
    try:
        ours = [entry_name for entry_name, server in entries(target, file, before).items() if is_plain(server)]
        server_name = name or (ours[0] if ours and NAME not in ours else NAME)
        after = added(target, file, before, launch, name=server_name)
    except BadInput as exc:
        raise left_alone(file, exc, exc.fix or texts.mend_or_add(host)) from None
    if after == (before or ""):
        out.print(texts.has_it_already(target.title, server_name, file), soft_wrap=True)
    else:
        backup = write(file, after, before)
        now = texts.has_it_now(target.title, server_name, file=file, copy=backup, advice=target.advice)
        out.print(now, soft_wrap=True)
    if others := [entry_name for entry_name in ours if entry_name != server_name]:
        out.print(texts.second_time([*map(visible, others)]), soft_wrap=True)
    if not target.passes(launch):
        out.print(texts.secrets_missing(target.title, launch.secrets), soft_wrap=True)


def uninstall(
    host: HostName,
    /,
    *,
    name: str | None = None,
    print_: Annotated[bool, Parameter(name="--print")] = False,
    project: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Take the bridge out of the servers of an MCP host. All else in its settings stays; gates before servers too.

    Parameters
    ----------
    host
        The host.
    name
        What the bridge is called there; without it: whatever starts it.
    print_
        Show what would go, and change nothing.
    project
        Out of the host's file for the project in this folder.
    """
    target, out = HOSTS[host], console()
    file = target.file(machine(), working_folder() if project else None)
    before = read(file)
    try:
        servers = entries(target, file, before)
        ours = [entry_name for entry_name, server in servers.items() if is_plain(server) and name in (None, entry_name)]
        after = before or ""
        for entry_name in ours:
            after = removed(target, file, after, name=entry_name)
    except BadInput as exc:
        raise left_alone(file, exc, exc.fix or texts.MEND_OR_REMOVE) from None
    if not ours:
        out.print(texts.not_there(target.title, file), soft_wrap=True)
    elif print_:
        out.print(texts.would_go(file, [*map(visible, ours)]), soft_wrap=True)
    else:
        backup = write(file, after, before)
        out.print(texts.gone(target.title, backup), soft_wrap=True)
    return 0


def left_alone(file: Path, why: BadInput, fix: str) -> BadInput:
    """The error of a file that cannot be changed."""
    return BadInput(texts.left_alone(file, str(why).removesuffix(why.fix).rstrip()), fix=fix)


def launch_of(config: str | None, scopes: str | None = None) -> Launch:
    """How a host is to start this command, with the configuration that this process would read.

    Raises:
        BridgeError: there is no such configuration, or this command was fetched for one run.
    """
    command, *args = lasting_command()
    source = find_config(config, os.environ, working_folder())
    if source:
        args += ["--config", str(Path(os.path.abspath(source)))]
    if scopes:
        args += ["--scopes", scopes]
    state = state_folder(os.environ)
    usual = state_folder({name: value for name, value in os.environ.items() if name in ("APPDATA", "LOCALAPPDATA")})
    moved = {"BRIDGE_MCP_STATE_DIR": str(state)} if state != usual else {}
    return Launch(command, tuple(args), moved, secrets=variables_of(source, os.environ))


def machine() -> Machine:
    """This one."""
    return Machine(sys.platform, Path(home()), os.environ)


def shown(host: Host, file: Path, launch: Launch, name: str) -> int:
    """Print an entry as it would stand in a file of its own; nothing of the host's own file is shown."""
    console(stderr=True).print(texts.printed_for(file), soft_wrap=True)
    sys.stdout.write(added(host, file, None, launch, name=name))
    if not host.passes(launch):
        console(stderr=True).print(texts.secrets_missing(host.title, launch.secrets), soft_wrap=True)
    return 0


def overview(machine: Machine) -> int:
    """Print the hosts whose settings are there, and whether each has the bridge."""
    rows: list[list[str | Text]] = []
    for inspection in inspect_hosts(machine):
        good = bool(inspection.names) and not inspection.gone
        sign = Text(drawn("✓", "+"), "green") if good else Text("-", "dim")
        names = texts.called([*map(visible, inspection.names)]) if inspection.names else texts.NOT_YET
        names = inspection.wrong or (texts.command_gone(inspection.gone) if inspection.gone else names)
        rows.append([sign, inspection.host, f"{names} ({inspection.file})"])
    console().print(grid(rows) if rows else texts.NO_HOST)
    console().print(texts.hosts([*HOSTS]), soft_wrap=True)
    return 0
