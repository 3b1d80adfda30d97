"""Starts a bundle as its host does: unpacked, by the command of its manifest, and lists its tools."""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from pathlib import Path

import anyio
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

__all__ = ["tools_of"]

START_S = 600
"""Seconds for the first start: `uv` gets what the bridge needs."""


def tools_of(bundle: Path) -> list[str]:
    """The names of the tools that a bundle has, with nothing filled in of what its user may fill in."""
    with tempfile.TemporaryDirectory() as name:
        with zipfile.ZipFile(bundle) as archive:
            archive.extractall(name)
        config = json.loads((Path(name) / "manifest.json").read_text("utf-8"))["server"]["mcp_config"]
        own = {"XDG_CONFIG_HOME": name, "BRIDGE_MCP_STATE_DIR": f"{name}/state"}
        server = StdioServerParameters(
            command=config["command"],
            args=[each.replace("${__dirname}", name) for each in config["args"]],
            env={**os.environ, **dict.fromkeys(config["env"], ""), **own},  # `uv` has settings of its own there
        )
        return anyio.run(listed, server)


async def listed(server: StdioServerParameters) -> list[str]:
    with anyio.fail_after(START_S):
        async with Client(stdio_client(server)) as client:
            return [tool.name for tool in (await client.list_tools()).tools]
