"""The registry's `server.json`, held to its schema.

`server-2025-12-11.schema.json` is https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json, as the
MCP registry (https://github.com/modelcontextprotocol/registry) released it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import jsonschema_rs

from tests.release.bundle import project

__all__ = ["ENVIRONMENT", "Release", "complaints", "mcp_name", "server_json"]

SCHEMA = Path(__file__).with_name("server-2025-12-11.schema.json")
LONGEST = 100
"""Characters of a description."""


def variable(name: str, description: str, *, secret: bool = False) -> dict[str, object]:
    return {"name": name, "description": description, "isRequired": False, "isSecret": secret, "format": "string"}


ENVIRONMENT = (
    variable(
        "TELEGRAM_BOT_TOKEN", "The token of a Telegram bot, from @BotFather; without it there is no bot.", secret=True
    ),
    variable("BRIDGE_MCP_MODEL", "The model that answers in chats; without it the host's own does."),
    variable("BRIDGE_MCP_CONFIG", "The path of a configuration; without it the user's own one is read."),
)


@dataclass(frozen=True, slots=True)
class Release:
    """What is known of a release."""

    owner: str
    """Of the repository, on GitHub."""
    repository: str
    """Its address."""
    bundle: Path | None = None
    bundle_url: str = ""
    """Where the bundle can be had."""
    index_name: str = ""
    """The name on PyPI, once it is known to be ours; else no package of an index is named."""


def mcp_name(release: Release) -> str:
    """The server's name in the registry."""
    return f"io.github.{release.owner}/bridge-mcp"


def server_json(release: Release) -> dict[str, object]:
    """What the registry is told.

    Raises:
        ValueError: there is nothing that could be installed, or it is not what the schema wants.
    """
    said = project()
    packages: list[dict[str, object]] = []
    common = {"version": said["version"], "transport": {"type": "stdio"}, "environmentVariables": [*ENVIRONMENT]}
    if release.bundle is not None:
        digest = hashlib.sha256(release.bundle.read_bytes()).hexdigest()
        packages.append({"registryType": "mcpb", "identifier": release.bundle_url, "fileSha256": digest, **common})
    if release.index_name:
        packages.append({"registryType": "pypi", "identifier": release.index_name, "runtimeHint": "uvx", **common})
    if not packages:
        raise ValueError("There is nothing to install: name a bundle and its address, or the name on the index.")
    made: dict[str, object] = {
        "$schema": json.loads(SCHEMA.read_text("utf-8"))["$id"],
        "name": mcp_name(release),
        "title": "bridge-mcp",
        "description": "Connects AI agents to chats, gives them tools, and lets people decide which calls may run.",
        "version": said["version"],
        "repository": {"url": release.repository, "source": "github"},
        "packages": packages,
    }
    if wrong := complaints(made):
        raise ValueError("\n".join(wrong))
    return made


def complaints(made: object) -> list[str]:
    """What the schema says against a `server.json`."""
    validator = jsonschema_rs.validator_for(json.loads(SCHEMA.read_text("utf-8")))
    return [f"{'/'.join(map(str, each.instance_path))}: {each.message}" for each in validator.iter_errors(made)]
