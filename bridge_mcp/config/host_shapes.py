"""The many shapes that hosts give to a server's entry, brought into one. Knows neither files nor sections.

Claude, Cursor, Windsurf, Cline, Roo, Gemini CLI, Copilot, VS Code, Zed, opencode, Codex, Goose, Amp, Continue: they
differ in how a command is written, what an address, a header or a limit is called, and in what unit limits are.
"""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath, PurePosixPath, PureWindowsPath
from typing import cast

__all__ = ["HostServer", "is_bridge", "read_server"]

ADDRESS = ("url", "httpUrl", "serverUrl", "uri", "endpoint")
ENVIRONMENT = ("env", "environment", "envs")
HEADERS = ("headers", "http_headers")
PASSED = ("env_vars", "env_keys", "env_pass")
ALLOWED = ("allowed_tools", "allowedTools", "includeTools", "enabled_tools", "enabledTools", "tools", "available_tools")
EXCLUDED = ("excludeTools", "disabledTools", "disabled_tools", "exclude_tools")
TRUSTED = (
    "alwaysAllow",
    "autoApprove",
    "always_allow",
    "auto_approve",
    "trust",
    "default_tools_approval_mode",
    "approval",
)
IGNORED_KEYS = frozenset(
    "type name id description title icon icons version $schema source gallery metadata enabled disabled display_name "
    "bundled alwaysLoad dev".split()
)
"""Keys that are ignored: no section has a place for them, or they were read already."""

CONNECT_LIMITS = {
    "startup_timeout_sec": 1.0,
    "startup_timeout_ms": 0.001,
    "initTimeout": 0.001,
    "connect_timeout_s": 1.0,
    "connectTimeout": 0.0,
    "connect_timeout": 0.0,
    "connectionTimeout": 0.0,
    "startupTimeout": 0.0,
}
TIME_LIMITS = {
    "tool_timeout_sec": 1.0,
    "timeout_s": 1.0,
    "timeout_ms": 0.001,
    "timeoutMs": 0.001,
    "timeout": 0.0,
    "requestTimeout": 0.0,
    "request_timeout": 0.0,
    "toolTimeout": 0.0,
    "tool_timeout": 0.0,
}
"""Keys of time limits with their unit in seconds; 0: hosts disagree, so the unit is guessed from the number."""
MAX_LIMIT_S = 3600.0
"""The longest limit that a section takes; a larger number without a unit is in milliseconds."""

OWN_NAMES = frozenset({"bridge-mcp", "mcp-chat-bridge", "bridge_mcp"})
"""This program, by the names of its command, its distribution and its package."""


@dataclass(slots=True)
class HostServer:
    """One server of another host. `notes` lists what could not be imported."""

    command: str = ""
    args: list[str] = field(default_factory=list[str])
    env: dict[str, str] = field(default_factory=dict[str, str])
    env_pass: list[str] = field(default_factory=list[str])
    cwd: str = ""
    url: str = ""
    sse: bool = False
    oauth: bool = False
    headers: dict[str, str] = field(default_factory=dict[str, str])
    headers_env: dict[str, str] = field(default_factory=dict[str, str])
    token_env: str = ""
    timeout_s: float = 0.0
    connect_timeout_s: float = 0.0
    allowed_tools: list[str] | None = None
    asks_first: list[str] = field(default_factory=list[str])
    """Tools that are disabled there."""
    off: bool = False
    notes: list[str] = field(default_factory=list[str])


def read_server(body: Mapping[str, object]) -> HostServer:
    """Read one entry in any known shape. Without a command or a url the server cannot be imported."""
    return Entry(body).read()


class Entry:
    """Reads one entry: the keys that were used, and the server that results."""

    def __init__(self, body: Mapping[str, object]) -> None:
        transport = body.get("transport")
        inner = cast("dict[str, object]", transport) if isinstance(transport, dict) else {}
        self.body = {**body, **inner}
        self.used: set[str] = {"transport"} if isinstance(transport, str | dict) else set()
        self.made = HostServer()

    def read(self) -> HostServer:
        made = self.made
        made.off = self.body.get("enabled") in (False, "false") or self.body.get("disabled") in (True, "true")
        self.read_command()
        made.url = "" if made.command else next((each for key in ADDRESS if (each := self.text(key))), "")
        kinds = {str(self.body.get(key)).lower() for key in ("type", "transport")}
        made.sse = bool(made.url) and "sse" in kinds
        made.cwd = self.text("cwd") or self.text("working_directory")
        made.env = self.mapping(ENVIRONMENT)
        made.headers = self.mapping(HEADERS) | self.nested_headers()
        made.headers_env = self.mapping(("env_http_headers",))
        made.token_env = self.text("bearer_token_env_var")
        made.env_pass = [name for key in PASSED for name in self.names(key)]
        self.read_limits()
        self.read_tools()
        self.read_oauth()
        self.rest()
        return made

    # -- parts ------------------------------------------------------------------------------------------------

    def read_command(self) -> None:
        """A text, a text with its arguments in it, a list, or an object with `path`."""
        key = next((key for key in ("command", "cmd") if self.body.get(key)), "")
        command = self.body.get(key)
        args = self.words(self.take("args"))
        if isinstance(command, dict):
            inner = cast("dict[str, object]", command)
            args = self.words(inner.get("args")) + args
            self.body.setdefault("env", inner.get("env") or {})
            command = inner.get("path") or inner.get("command")
        self.used.add(key)
        if isinstance(command, list):
            first, *more = self.words(cast("object", command)) or [""]
            self.made.command, self.made.args = first, more + args
        elif isinstance(command, str) and command.strip():
            first, *more = split(command.strip()) if not args else [command.strip()]
            self.made.command, self.made.args = first, more + args

    def read_limits(self) -> None:
        """Seconds, whatever unit the host counts in."""
        opencode = isinstance(self.body.get("command"), list) or self.body.get("type") in ("local", "remote")
        for limits, connects in ((CONNECT_LIMITS, True), (TIME_LIMITS, False)):
            for key, unit in limits.items():
                value = self.take(key)
                if value is None:
                    continue
                number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
                seconds = number * (unit or (0.001 if number > MAX_LIMIT_S or (opencode and key == "timeout") else 1.0))
                if not 0 < seconds:
                    self.made.notes.append(f"Its {key} is not a limit here, and is left out.")
                elif connects or (opencode and key == "timeout"):
                    self.made.connect_timeout_s = min(seconds, MAX_LIMIT_S)
                else:
                    self.made.timeout_s = min(seconds, MAX_LIMIT_S)

    def read_tools(self) -> None:
        """Read which tools are allowed; tools disabled there require approval here."""
        for key in ALLOWED:
            if (names := self.names(key)) and "*" not in names:
                self.made.allowed_tools = names
        for key in EXCLUDED:
            if names := self.names(key):
                self.made.asks_first += names
                self.made.notes.append(f"{key}: these tools are switched off there; here their calls ask first.")
        if trusted := [key for key in TRUSTED if self.take(key)]:
            self.made.notes.append(
                f"Not taken over: {', '.join(trusted)}. What is let through unasked there asks here as any other call."
            )

    def read_oauth(self) -> None:
        auth = self.body.get("oauth") or (self.body.get("auth") in ("oauth", "OAuth") and "oauth")
        if isinstance(self.body.get("auth"), str):
            self.used.add("auth")
        if auth:
            self.made.oauth = bool(self.made.url)
            self.used.add("oauth")
            if isinstance(auth, dict):
                self.made.notes.append("Of its oauth only that there is one is taken over.")

    def rest(self) -> None:
        """Add a note for each key that was not used."""
        if self.take("envFile"):
            self.made.notes.append("Its envFile is not read: set those variables, and name them in env_pass.")
        unread = [
            key
            for key, value in self.body.items()
            if key not in self.used | IGNORED_KEYS and value not in (None, {}, [], "")
        ]
        if unread:
            self.made.notes.append(f"Not taken over: {', '.join(key[:60] for key in sorted(unread)[:20])}.")

    # -- values -----------------------------------------------------------------------------------------------

    def take(self, key: str) -> object:
        self.used.add(key)
        return self.body.get(key)

    def text(self, key: str) -> str:
        value = self.take(key)
        return value.strip() if isinstance(value, str) else ""

    def words(self, value: object) -> list[str]:
        """A list of arguments as texts, without null; one text is a line of them."""
        if isinstance(value, str):
            return split(value) if value.strip() else []
        if not isinstance(value, list):
            return []
        return [plain(item) for item in cast("list[object]", value) if item is not None]

    def names(self, key: str) -> list[str]:
        value = self.body.get(key)
        if not isinstance(value, list):
            return []
        self.used.add(key)
        return [item for item in cast("list[object]", value) if isinstance(item, str) and item]

    def mapping(self, keys: tuple[str, ...]) -> dict[str, str]:
        """Return strings by name, without the null values."""
        texts: dict[str, str] = {}
        for key in keys:
            value = self.take(key)
            for name, item in cast("dict[str, object]", value).items() if isinstance(value, dict) else ():
                if item is None:
                    self.made.notes.append(f"{name[:60]} is null there, and is not set here.")
                else:
                    texts[name] = plain(item)
        return texts

    def nested_headers(self) -> dict[str, str]:
        """Headers inside `requestInit` or `requestOptions`."""
        found: dict[str, str] = {}
        for key in ("requestInit", "requestOptions"):
            value = self.take(key)
            headers = cast("dict[str, object]", value).get("headers") if isinstance(value, dict) else None
            if isinstance(headers, dict):
                found |= {
                    name: plain(item) for name, item in cast("dict[str, object]", headers).items() if item is not None
                }
        return found


def plain(value: object) -> str:
    """Return a value as text: `true`, `1`, or JSON for lists and objects."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def split(command: str) -> list[str]:
    """Split a command line into words; a path with blanks is not split."""
    windows = bool(re.match(r"^[A-Za-z]:[\\/]|^\\\\", command))
    if not re.search(r"\s", command) or windows:
        return [command]
    try:
        words = shlex.split(command)
    except ValueError:
        return [command]
    a_path = "/" in words[0] and not command.startswith(('"', "'"))
    if a_path and not any(word.startswith("-") for word in words[1:]) and any("/" in word for word in words[1:]):
        return [command]
    return words


def is_bridge(server: HostServer) -> bool:
    """Whether an entry starts this program: by its command, a package runner, or as a module."""
    if server.url:
        return bool(OWN_ADDRESS.match(server.url))
    words = [server.command, *server.args]
    for place, word in enumerate(words):
        program = split(word)[0] if words[place - 1] in ("-c", "/c", "/C", "-lc") else word
        if stem(program) in OWN_NAMES and (place == 0 or runs(words[:place])):
            return True
    return False


def runs(before: list[str]) -> bool:
    """Whether the word behind these is run as a program: `uvx`, `python -m`, `uv run --directory X`, `cmd /c`."""
    if stem(before[0]) in ("docker", "podman"):
        return True
    if not re.fullmatch(
        r"uvx?|pipx|py|python[0-9.]*w?|cmd|env|(ba|z)?sh|poetry|hatch|pdm|wsl|npx|sudo|conda|pixi", stem(before[0])
    ):
        return False
    last, option = before[-1], before[-2] if len(before) > 1 else ""
    return len(before) == 1 or last in LEADS or option in TAKES_VALUE or "=" in last


LEADS = frozenset(
    {
        "-m",
        "-c",
        "-lc",
        "/c",
        "/C",
        "-y",
        "--yes",
        "--",
        "run",
        "tool",
        "exec",
        "x",
        "--from",
        "--spec",
        "-u",
        "-P",
        "-I",
    }
)
TAKES_VALUE = frozenset(
    {"--directory", "--project", "--python", "-p", "--with", "--from", "--spec", "--env-file", "-n"}
)
OWN_ADDRESS = re.compile(r"(?i)^https?://(127\.[0-9.]+|localhost|\[::1\]):8765/mcp/?$")
"""Where `bridge-mcp serve --http` is in every example."""


def stem(word: str) -> str:
    """The name of a program or package, without its folder, its ending, its version and its extras."""
    path: PurePath = PureWindowsPath(word) if "\\" in word else PurePosixPath(word)
    name = re.split(r"[@=<>~\[]", path.name.lower(), maxsplit=1)[0].partition(":")[0]
    return name.removesuffix(".exe").removesuffix(".cmd")
