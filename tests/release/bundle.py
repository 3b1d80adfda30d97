"""An MCPB bundle of type `uv`: the wheel of this tree, the versions that were tried, and a manifest.

The form is that of https://github.com/modelcontextprotocol/mcpb (manifest 0.4, where `uv` is experimental). The host
runs `uv run` in the bundle's folder; the project there takes the wheel from the bundle itself, and nothing of its name
from an index.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

__all__ = ["ROOT", "build_wheel", "manifest", "write_bundle"]

ROOT = Path(__file__).parents[2]
WHEELS = "wheels"
MADE = (2026, 1, 1, 0, 0, 0)
"""The time of every file in a bundle, so that the same tree makes the same bytes."""
START = """\
\"\"\"Starts bridge-mcp over standard input and output.\"\"\"

import sys

from bridge_mcp.cli import main

sys.exit(main())
"""


def project() -> dict[str, str]:
    """Name, version and description, as `pyproject.toml` says them."""
    said = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return {key: str(said[key]) for key in ("name", "version", "description", "license", "requires-python")}


def build_wheel(folder: Path) -> Path:
    """The wheel of this tree."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def manifest() -> dict[str, object]:
    """The bundle's manifest.

    Every value that its user may leave out has an empty default: without one the host hands on the text of the
    reference itself.
    """
    said = project()
    return {
        "manifest_version": "0.4",
        "name": "bridge-mcp",
        "display_name": "bridge-mcp",
        "version": said["version"],
        "description": said["description"],
        "author": {"name": "bridge-mcp"},
        "license": said["license"],
        "keywords": ["chat", "telegram", "approvals", "agents"],
        "server": {
            "type": "uv",
            "entry_point": "server.py",
            "mcp_config": {
                "command": "uv",
                "args": ["run", "--quiet", "--directory", "${__dirname}", "server.py"],
                "env": {
                    "TELEGRAM_BOT_TOKEN": "${user_config.telegram_bot_token}",
                    "BRIDGE_MCP_MODEL": "${user_config.model}",
                    "OPENAI_API_KEY": "${user_config.openai_api_key}",
                    "BRIDGE_MCP_CONFIG": "${user_config.config}",
                },
            },
        },
        "user_config": {
            "telegram_bot_token": asked("Telegram bot token", "From @BotFather; empty: no bot.", sensitive=True),
            "model": asked("Model", "Who answers in chats, such as openai/gpt-5-mini; empty: this host's own model."),
            "openai_api_key": asked("OpenAI key", "For a model of OpenAI; empty: none.", sensitive=True),
            "config": asked("bridge.toml", "The whole path of a configuration; empty: your own one, if there is one."),
        },
        "compatibility": {
            "platforms": ["darwin", "linux", "win32"],
            "runtimes": {"python": said["requires-python"]},
        },
        "tools_generated": True,
        "prompts_generated": True,
    }


def asked(title: str, description: str, *, sensitive: bool = False) -> dict[str, object]:
    """A text that the host asks its user for."""
    found: dict[str, object] = {"type": "string", "title": title, "description": description, "required": False}
    return {**found, "default": "", **({"sensitive": True} if sensitive else {})}


def bundle_project(wheel: str) -> str:
    """The `pyproject.toml` in the bundle: the wheel beside it, with the versions of this tree's constraints."""
    said = project()
    lines = (ROOT / "tests" / "constraints.txt").read_text("utf-8").splitlines()
    pinned = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    return "\n".join(
        [
            "[project]",
            'name = "bundle"',
            f"version = {json.dumps(said['version'])}",
            f"requires-python = {json.dumps(said['requires-python'])}",
            f"dependencies = [{json.dumps(said['name'])}]",
            "",
            "[tool.uv]",
            "package = false",
            f"constraint-dependencies = {json.dumps(pinned, indent=2)}",
            "",
            "[tool.uv.sources]",
            f"{said['name']} = {{ path = {json.dumps(f'{WHEELS}/{wheel}')} }}",
            "",
        ]
    )


def write_bundle(target: Path, wheel: Path) -> None:
    """Write the bundle: a zip whose bytes depend on its contents alone."""
    files = {
        "manifest.json": json.dumps(manifest(), indent=2).encode(),
        "pyproject.toml": bundle_project(wheel.name).encode(),
        "server.py": START.encode(),
        f"{WHEELS}/{wheel.name}": wheel.read_bytes(),
    }
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, MADE), data, zipfile.ZIP_DEFLATED)
