"""Client libraries from PyPI, each by a script of its own, and the MCP Inspector's command line from npm."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.hosts.installing import machine, node_folder, npm_modules, python_of, ran
from tests.hosts.loop import go
from tests.hosts.stage import COMMAND

__all__ = ["CLIENTS", "Inspector", "PythonHost"]

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class PythonHost:
    """A client library: what pip installs, and the script that uses it."""

    packages: tuple[str, ...]
    script: str
    blind: bool = False

    def run(self, folder: Path, environment: Mapping[str, str]) -> dict[str, bool]:
        """Which checks hold."""
        python = python_of(folder / "venv", self.packages)
        script = HERE / "scripts" / f"{self.script}.py"
        told = ran([python, str(script), str(HERE), COMMAND, json.dumps(dict(environment))], folder)
        found: dict[str, bool] = json.loads(told.strip().splitlines()[-1])
        return found


@dataclass(frozen=True, slots=True)
class Inspector:
    """The MCP Inspector's command line, which starts the bridge anew for each call."""

    packages: tuple[str, ...]
    blind: bool = False

    def run(self, folder: Path, environment: Mapping[str, str]) -> dict[str, bool]:
        """Which checks hold."""
        modules = npm_modules(folder, self.packages)
        own = machine(folder, first=node_folder(modules))
        command = [str(modules / ".bin" / "mcp-inspector"), "--cli"]
        command += [part for name, value in environment.items() for part in ("-e", f"{name}={value}")]
        command += [COMMAND]
        listed: dict[str, Any] = json.loads(ran([*command, "--method", "tools/list"], folder, own))

        async def call(tool: str, arguments: dict[str, Any]) -> tuple[str, bool]:
            given = [part for name, value in arguments.items() for part in ("--tool-arg", f"{name}={as_text(value)}")]
            told = ran([*command, "--method", "tools/call", "--tool-name", tool, *given], folder, own)
            blocks: list[dict[str, Any]] = json.loads(told)["content"]
            return blocks[0]["text"], any(block["type"] == "image" for block in blocks)

        return asyncio.run(go([tool["name"] for tool in listed["tools"]], call))


CLIENTS: dict[str, PythonHost | Inspector] = {
    "mcp-1.9": PythonHost(("mcp==1.9.4", "pydantic<2.12"), "mcp_session"),
    "mcp-1": PythonHost(("mcp==1.30.0",), "mcp_session"),
    "mcp-2": PythonHost(("mcp==2.3.0",), "mcp_session"),
    "fastmcp-2": PythonHost(("fastmcp==2.14.7",), "fastmcp_client"),
    "fastmcp-3": PythonHost(("fastmcp==3.4.11",), "fastmcp_client"),
    "fastmcp-4": PythonHost(("fastmcp==4.2.3",), "fastmcp_client"),
    "inspector": Inspector(("@modelcontextprotocol/inspector@2.12.0",)),
}


def as_text(value: object) -> str:
    """An argument as the Inspector's command line takes it."""
    return value if isinstance(value, str) else json.dumps(value)
