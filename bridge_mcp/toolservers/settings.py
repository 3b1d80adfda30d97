"""The settings of one nested server, as frozen values. Knows nothing of connections.

Values of `env`, `env_pass` and `headers` may be secrets: they are in no `repr`, and `scrub` removes them from any text
that came from outside before it is shown.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import ClassVar, Literal, NamedTuple
from urllib.parse import quote, urlsplit, urlunsplit

from msgspec import field

from bridge_mcp.core.errors import ConfigError
from bridge_mcp.core.grants import climbs
from bridge_mcp.core.secret_fields import HidesFields
from bridge_mcp.core.secrets import MIN_SECRET
from bridge_mcp.core.tools import Confirmation

__all__ = ["OF_THE_MACHINE", "ToolRule", "ToolServer", "sounds_secret"]

SECRET_HINTS = ("KEY", "TOKEN", "SECRET", "PASS", "CREDENTIAL")
"""Parts of the names of variables that hold secrets."""

PASSWORD_IN_URL = re.compile(r"://[^/@\s:]*:[^/@\s]+@")
OF_THE_MACHINE = re.compile(r"(?:PYTHON|NODE_)?PATH|HOME|USER|LANG|LC_[A-Z]+|TZ|TMPDIR|SHELL|TERM")
"""Variables whose values are in many texts and are no secrets."""


class ToolRule(NamedTuple):
    """Settings for the tools whose own name matches `pattern` (fnmatch). None: as for the whole server."""

    pattern: str
    confirmation: Confirmation | None = None
    timeout_s: float | None = None


class ToolServer(HidesFields, frozen=True):
    """One nested server: a `command` to start and talk to over stdio, or the `url` of a Streamable HTTP endpoint.

    Raises:
        ConfigError: it names both or neither, or a timeout is not a positive number of seconds.
    """

    HIDDEN: ClassVar = frozenset({"env", "url", "headers"})

    name: str
    command: str = ""
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    """Environment variables for the child."""
    env_pass: tuple[str, ...] = ()
    """Names of the bridge's own variables that the child gets too; unset ones are left out."""
    cwd: str = ""
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    transport: Literal["auto", "http", "sse"] = "auto"
    """The transport for a `url`: Streamable HTTP, or the older SSE; `auto` is SSE if the path ends in `/sse`."""
    oauth: bool = False
    """Whether it needs a login by OAuth, for `oauth_scopes`."""
    oauth_scopes: tuple[str, ...] = ()
    timeout_s: float = 60.0
    connect_timeout_s: float = 20.0
    """For starting, handshake and the first list of tools together."""
    confirmation: Confirmation = "default"
    allowed_tools: tuple[str, ...] = ("*",)
    """Patterns (fnmatch) over the server's own tool names; empty means none."""
    allowed_resources: tuple[str, ...] = ()
    """Patterns over URIs of resources that may be read; empty means none."""
    allowed_prompts: tuple[str, ...] = ()
    """Patterns over names of prompts that may be used; empty means none."""
    pinned: bool = True
    """A tool whose definition has changed since it was trusted needs approval, whatever its rule, until a call is
    approved."""
    instructions: bool = False
    """Whether the server's `instructions` may be part of system prompts."""
    tools: tuple[ToolRule, ...] = ()
    """The first rule whose pattern matches wins, so the most specific one comes first."""
    run: Literal["each", "one"] = "each"
    """Whether each worker on a shared store runs it, or one at a time, since it keeps state."""
    lacking: str = ""
    """A missing setting, with the fix; not empty: the server is never started nor connected."""

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
        """Whether the allow-list has this tool, by the server's own name for it."""
        return any(fnmatchcase(tool, pattern) for pattern in self.allowed_tools)

    def allows_resource(self, uri: str) -> bool:
        """Whether a resource may be read. A URI with `..` that leaves a pattern's folder is refused."""
        return not climbs(uri) and any(fnmatchcase(uri, pattern) for pattern in self.allowed_resources)

    def allows_prompt(self, name: str) -> bool:
        """Whether a prompt may be used."""
        return any(fnmatchcase(name, pattern) for pattern in self.allowed_prompts)

    def confirmation_of(self, tool: str) -> Confirmation:
        """Whether calls of this tool need approval: by its rule, else by the server's setting."""
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
        """Whether its url is for the older HTTP+SSE transport."""
        path = urlsplit(self.url).path.rstrip("/")
        return bool(self.url) and (self.transport == "sse" or (self.transport == "auto" and path.endswith("/sse")))

    @property
    def place(self) -> str:
        """The command, or the url without its secret parts, for messages."""
        if self.command:
            return self.command
        parts = urlsplit(self.url)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))

    def scrub(self, text: str) -> str:
        """The text without the values of `env`, `env_pass`, `headers` and the url's query: for errors, logs, status."""
        parts = urlsplit(self.url)
        secrets = [*self.env.values(), *self._passed().values(), *self.headers.values()]
        secrets += [word for value in self.headers.values() for word in value.split()]
        return without(text, [*secrets, parts.query, parts.netloc.rpartition("@")[0]])

    def scrub_result(self, text: str) -> str:
        """The result of a call without sure secrets: values of headers, and of variables whose names say so.

        Other values may be part of the answer, such as the name of an organization.
        """
        environment = {**self.env, **self._passed()}
        secrets = [value for name, value in environment.items() if sounds_secret(name, value)]
        secrets += [word for value in self.headers.values() for word in value.split()]
        return without(text, secrets)

    def _passed(self) -> dict[str, str]:
        """The bridge's own variables that the child gets too, without those of `OF_THE_MACHINE`."""
        names = (name for name in self.env_pass if not OF_THE_MACHINE.fullmatch(name))
        return {name: os.environ[name] for name in names if name in os.environ}


def sounds_secret(name: str, value: str) -> bool:
    """Whether a variable holds a secret: by its name, or as a URL with a password."""
    return any(hint in name.upper() for hint in SECRET_HINTS) or PASSWORD_IN_URL.search(value) is not None


def without(text: str, secrets: Iterable[str]) -> str:
    """The text with `***` in the place of each secret, and of each line of one that has several."""
    lines = {line.strip() for value in secrets for line in (value, *value.splitlines())}
    for secret in sorted((line for line in lines if len(line) >= MIN_SECRET), key=len, reverse=True):
        for form in {secret, quote(secret, safe=""), json.dumps(secret)[1:-1]}:
            text = text.replace(form, "***")
    return text
