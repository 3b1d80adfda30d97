"""Why a nested server is not connected, in words that name the next move. Looks at what happened, does nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import cast

from bridge_mcp.toolservers.child import Child, child_environment
from bridge_mcp.toolservers.settings import ToolServer

__all__ = ["explained"]


def explained(server: ToolServer, exc: Exception | None, child: Child | None, broken: str, was_ready: bool) -> str:
    """One or two sentences for people, without secrets.

    `exc` is what ended the connection, if anything was raised; `broken` what the transport saw; `child` the process, if
    one was started; `was_ready` whether the tools had been listed.
    """
    where = f"[tool_servers.{server.name}]"
    cause = root(exc)
    if server.oauth and "log in" in (broken or said(cause)):
        text = f"{server.place}: {broken or said(cause)}. Run: bridge-mcp servers login {server.name}"
    elif server.url:
        text = f"{server.place}: {broken or said(cause)}. Start the server, or correct url and headers in {where}."
    elif child is None:
        text = not_started(server, cause, where)
    elif isinstance(cause, TimeoutError):
        text = (
            f"'{server.command}' did not answer as an MCP server within {server.connect_timeout_s:g} s{words(child)}. "
            f"Check command and args in {where}, or raise its connect_timeout_s."
        )
    elif broken:
        when = "" if was_ready else " before its tools were listed"
        text = f"'{server.command}' {ending(child, broken)}{when}{words(child)}. " + (
            "It is started again." if was_ready else f"Run it in a terminal with the args of {where} to see why."
        )
    else:
        text = f"'{server.command}' does not speak MCP as expected: {said(cause)}{words(child)}. Update it, or {where}."
    return server.scrub(text)


def root(exc: BaseException | None) -> BaseException | None:
    """The first exception inside of groups: what went wrong before the rest was cancelled."""
    while isinstance(exc, BaseExceptionGroup):
        exc = cast("BaseExceptionGroup[BaseException]", exc).exceptions[0]
    return exc


def said(exc: BaseException | None) -> str:
    """What an exception says, without a full stop."""
    if isinstance(exc, TimeoutError):
        return "no answer in time"
    return (str(exc) or type(exc).__name__).rstrip(". ")


def not_started(server: ToolServer, cause: BaseException | None, where: str) -> str:
    """Why there is no process."""
    if server.cwd and not Path(server.cwd).is_dir():
        return f"The working folder '{server.cwd}' does not exist. Correct cwd in {where}."
    if isinstance(cause, FileNotFoundError) or (isinstance(cause, PermissionError) and nowhere(server)):
        return f"The command '{server.command}' was not found. Install it, or give its full path in {where}."
    return f"'{server.command}' cannot be started: {said(cause)}. Correct command in {where}."


def nowhere(server: ToolServer) -> bool:
    """Whether no folder on the child's PATH shows the command; one that cannot be read makes it "permission denied"."""
    if os.path.dirname(server.command):
        return False
    folders = child_environment(server, os.environ).get("PATH", os.defpath).split(os.pathsep)
    return not any(os.path.exists(os.path.join(folder, server.command)) for folder in folders)


def ending(child: Child, broken: str) -> str:
    """How a process ended, or what it did while it runs on."""
    match child.exit_code:
        case None:
            return broken
        case code if code < 0:
            return f"was ended by signal {-code}"
        case code:
            return f"exited with code {code}"


def words(child: Child) -> str:
    """The child's last words, as the end of a sentence."""
    last = child.last_words().rstrip(". ")
    return f"; its last words: {last}" if last else ""
