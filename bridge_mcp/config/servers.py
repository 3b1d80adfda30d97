"""Converts a [tool_servers.NAME] section into the settings of a nested server."""

from __future__ import annotations

from pathlib import Path

from bridge_mcp.config import schema
from bridge_mcp.config.problems import Problems
from bridge_mcp.config.secrets import Secrets
from bridge_mcp.core.tools import BRIDGE
from bridge_mcp.toolservers.settings import ToolRule, ToolServer, sounds_secret

__all__ = ["tool_server"]

ONLY_STDIO = ("args", "env", "env_pass", "cwd")
ONLY_HTTP = ("headers", "headers_env", "token_env", "token_file", "auth", "oauth_scopes")


def tool_server(
    name: str, section: schema.ToolServer, folder: Path, problems: Problems, secrets: Secrets
) -> ToolServer | None:
    """Return one server's settings; None if the section has neither or both of command and url."""
    key = f"tool_servers.{name}"
    if name == BRIDGE:
        problems.add(key, "this name is taken by the bridge's own tools.", "Use another name.")
    alien = ONLY_HTTP if section.command else ONLY_STDIO
    for unknown_key in alien:
        if getattr(section, unknown_key) and not (section.command and section.url):
            kind = "a command's server" if section.command else "a server with a url"
            problems.add(f"{key}.{unknown_key}", f"{kind} has no such thing.", "Remove it.")
    if bool(section.command) == bool(section.url):
        complaint = "both command and url are there." if section.url else "neither command nor url is there."
        problems.add(key, complaint, 'Give exactly one: command = "…" or url = "…".')
        return None
    problems.add_unless_web(f"{key}.url", section.url)
    if section.auth and (section.token_env or section.token_file):
        problems.add(f"{key}.auth", "a token is named too.", "Keep one of the two.")
    return ToolServer(
        name=name,
        command=section.command or "",
        args=tuple(section.args),
        env=environment(name, section, secrets),
        env_pass=tuple(section.env_pass),
        cwd=str((folder / Path(section.cwd or ".").expanduser()).absolute()) if section.command else "",
        url=section.url or "",
        headers=headers(key, section, secrets),
        run=section.run,
        lacking=secrets.lack(key),
        transport=section.transport,
        oauth=section.auth == "oauth",
        oauth_scopes=tuple(section.oauth_scopes),
        timeout_s=section.timeout_s,
        connect_timeout_s=section.connect_timeout_s,
        confirmation=section.confirmation,
        allowed_tools=tuple(section.allowed_tools),
        allowed_resources=tuple(section.allowed_resources),
        allowed_prompts=tuple(section.allowed_prompts),
        pinned=section.pinned,
        instructions=section.instructions,
        tools=rules(section),
    )


def rules(section: schema.ToolServer) -> tuple[ToolRule, ...]:
    """Return the rules for single tools: plain names before patterns, since the first match applies."""
    ordered = sorted(section.tools.items(), key=lambda item: any(mark in item[0] for mark in "*?["))
    return tuple(ToolRule(pattern, shape.confirmation, shape.timeout_s) for pattern, shape in ordered)


def environment(name: str, section: schema.ToolServer, secrets: Secrets) -> dict[str, str]:
    """Return the child's environment variables; values whose names look secret are hidden from logs."""
    for variable, value in section.env.items():
        if sounds_secret(variable, value):
            secrets.remember(f"{name}.{variable}", value)
    for variable in section.env_pass:
        secrets.passed(variable)
    return dict(section.env)


def headers(key: str, section: schema.ToolServer, secrets: Secrets) -> dict[str, str]:
    """The headers of every request: as written, from the environment, and the bearer token."""
    merged = dict(section.headers)
    for header, variable in section.headers_env.items():
        merged[header] = secrets.variable(f"{key}.headers_env.{header}", variable)
    if token := secrets.read(f"{key}.token", section.token_env, section.token_file):
        merged["Authorization"] = f"Bearer {token}"
    for header, value in section.headers.items():
        secrets.remember(f"{key}.headers.{header}", value)
    return merged
