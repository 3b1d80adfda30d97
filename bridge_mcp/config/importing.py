"""Tool servers of other hosts' settings as sections of bridge.toml: Claude Desktop, Claude Code, Cursor, VS Code.

All write JSON: `{"mcpServers": {NAME: {"command", "args", "env"} or {"url", "headers"}}}`; VS Code says `servers` in
its place. Secrets stand there in clear; here they never do: what looks like one becomes the name of a variable, and
the owner is told to set it. Knows no command line, and writes nothing.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import cast

from pydantic import ValidationError

from bridge_mcp.config.schema import File
from bridge_mcp.core.errors import BadInput

__all__ = ["Imported", "complaint", "imported", "looks_secret"]

SECRET_NAME = re.compile(r"(?i)key|token|secret|pass(word|wd)?$|passw|credential|auth|cookie|private")
SECRET_VALUE = re.compile(
    r"(?i)^(bearer|basic|token)\s+\S+|^(sk|pk|rk|ghp|gho|github_pat|glpat|xox[abp]|AKIA|AIza|eyJ|npm)[-_A-Za-z0-9]{12,}"
)
RANDOM = re.compile(r"^(?=.*[0-9])(?=.*[A-Za-z])[A-Za-z0-9+=_-]{24,}$")
"""Long, without a space, a slash or a dot, letters and digits mixed: made by a machine."""
REFERENCE = re.compile(r"\$\{(?:env:|input:)?([^}]+)\}|\$env:(\w+)")
MOST = 32
"""Characters of a server's name."""


@dataclass(slots=True)
class Imported:
    """One server: its section, and what its owner must know or do. Without a `section` it was left out."""

    name: str
    section: str = ""
    notes: list[str] = field(default_factory=list[str])


def imported(text: str, taken: Collection[str]) -> list[Imported]:
    """The servers in a host's settings. Names in `taken` are left out: they are there already.

    Raises:
        BadInput: this is no such file.
    """
    names: set[str] = set()
    found: list[Imported] = []
    for given, body in servers_in(text).items():
        name = legal(given, names)
        names.add(name)
        made = Imported(name)
        found.append(made)
        if name != given:
            made.notes.append(f"It was called '{given[:80]}', which is no name here.")
        if name in taken:
            made.notes.append("Left out: a tool server of this name is there already.")
        elif not isinstance(body, dict):
            made.notes.append("Left out: it is no object.")
        else:
            Section(made, cast("dict[str, object]", body)).write()
    return found


def complaint(text: str) -> str:
    """What keeps this from being a bridge.toml; "" if nothing does."""
    try:
        File.model_validate(tomllib.loads(text.removeprefix("\ufeff")))
    except (ValidationError, tomllib.TOMLDecodeError) as exc:
        return str(exc).splitlines()[0]
    return ""


def servers_in(text: str) -> Mapping[str, object]:
    """The servers by their names."""
    plain = re.sub(r"(?m)^\s*//.*$", "", text.removeprefix("\ufeff"))
    try:
        whole: object = json.loads(plain)
    except ValueError as exc:
        raise BadInput(f"This is no JSON: {exc}.", fix="Pass the settings file of an MCP host.") from None
    if isinstance(whole, dict):
        body = cast("dict[str, object]", whole)
        inner = body.get("mcp")
        places = [body, cast("dict[str, object]", inner)] if isinstance(inner, dict) else [body]
        for place in places:
            for key in ("mcpServers", "servers"):
                servers = place.get(key)
                if isinstance(servers, dict):
                    return cast("dict[str, object]", servers)
    raise BadInput(
        "There are no MCP servers in this file.",
        fix='Pass one that holds {"mcpServers": {…}} (Claude, Cursor) or {"servers": {…}} (VS Code).',
    )


def legal(given: str, taken: Collection[str]) -> str:
    """A name for a server: letters, digits, `_` and `-`, at most 32, not in `taken`."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", given).strip("-")[:MOST] or "server"
    name, number = plain, 2
    while name in taken:
        name, number = f"{plain[: MOST - 4]}-{number}", number + 1
    return name


def looks_secret(name: str, value: str) -> bool:
    """Whether a value should not stand in a file in clear."""
    if len(value) < 8:
        return False
    return bool(SECRET_NAME.search(name) or SECRET_VALUE.search(value) or RANDOM.match(value))


class Section:
    """Writes one server's section, line by line."""

    def __init__(self, made: Imported, body: Mapping[str, object]) -> None:
        self.made = made
        self.body = body
        self.lines = [f"[tool_servers.{made.name}]"]

    def write(self) -> None:
        """The section into `made`, unless the server cannot be had."""
        if self.body.get("disabled") is True:
            self.made.notes.append("Left out: it is disabled there.")
        elif isinstance(self.body.get("command"), str):
            self.stdio(str(self.body["command"]))
        elif isinstance(url := self.body.get("url") or self.body.get("serverUrl"), str):
            self.web(url)
        else:
            self.made.notes.append("Left out: it has neither a command nor a url.")

    def stdio(self, command: str) -> None:
        args = [str(each) for each in self.sequence("args")]
        if bad := next((a for n, a in enumerate(args) if looks_secret("".join(args[n - 1 : n]), a)), None):
            self.made.notes.append(f"Left out: an argument ({bad[:4]}…) looks like a secret. Add it by hand.")
            return
        if any(REFERENCE.search(each) for each in (command, *args)):
            self.made.notes.append("Its command or args refer to ${…}, which is not replaced here: edit them.")
        self.lines.append(f"command = {quoted(command)}")
        if args:
            self.lines.append(f"args = [{', '.join(map(quoted, args))}]")
        if isinstance(cwd := self.body.get("cwd"), str):
            self.lines.append(f"cwd = {quoted(cwd)}")
        self.environment()
        if "envFile" in self.body:
            self.made.notes.append("Its envFile is not read: set those variables, and name them in env_pass.")
        self.done()

    def environment(self) -> None:
        """Plain values as they are; secrets and references as names to pass on."""
        plain: list[str] = []
        passed: list[str] = []
        for name, value in self.mapping("env").items():
            if REFERENCE.search(value) or looks_secret(name, value):
                passed.append(name)
            else:
                plain.append(f"{key_of(name)} = {quoted(value)}")
        if plain:
            self.lines.append(f"env = {{ {', '.join(plain)} }}")
        if passed:
            self.lines.append(f"env_pass = [{', '.join(map(quoted, passed))}]")
            self.made.notes.append(f"Set in the bridge's environment: {', '.join(passed)}.")

    def web(self, url: str) -> None:
        query = url.partition("?")[2]
        pairs = [part.partition("=")[::2] for part in query.split("&")] if query else []
        if any(looks_secret(name, value) for name, value in pairs) or "@" in url.partition("://")[2].partition("/")[0]:
            self.made.notes.append("Left out: its url holds what looks like a secret. Add it by hand.")
            return
        self.lines.append(f"url = {quoted(url)}")
        if self.body.get("type") == "sse" or self.body.get("transport") == "sse":
            self.lines.append('transport = "sse"')
        self.headers()
        self.done()

    def headers(self) -> None:
        plain: list[str] = []
        named: list[str] = []
        wanted: list[str] = []
        for header, value in self.mapping("headers").items():
            variable = re.sub(r"[^A-Z0-9]+", "_", f"{self.made.name}_{header}".upper())
            if header.lower() == "authorization" and value.lower().startswith("bearer "):
                variable = re.sub(r"[^A-Z0-9]+", "_", f"{self.made.name}_token".upper())
                self.lines.append(f"token_env = {quoted(variable)}")
                wanted.append(f"{variable} (the bearer token alone)")
            elif REFERENCE.search(value) or looks_secret(header, value):
                named.append(f"{key_of(header)} = {quoted(variable)}")
                wanted.append(f"{variable} (the header {header})")
            else:
                plain.append(f"{key_of(header)} = {quoted(value)}")
        if plain:
            self.lines.append(f"headers = {{ {', '.join(plain)} }}")
        if named:
            self.lines.append(f"headers_env = {{ {', '.join(named)} }}")
        if wanted:
            self.made.notes.append(f"Set in the bridge's environment: {', '.join(wanted)}.")

    def sequence(self, key: str) -> list[object]:
        value = self.body.get(key)
        return cast("list[object]", value) if isinstance(value, list) else []

    def mapping(self, key: str) -> dict[str, str]:
        value = self.body.get(key)
        given = cast("dict[str, object]", value) if isinstance(value, dict) else {}
        return {name: each if isinstance(each, str) else json.dumps(each) for name, each in given.items()}

    def done(self) -> None:
        self.made.section = "\n".join(self.lines) + "\n"


def quoted(text: str) -> str:
    """A TOML basic string: JSON's, but for one character that JSON leaves as it is."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def key_of(name: str) -> str:
    """A TOML key."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else quoted(name)
