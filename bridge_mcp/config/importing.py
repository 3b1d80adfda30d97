"""Converts the tool servers in another host's settings into sections of bridge.toml.

Secrets stand there in clear; here they never do: what looks like one becomes the name of a variable, and the owner is
told to set it. Knows no command line, and writes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import PurePosixPath, PureWindowsPath
from typing import cast

from bridge_mcp.config.host_files import servers_in
from bridge_mcp.config.host_shapes import HostServer, is_bridge, read_server
from bridge_mcp.config.load import complaint
from bridge_mcp.config.secret_looks import holds_secret, looks_secret
from bridge_mcp.core.tools import BRIDGE

__all__ = ["Imported", "imported"]

VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"
REFERENCE = re.compile(
    rf"\$\{{([^}}]*)\}}|\{{(?:env|file):([^}}]*)\}}|\$env:({VARIABLE})|^\$({VARIABLE})$|%({VARIABLE})%|\$\(([^)]*)\)"
)
"""A reference that a host replaces before it starts a server."""
WHOLE = re.compile(
    rf"^(?:Bearer\s+)?(?:\$\{{(?:env:)?({VARIABLE})\}}|\$\{{\{{\s*secrets\.({VARIABLE})\s*\}}\}}"
    rf"|\{{env:({VARIABLE})\}}|\$({VARIABLE})|%({VARIABLE})%)$"
)
"""A value that is one variable of the environment, as it is or behind `Bearer`."""
MAX_NAME = 32
"""Characters of a server's name."""


@dataclass(slots=True)
class Imported:
    """One server: its section, and notes for its owner. An empty `section` means that it was left out."""

    name: str
    section: str = ""
    notes: list[str] = field(default_factory=list[str])


def imported(text: str, taken: Collection[str]) -> list[Imported]:
    """The servers in a host's settings. Names in `taken` are left out: they are there already.

    Raises:
        BadInput: this is no such file.
    """
    names: set[str] = {BRIDGE}
    imports: list[Imported] = []
    read_before: list[tuple[str, object]] = []
    for name_given, body in servers_in(text):
        if (name_given, body) in read_before:  # the same for several projects
            continue
        read_before.append((name_given, body))
        name = legal(name_given, names)
        names.add(name)
        result = Imported(name)
        imports.append(result)
        if name != name_given:
            result.notes.append(f"It was called '{name_given[:80]}', which {taken_or_wrong(name_given)} here.")
        if name in taken:
            result.notes.append("Left out: a tool server of this name is there already.")
        elif not isinstance(body, dict):
            result.notes.append("Left out: it is not an object.")
        else:
            write(result, read_server(cast("dict[str, object]", body)))
    return imports


def write(result: Imported, server: HostServer) -> None:
    """Write the section of a server into `result`, or the reason why it was left out."""
    reason = left_out(server)
    if not reason:
        section = Section(result.name, server).text()
        wrong = complaint(section)
        if not wrong:
            result.section = section
            result.notes += server.notes
            return
        reason = f"it cannot be had as it is there ({wrong})."
    result.notes.append(f"Left out: {reason}")


def left_out(server: HostServer) -> str:
    """Why a server cannot be taken over; "" if it can."""
    if not server.command and not server.url:
        return "it has neither a command nor a url (a part of that host itself?)."
    if is_bridge(server):
        return "it is this bridge itself."
    if server.off:
        return "it is disabled there."
    words = [server.command, *server.args]
    if any("\0" in text for text in (*words, server.url, server.cwd, *server.env, *server.env.values())):
        return "it holds a NUL character."
    for before, word in zip(["", *words], words, strict=False):
        if not REFERENCE.search(word) and holds_secret(before, word):
            place = f"the argument behind {before}" if before.startswith("-") else f"argument {words.index(word)}"
            return f"{place} looks like a secret. Add it by hand."
    if server.url and not REFERENCE.search(server.url) and looks_secret("", server.url):
        return "its url holds what looks like a secret. Add it by hand."
    return ""


def taken_or_wrong(name: str) -> str:
    return "is taken" if re.fullmatch(r"[A-Za-z0-9_-]{1,32}", name) else "is not a name"


def legal(given: str, taken: Collection[str]) -> str:
    """A name for a server: letters, digits, `_` and `-`, at most 32, not in `taken`."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", given).strip("-")[:MAX_NAME] or "server"
    name, number = plain, 2
    while name in taken:
        name, number = f"{plain[: MAX_NAME - 4]}-{number}", number + 1
    return name


class Section:
    """One server's section: its keys, and notes for its owner."""

    def __init__(self, name: str, server: HostServer) -> None:
        self.name = name
        self.server = server
        self.notes = server.notes
        self.wanted: list[str] = []
        self.keys: dict[str, object] = {}

    def text(self) -> str:
        """The section; what its owner has to do is added to the server's notes."""
        if self.server.command:
            self.stdio()
        else:
            self.web()
        self.limits()
        if self.wanted:
            self.notes.append(f"Set in the bridge's environment: {', '.join(self.wanted)}.")
        import tomlkit  # only this command writes TOML

        return tomlkit.dumps({"tool_servers": {self.name: self.keys}})

    def stdio(self) -> None:
        server = self.server
        if any(REFERENCE.search(word) for word in (server.command, *server.args, server.cwd)):
            self.notes.append("Its command or args refer to ${…}, which is not replaced here: edit them.")
        self.keys["command"] = server.command
        self.keys |= {key: value for key, value in (("args", [*server.args]), ("cwd", server.cwd)) if value}
        path = PureWindowsPath(server.cwd) if "\\" in server.cwd else PurePosixPath(server.cwd)
        if server.cwd and not (path.is_absolute() or server.cwd.startswith(("~", "$"))):
            self.notes.append("Its cwd is relative: here that is to the folder of bridge.toml.")
        self.environment()
        if server.headers:
            self.notes.append("Not taken over: headers, which a command has no use for.")

    def environment(self) -> None:
        """Write plain values as they are, and secrets and references as names of variables to pass on."""
        plain: dict[str, str] = {}
        passed = list(dict.fromkeys(self.server.env_pass))
        self.wanted += passed
        for name, value in self.server.env.items():
            if not name or "=" in name:
                self.notes.append("A variable whose name cannot be one is left out.")
            elif REFERENCE.search(value) or looks_secret(name, value):
                renamed = variable_of(value)
                passed.append(name)
                self.wanted.append(f"{name} (there it is {renamed})" if renamed not in ("", name) else name)
            else:
                plain[name] = value
        if plain:
            self.keys["env"] = plain
        if passed:
            self.keys["env_pass"] = passed

    def web(self) -> None:
        server = self.server
        if REFERENCE.search(server.url):
            self.notes.append("Its url refers to ${…}, which is not replaced here: edit it.")
        self.keys["url"] = server.url
        if server.sse:
            self.keys["transport"] = "sse"
        self.headers()
        if server.env:
            self.notes.append("Not taken over: env, which a url has no use for.")

    def headers(self) -> None:
        plain: dict[str, str] = {}
        variables: dict[str, str] = dict(self.server.headers_env)
        self.wanted += [f"{variable} (the header {header})" for header, variable in variables.items()]
        token = self.server.token_env
        if token:
            self.wanted.append(f"{token} (the bearer token alone)")
        for header, value in self.server.headers.items():
            bearer = header.lower() == "authorization" and value.lower().startswith("bearer ")
            if bearer and not token:
                token = variable_of(value) or variable(self.name, "token")
                self.wanted.append(f"{token} (the bearer token alone)")
            elif REFERENCE.search(value) or looks_secret(header, value):
                variables[header] = variable_of(value) or variable(self.name, header)
                self.wanted.append(f"{variables[header]} (the header {header[:60]})")
            else:
                plain[header] = value
        if token:
            self.keys["token_env"] = token
        elif self.server.oauth:
            self.keys["auth"] = "oauth"
            self.notes.append(f"Log in once: bridge-mcp servers login {self.name}")
        if plain:
            self.keys["headers"] = plain
        if variables:
            self.keys["headers_env"] = variables

    def limits(self) -> None:
        """How long things may take, which tools there are, and which of them ask."""
        server = self.server
        for key, value in (("timeout_s", server.timeout_s), ("connect_timeout_s", server.connect_timeout_s)):
            if value:
                self.keys[key] = value
        if server.allowed_tools is not None:
            self.keys["allowed_tools"] = [*server.allowed_tools]
        if server.asks_first:
            self.keys["tools"] = {tool: {"confirmation": "required"} for tool in server.asks_first}


def variable(server: str, purpose: str) -> str:
    """Return a name for an environment variable of a server."""
    name = re.sub(r"[^A-Z0-9]+", "_", f"{server}_{purpose}".upper()).strip("_")
    return name if not name[:1].isdigit() else f"MCP_{name}"


def variable_of(value: str) -> str:
    """Return the environment variable that a value refers to, also behind `Bearer`; "" if it refers to none."""
    match = WHOLE.match(value)
    return next((group for group in match.groups() if group), "") if match else ""
