"""The command `hook` for people: has an agent call it, or no longer. What agents call is `cli.hook`."""

from __future__ import annotations

import difflib
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from bridge_mcp.cli.hook import LONGEST_WAIT_S, WAIT_S, HookOptions, run
from bridge_mcp.cli.install import left_alone
from bridge_mcp.cli.output import console
from bridge_mcp.cli.own_command import own_command
from bridge_mcp.cli.texts import hosts as texts
from bridge_mcp.core.errors import BadInput
from bridge_mcp.folders import home
from bridge_mcp.hooks.host_settings import Wanted, wanted
from bridge_mcp.hooks.installing import changed
from bridge_mcp.hosts.settings_file import read, write

__all__ = ["hook"]

HostName = Literal["claude-code", "codex", "cursor", "gemini", "copilot"]


def hook(
    host: HostName,
    /,
    *,
    install: bool = False,
    uninstall: bool = False,
    print_: Annotated[bool, Parameter(name="--print")] = False,
    every_call: bool = False,
    attended: bool | None = None,
    wait_s: float = WAIT_S,
    config: str | None = None,
) -> int:
    """Ask in the chat before an agent does something.

    The agent calls `bridge-mcp hook HOST` by itself, with the call on standard input, once its settings say so.

    Parameters
    ----------
    host
        The agent.
    install
        Have the agent call this: adds to its settings, and keeps all else in them.
    uninstall
        Have the agent call this no longer.
    print_
        With --install or --uninstall: show what would change, and change nothing.
    every_call
        Ask for every call of its tools, also where the agent would ask nobody.
    attended
        Whether somebody sits at the agent's own prompt, for agents that do not say; --no-attended: nobody does.
    wait_s
        Seconds that people have.
    config
        The configuration file.
    """
    if not 0 <= wait_s <= LONGEST_WAIT_S:
        raise BadInput(f"Nobody is waited for {wait_s:g} s.", fix=f"Use 0 to {LONGEST_WAIT_S:g}.")
    if install and uninstall:
        raise BadInput("--install and --uninstall stand together.", fix="Give one of them.")
    if not (install or uninstall):
        return run(HookOptions(host, config, attended=attended, wait_s=wait_s))
    command = command_of(host, config, attended=attended, wait_s=wait_s)
    wanted_hooks = wanted(host, command, Path(home()), os.environ, wait_s=wait_s, every_call=every_call)
    return applied(host, wanted_hooks, install=install, only_print=print_)


def applied(host: str, wanted_hooks: Wanted, *, install: bool, only_print: bool) -> int:
    """Change a host's settings, or show the change."""
    try:
        before = read(wanted_hooks.file)
        after = changed(host, wanted_hooks, before, install=install)
    except BadInput as exc:
        raise left_alone(wanted_hooks.file, exc, exc.fix or texts.MEND_OR_ADD_HOOK) from None
    if only_print:
        sys.stdout.writelines(difference(wanted_hooks.file, before or "", after))
        return 0
    if after == (before or ""):
        console().print(texts.says_so_already(wanted_hooks.file), soft_wrap=True)
        return 0
    backup = write(wanted_hooks.file, after, before)
    console().print(texts.changed(wanted_hooks.file, backup), soft_wrap=True)
    if install:
        console().print(wanted_hooks.advice, soft_wrap=True)
    return 0


def difference(file: Path, before: str, after: str) -> list[str]:
    """The lines that change."""
    name, old, new = str(file), before.splitlines(), after.splitlines()
    return [f"{line}\n" for line in difflib.unified_diff(old, new, name, name, lineterm="")]


def command_of(host: str, config: str | None, *, attended: bool | None, wait_s: float) -> str:
    """What the host's shell is to run: by its whole path, since few hosts have the PATH of a terminal."""
    words = [*own_command(), "hook", host]
    if path := config or os.environ.get("BRIDGE_MCP_CONFIG"):
        words += ["--config", str(Path(path).expanduser().absolute())]
    if attended is not None:
        words.append("--attended" if attended else "--unattended")
    if wait_s != WAIT_S:
        words += ["--wait-s", f"{wait_s:g}"]
    if os.name == "nt":
        return subprocess.list2cmdline(words)
    moved = os.environ.get("BRIDGE_MCP_STATE_DIR")
    return (f"BRIDGE_MCP_STATE_DIR={shlex.quote(moved)} " if moved else "") + shlex.join(words)
