"""Run hosts and clients from PyPI and npm against the installed command: `python -m tests.hosts [NAME...]`.

Each gets an environment of its own, connects over stdio, relays a message, takes a turn through an approval and looks
at a picture. A host whose packages cannot be had is told as skipped, with the reason.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.hosts.loop import CHECKS, go
from tests.hosts.stage import COMMAND, set_up

HERE = Path(__file__).parent
INSTALL_S = 420
RUN_S = 180


class Skipped(Exception):
    """Why a host could not be tried."""


@dataclass(frozen=True, slots=True)
class PythonHost:
    """A client library: what pip installs, and the script that uses it."""

    packages: tuple[str, ...]
    script: str

    def run(self, folder: Path, environment: dict[str, str]) -> dict[str, bool]:
        """Which checks hold."""
        place = folder / "venv"
        venv.create(place, with_pip=True)
        python = place / "bin" / "python"
        install([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *self.packages])
        script = HERE / "scripts" / f"{self.script}.py"
        told = ran([str(python), str(script), str(HERE), COMMAND, json.dumps(environment)], folder)
        found: dict[str, bool] = json.loads(told.strip().splitlines()[-1])
        return found


class Inspector:
    """The MCP Inspector's command line, which starts the bridge anew for each call."""

    package = "@modelcontextprotocol/inspector"

    def run(self, folder: Path, environment: dict[str, str]) -> dict[str, bool]:
        """Which checks hold."""
        npm = shutil.which("npm")
        if npm is None:
            raise Skipped("there is no npm")
        install([npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), self.package])
        command = [str(folder / "node_modules" / ".bin" / "mcp-inspector"), "--cli"]
        command += [part for name, value in environment.items() for part in ("-e", f"{name}={value}")]
        command += [COMMAND]
        listed: dict[str, Any] = json.loads(ran([*command, "--method", "tools/list"], folder))

        async def call(tool: str, arguments: dict[str, Any]) -> tuple[str, bool]:
            given = [part for name, value in arguments.items() for part in ("--tool-arg", f"{name}={as_text(value)}")]
            told = ran([*command, "--method", "tools/call", "--tool-name", tool, *given], folder)
            blocks: list[dict[str, Any]] = json.loads(told)["content"]
            return blocks[0]["text"], any(block["type"] == "image" for block in blocks)

        return asyncio.run(go([tool["name"] for tool in listed["tools"]], call))


HOSTS: dict[str, PythonHost | Inspector] = {
    "mcp-1.9": PythonHost(("mcp==1.9.4",), "mcp_session"),
    "mcp-1": PythonHost(("mcp>=1.10,<2",), "mcp_session"),
    "mcp-2": PythonHost(("mcp>=2,<3",), "mcp_session"),
    "fastmcp-2": PythonHost(("fastmcp>=2,<3",), "fastmcp_client"),
    "fastmcp-4": PythonHost(("fastmcp>=4,<5",), "fastmcp_client"),
    "langchain": PythonHost(("langchain-mcp-adapters",), "langchain_tools"),
    "pydantic-ai": PythonHost(("pydantic-ai-slim[mcp]",), "pydantic_ai_tools"),
    "openai-agents": PythonHost(("openai-agents",), "openai_agents_tools"),
    "inspector": Inspector(),
}


def as_text(value: object) -> str:
    """An argument as the Inspector's command line takes it."""
    return value if isinstance(value, str) else json.dumps(value)


def install(command: Sequence[str]) -> None:
    """Install packages.

    Raises:
        Skipped: their registry is out of reach, or has none of them for this machine.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S, check=False)
    except subprocess.TimeoutExpired:
        raise Skipped(f"not installed within {INSTALL_S} s") from None
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise Skipped(f"cannot be installed: {' '.join(last)[:200]}")


def ran(command: Sequence[str], folder: Path) -> str:
    """What a command writes to standard output.

    Raises:
        RuntimeError: it failed; with the end of what it said.
    """
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG")}
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
        cwd=folder,
        env=kept | {"HOME": str(folder)},
    )
    if done.returncode:
        raise RuntimeError((done.stderr or done.stdout)[-1_500:])
    return done.stdout


def main(names: Sequence[str]) -> int:
    """0 where every check of every host that could be tried holds."""
    failed = 0
    for name in names or HOSTS:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            environment = set_up(folder / "bridge") | {"PATH": os.environ.get("PATH", os.defpath), "HOME": place}
            try:
                found = HOSTS[name].run(folder, environment)
                told = ", ".join(f"{check}: {'yes' if found[check] else 'NO'}" for check in CHECKS)
                failed += not all(found.values())
            except Skipped as exc:
                told = f"skipped, {exc}"
            except (RuntimeError, subprocess.TimeoutExpired, ValueError, KeyError, AssertionError) as exc:
                told = f"FAILED: {exc}"
                failed += 1
            sys.stdout.write(f"{name}: {told}\n")
            sys.stdout.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
