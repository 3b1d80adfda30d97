"""What each agent of the command line is given: its settings file, its variables, its arguments.

The bridge's tools may run unasked, and nothing is to be sent to anybody but the model: no telemetry, no updates.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from tests.hosts.stage import COMMAND

__all__ = ["QUIET", "TASK", "Settings", "claude_code", "cline", "codex", "copilot", "gemini_cli", "opencode"]

KEY = "no-key-is-needed-here"
QUIET = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_TELEMETRY": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "DISABLE_AUTOUPDATER": "1",
    "OPENCODE_DISABLE_AUTOUPDATE": "1",
    "OPENCODE_DISABLE_MODELS_FETCH": "1",
    "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
    "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1",
}
"""Variables by which agents send nothing to anybody."""
TASK = "Do what the model says."


@dataclass(frozen=True, slots=True)
class Settings:
    """What a host is given: files below its home, variables, and the arguments of its command."""

    files: Mapping[str, str]
    variables: Mapping[str, str]
    arguments: tuple[str, ...]
    before: tuple[str, ...] = ()
    """The arguments with which its command is run first, as the README says it."""


def claude_code(address: str, bridge: Mapping[str, str]) -> Settings:
    return Settings(
        {".claude.json": json.dumps({"hasCompletedOnboarding": True})},
        {
            **{name: value for name, value in bridge.items() if name.startswith("BRIDGE_MCP_")},
            "ANTHROPIC_BASE_URL": address,
            "ANTHROPIC_API_KEY": KEY,
            **QUIET,
            "ENABLE_TOOL_SEARCH": "false",
            "MCP_CONNECTION_NONBLOCKING": "0",  # else `-p` asks its model before the bridge is there
        },
        ("-p", TASK, "--allowedTools", "mcp__bridge"),
        before=("mcp", "add", "bridge", "--", "bridge-mcp"),
    )


def codex(address: str, bridge: Mapping[str, str]) -> Settings:
    config = f"""\
model = "gpt-5"
model_provider = "scripted"
check_for_update_on_startup = false

[model_providers.scripted]
name = "scripted"
base_url = {json.dumps(address + "/v1")}
wire_api = "responses"
env_key = "SCRIPTED_KEY"
request_max_retries = 0
stream_max_retries = 0

[analytics]
enabled = false
"""
    own = {name: value for name, value in bridge.items() if name.startswith("BRIDGE_MCP_")}
    return Settings(
        {".codex/config.toml": config},
        {"SCRIPTED_KEY": KEY},
        (
            "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox",
            "-c", "mcp_servers.bridge.required=true",  # else it asks its model before the bridge is there
            TASK,
        ),
        before=("mcp", "add", "bridge", *(f"--env={name}={value}" for name, value in own.items()), "--", "bridge-mcp"),
    )  # fmt: skip


def gemini_cli(address: str, bridge: Mapping[str, str]) -> Settings:
    settings: dict[str, object] = {
        "mcpServers": {"bridge": {"command": COMMAND, "args": [], "env": dict(bridge), "trust": True}},
        "security": {"auth": {"selectedType": "gemini-api-key"}, "folderTrust": {"enabled": False}},
        "telemetry": {"enabled": False},
        "privacy": {"usageStatisticsEnabled": False},
        "general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False},
    }
    return Settings(
        {".gemini/settings.json": json.dumps(settings)},
        {"GEMINI_API_KEY": KEY, "GOOGLE_GEMINI_BASE_URL": address},
        ("-m", "gemini-2.5-flash", "--approval-mode", "yolo", "-p", TASK),
    )


def opencode(address: str, bridge: Mapping[str, str]) -> Settings:
    model = {
        "name": "scripted",
        "attachment": True,
        "tool_call": True,
        "modalities": {"input": ["text", "image"], "output": ["text"]},
        "limit": {"context": 200_000, "output": 8_000},
    }
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "options": {"baseURL": f"{address}/v1", "apiKey": KEY},
        "models": {"scripted": model},
    }
    config = {
        "model": "house/scripted",
        "provider": {"house": provider},
        "mcp": {"bridge": {"type": "local", "command": [COMMAND], "environment": dict(bridge), "enabled": True}},
        "permission": "allow",
        "autoupdate": False,
        "share": "disabled",
    }
    return Settings(
        {".config/opencode/opencode.json": json.dumps(config)},
        QUIET,
        ("run", TASK),
    )


def copilot(address: str, bridge: Mapping[str, str]) -> Settings:
    server: dict[str, object] = {"type": "stdio", "command": COMMAND, "args": [], "tools": ["*"], "env": dict(bridge)}
    return Settings(
        {".copilot/mcp-config.json": json.dumps({"mcpServers": {"bridge": server}})},
        {
            "COPILOT_PROVIDER_BASE_URL": f"{address}/v1",
            "COPILOT_PROVIDER_API_KEY": KEY,
            "COPILOT_PROVIDER_WIRE_API": "responses",
            "COPILOT_MODEL": "gpt-5.4",
            "COPILOT_OFFLINE": "true",
            "COPILOT_AUTO_UPDATE": "false",
        },
        ("-p", TASK, "--allow-all-tools", "--disable-builtin-mcps"),
    )


def cline(address: str, bridge: Mapping[str, str]) -> Settings:
    provider = {"provider": "openai-compatible", "apiKey": KEY, "model": "scripted", "baseUrl": f"{address}/v1"}
    entry = {"settings": provider, "updatedAt": "2026-01-01T00:00:00.000Z", "tokenSource": "manual"}
    providers: dict[str, object] = {"version": 1, "lastUsedProvider": "openai-compatible", "modes": {}}
    server: dict[str, object] = {
        "transport": {"type": "stdio", "command": COMMAND, "args": [], "env": dict(bridge)},
        "timeout": 60,
    }
    folder = ".cline/data/settings"
    return Settings(
        {
            f"{folder}/providers.json": json.dumps(providers | {"providers": {"openai-compatible": entry}}),
            f"{folder}/cline_mcp_settings.json": json.dumps({"mcpServers": {"bridge": server}}),
        },
        {"CLINE_TELEMETRY_DISABLED": "1", "CLINE_NO_AUTO_UPDATE": "1"},
        (TASK,),
    )
