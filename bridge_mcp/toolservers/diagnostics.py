"""Explains why a nested server is not connected, with the fix. Pure."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import cast

from bridge_mcp.toolservers.environment import child_environment, withheld
from bridge_mcp.toolservers.process import Child
from bridge_mcp.toolservers.settings import ToolServer

__all__ = ["explained", "slow"]

COMMAND_NOT_FOUND = 127
"""The exit code of shells for a command that does not exist."""
NO_COMMAND = re.compile(r"command not found|No such file or directory: '[^/']+'|env: .*: No such file", re.IGNORECASE)
NO_NETWORK = re.compile(
    r"ECONNREFUSED|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|ECONNRESET|EACCES \d|getaddrinfo|name resolution|ConnectError"
    r"|Max retries exceeded|network is unreachable|failed to fetch|error sending request|tunneling socket"
    r"|CERTIFICATE_VERIFY_FAILED|unable to get local issuer|self.signed certificate",
    re.IGNORECASE,
)
"""What npm, uv, pip and their libraries print without a network."""


def explained(server: ToolServer, exc: Exception | None, child: Child | None, broken: str, was_ready: bool) -> str:
    """One or two sentences for people, without secrets.

    `exc` is the exception that ended the connection, if any; `broken` is the transport's reason; `child` is the
    process, if one was started; `was_ready` says whether the tools had been listed.
    """
    where = f"[tool_servers.{server.name}]"
    cause = root(exc)
    if server.oauth and "log in" in (broken or message_of(cause)):
        text = f"{server.place}: {broken or message_of(cause)}. Run: bridge-mcp servers login {server.name}"
    elif server.url:
        text = (
            f"{server.place}: {broken or message_of(cause)}. Start the server, or correct url and headers in {where}."
        )
    elif child is None:
        text = not_started(server, cause, where)
    elif isinstance(cause, TimeoutError):
        text = (
            f"'{server.command}' did not answer as an MCP server within {server.connect_timeout_s:g} s"
            f"{last_words(child)}. "
            f"{hint(server, child) or f'Check command and args in {where}, or raise its connect_timeout_s.'}"
        )
    elif broken:
        when = "" if was_ready else " before its tools were listed"
        text = f"'{server.command}' {ending(child, broken)}{when}{last_words(child)}. " + (
            "It is started again."
            if was_ready
            else hint(server, child) or f"Run it in a terminal with the args of {where} to see why."
        )
    else:
        why = f"{message_of(cause)}{last_words(child)}"
        text = f"'{server.command}' does not speak MCP as expected: {why}. Update it, or {where}."
    return server.scrub(text)


def slow(server: ToolServer, child: Child) -> str:
    """The message for a child that runs and has not answered in time; the bridge goes on waiting."""
    return server.scrub(
        f"'{server.command}' runs and has not answered as an MCP server within {server.connect_timeout_s:g} s"
        f"{last_words(child)}. It is still waited for; if it always starts so slowly, raise connect_timeout_s in "
        f"[tool_servers.{server.name}]."
    )


def hint(server: ToolServer, child: Child) -> str:
    """The fix, if the child's stderr or its exit code shows the cause; else ""."""
    stderr = child.last_words()
    where = f"[tool_servers.{server.name}]"
    if child.exit_code == COMMAND_NOT_FOUND or NO_COMMAND.search(stderr):
        return f"A command that it starts was not found: give full paths in {where}, or add PATH to its env."
    if NO_NETWORK.search(stderr):
        names = withheld(server, os.environ)
        if names:
            keys = ", ".join(f'"{name}"' for name in names)
            return f"It cannot reach the network: a proxy with a password is passed only by name, env_pass = [{keys}]."
        return (
            "It cannot reach the network: if it needs a proxy, set HTTPS_PROXY where the bridge starts, or in env or "
            f"env_pass of {where}."
        )
    return ""


def root(exc: BaseException | None) -> BaseException | None:
    """The first exception in nested groups: the cause of the others."""
    while isinstance(exc, BaseExceptionGroup):
        exc = cast("BaseExceptionGroup[BaseException]", exc).exceptions[0]
    return exc


def message_of(exc: BaseException | None) -> str:
    """An exception's message, without a full stop."""
    if isinstance(exc, TimeoutError):
        return "no answer in time"
    return (str(exc) or type(exc).__name__).rstrip(". ")


def not_started(server: ToolServer, cause: BaseException | None, where: str) -> str:
    """Why the process could not be started."""
    if server.cwd and not Path(server.cwd).is_dir():
        return f"The working folder '{server.cwd}' does not exist. Correct cwd in {where}."
    if isinstance(cause, FileNotFoundError) or (isinstance(cause, PermissionError) and nowhere(server)):
        told = f"The command '{server.command}' was not found."
        if len(words := server.command.split()) > 1:
            return f"{told} Arguments stand in args: command = '{words[0]}', and in args the rest, in {where}."
        return f"{told} Install it, or give its full path in {where}."
    return f"'{server.command}' cannot be started: {message_of(cause)}. Correct command in {where}."


def nowhere(server: ToolServer) -> bool:
    """Whether no folder of the child's PATH has the command; an unreadable one makes it "permission denied"."""
    if os.path.dirname(server.command):
        return False
    folders = child_environment(server, os.environ).get("PATH", os.defpath).split(os.pathsep)
    return not any(os.path.exists(os.path.join(folder, server.command)) for folder in folders)


def ending(child: Child, broken: str) -> str:
    """How a process ended, or what it did while it still runs."""
    match child.exit_code:
        case None:
            return broken
        case code if code < 0:
            return f"was ended by signal {-code}"
        case code:
            return f"exited with code {code}"


def last_words(child: Child) -> str:
    """The last lines of the child's stderr, as the end of a sentence."""
    stderr = child.last_words().rstrip(". ")
    return f"; its last words: {stderr}" if stderr else ""
