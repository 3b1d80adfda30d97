"""What the owner wants of one nested server. Frozen values; knows nothing of how a server is reached.

Values of `env`, `env_pass` and `headers` may be secrets: they are in no `repr`, and `scrub` takes them out of any text
that came from outside before it is shown.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple
from urllib.parse import quote, urlsplit, urlunsplit

from bridge_mcp.core.errors import ConfigError
from bridge_mcp.core.grants import climbs
from bridge_mcp.core.tools import Confirmation

__all__ = ["OF_THE_MACHINE", "ToolRule", "ToolServer", "sounds_secret"]

SHORTEST_SECRET = 8
"""Shorter values are words like "true" or "1": taking those out would only garble a message."""

SECRET_HINTS = ("KEY", "TOKEN", "SECRET", "PASS", "CREDENTIAL")
"""What stands in the names of variables that hold secrets."""

PASSWORD_IN_URL = re.compile(r"://[^/@\s:]*:[^/@\s]+@")
OF_THE_MACHINE = re.compile(r"(?:PYTHON|NODE_)?PATH|HOME|USER|LANG|LC_[A-Z]+|TZ|TMPDIR|SHELL|TERM")
"""Variables whose values stand in many texts and are no secrets."""


class ToolRule(NamedTuple):
    """What holds for the tools whose own name matches `pattern` (fnmatch). None: what the server says."""

    pattern: str
    confirmation: Confirmation | None = None
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class ToolServer:
    """One nested server: a `command` to start and talk to over stdio, or the `url` of a Streamable HTTP endpoint.

    Raises:
        ConfigError: it names both or neither, or a timeout is not a positive number of seconds.
    """

    name: str
    command: str = ""
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """Variables set for the child, by name."""
    env_pass: tuple[str, ...] = ()
    """Names of the bridge's own variables that the child may have too; those that are not set are left out."""
    cwd: str = ""
    url: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    transport: Literal["auto", "http", "sse"] = "auto"
    """How a `url` is spoken to: Streamable HTTP, or the older SSE; `auto` is SSE where its path ends in `/sse`."""
    oauth: bool = False
    """Whether it wants a login by OAuth; `oauth_scopes` are what is asked for then."""
    oauth_scopes: tuple[str, ...] = ()
    timeout_s: float = 60.0
    connect_timeout_s: float = 20.0
    """For starting, handshake and first listing of the tools together."""
    confirmation: Confirmation = "default"
    allowed_tools: tuple[str, ...] = ("*",)
    """Patterns (fnmatch) over the server's own tool names; empty means none."""
    allowed_resources: tuple[str, ...] = ()
    """Patterns over addresses of resources that may be read; empty means none."""
    allowed_prompts: tuple[str, ...] = ()
    """Patterns over names of prompts that may be used; empty means none."""
    pinned: bool = True
    """A tool whose definition changed after it was first seen asks, whatever else holds, until a call is approved."""
    instructions: bool = False
    """Whether what it says of the use of its tools may stand in system prompts."""
    tools: tuple[ToolRule, ...] = ()
    """The first rule whose pattern matches wins, so the most specific one comes first."""
    lacking: str = ""
    """What it needs and does not have, with the fix; not empty: it is never started nor asked."""

    def __post_init__(self) -> None:
        where = f"[tool_servers.{self.name}]"
        if bool(self.command) == bool(self.url):
            raise ConfigError(
                f"{where} names {'both a command and a url' if self.url else 'neither a command nor a url'}.",
                fix="Give it exactly one of the two.",
            )
        limits = [self.timeout_s, self.connect_timeout_s, *(r.timeout_s for r in self.tools if r.timeout_s is not None)]
        if not all(limit > 0 for limit in limits):
            raise ConfigError(f"{where} has a timeout that is not above 0.", fix="Give timeouts in seconds.")

    def allows(self, tool: str) -> bool:
        """Whether the allow-list lets this tool through, by the server's own name for it."""
        return any(fnmatchcase(tool, pattern) for pattern in self.allowed_tools)

    def allows_resource(self, uri: str) -> bool:
        """Whether a resource may be read. An address that climbs out of what a pattern names is nobody's."""
        return not climbs(uri) and any(fnmatchcase(uri, pattern) for pattern in self.allowed_resources)

    def allows_prompt(self, name: str) -> bool:
        """Whether a prompt may be used."""
        return any(fnmatchcase(name, pattern) for pattern in self.allowed_prompts)

    def confirmation_of(self, tool: str) -> Confirmation:
        """How calls of this tool are confirmed."""
        rule = self.rule(tool)
        return self.confirmation if rule is None or rule.confirmation is None else rule.confirmation

    def timeout_of(self, tool: str) -> float:
        """How many seconds a call of this tool may take."""
        rule = self.rule(tool)
        return self.timeout_s if rule is None or rule.timeout_s is None else rule.timeout_s

    def rule(self, tool: str) -> ToolRule | None:
        """The rule for this tool, if there is one."""
        return next((rule for rule in self.tools if fnmatchcase(tool, rule.pattern)), None)

    @property
    def speaks_sse(self) -> bool:
        """Whether its url is of the older kind."""
        path = urlsplit(self.url).path.rstrip("/")
        return bool(self.url) and (self.transport == "sse" or (self.transport == "auto" and path.endswith("/sse")))

    @property
    def place(self) -> str:
        """Where it is, for messages: the command, or the url without what may be secret in it."""
        if self.command:
            return self.command
        parts = urlsplit(self.url)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))

    def scrub(self, text: str) -> str:
        """The text without the values of `env`, `env_pass`, `headers` and the url's query: for errors, logs, status."""
        parts = urlsplit(self.url)
        given = [*self.env.values(), *self._passed().values(), *self.headers.values()]
        given += [word for value in self.headers.values() for word in value.split()]
        return without(text, [*given, parts.query, parts.netloc.rpartition("@")[0]])

    def scrub_result(self, text: str) -> str:
        """The result of a call without what is surely a secret: by the name of its variable, or as a header's value.

        Other values may be what was asked for, such as the name of an organization.
        """
        named = {**self.env, **self._passed()}
        given = [value for name, value in named.items() if sounds_secret(name, value)]
        given += [word for value in self.headers.values() for word in value.split()]
        return without(text, given)

    def _passed(self) -> dict[str, str]:
        """The bridge's own variables that the child has too, but those that say how the machine is set up."""
        wanted = (name for name in self.env_pass if not OF_THE_MACHINE.fullmatch(name))
        return {name: os.environ[name] for name in wanted if name in os.environ}


def sounds_secret(name: str, value: str) -> bool:
    """Whether a variable holds a secret: it is called so, or is an address with a password."""
    return any(hint in name.upper() for hint in SECRET_HINTS) or PASSWORD_IN_URL.search(value) is not None


def without(text: str, secrets: Iterable[str]) -> str:
    """The text with `***` in the place of these, and of each line of those that have several."""
    lines = {line.strip() for value in secrets for line in (value, *value.splitlines())}
    for secret in sorted((line for line in lines if len(line) >= SHORTEST_SECRET), key=len, reverse=True):
        for form in {secret, quote(secret, safe=""), json.dumps(secret)[1:-1]}:
            text = text.replace(form, "***")
    return text
