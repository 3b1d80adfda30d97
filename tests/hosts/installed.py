"""Agents of the command line that `bridge-mcp install` put the bridge into: each starts it by its own means.

What they start is looked at from inside: a program in the place of the command notes whether a secret that the
configuration names came to it, and goes on as the command.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.hosts.agents import proxies
from tests.hosts.installing import RUN_S, machine, node_folder, npm_modules, ran
from tests.hosts.settings import QUIET
from tests.hosts.stage import COMMAND

__all__ = ["INSTALLED", "InstalledHost"]

SECRET = "123456:a-token-that-nobody-may-see"
CONFIG = '[channels.family]\ntype = "telegram"\ntoken_env = "FAMILY_TOKEN"\n'
NOTING = """\
#!/bin/sh
[ "$FAMILY_TOKEN" = "{secret}" ] && touch {seen}
exec {command} "$@"
"""


def listed(words: list[str], folder: Path, variables: Mapping[str, str]) -> bool:
    """Whether the host lists it as connected."""
    done = subprocess.run(
        [*words, "mcp", "list"], cwd=folder, env=dict(variables), text=True, timeout=RUN_S, check=False,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    lines = [line.lower() for line in done.stdout.splitlines() if "bridge" in line]
    return any("connected" in line and "disconnected" not in line for line in lines)


def app_server(words: list[str], folder: Path, variables: Mapping[str, str]) -> bool:
    """Whether Codex tells the bridge's own name; its list of servers tells only what its settings say."""
    asked: list[dict[str, object]] = [
        {"id": 1, "method": "initialize", "params": {"clientInfo": {"name": "t", "title": "t", "version": "1"}}},
        {"method": "initialized"},
        {"id": 2, "method": "mcpServerStatus/list", "params": {}},
    ]
    with subprocess.Popen(
        [*words, "app-server"], cwd=folder, env=dict(variables), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("".join(json.dumps(each) + "\n" for each in asked))
        process.stdin.flush()
        for line in process.stdout:
            told = json.loads(line)
            if told.get("id") == 2:
                break
        else:
            return False
        process.terminate()
    return any(
        each["name"] == "bridge" and each["serverInfo"]["name"] == "bridge-mcp" for each in told["result"]["data"]
    )


@dataclass(frozen=True, slots=True)
class InstalledHost:
    """One host: what npm installs, its command there, its name for `install`, and how it is asked."""

    packages: tuple[str, ...]
    command: str
    name: str
    connected: Callable[[list[str], Path, Mapping[str, str]], bool] = listed
    before: tuple[str, str] = ("", "")
    """A file below the home, and what stands in it before the bridge is installed."""
    blind: bool = False

    def run(self, folder: Path, environment: Mapping[str, str]) -> dict[str, bool]:
        """Which checks hold."""
        modules = npm_modules(folder / "npm", self.packages)
        home, work = folder / "home", folder / "work"
        seen, noting = folder / "seen", folder / "bin" / "bridge-mcp"
        for each in (home, work, noting.parent):
            each.mkdir()
        config = folder / "family.toml"
        config.write_text(CONFIG, "utf-8")
        noting.write_text(NOTING.format(secret=SECRET, seen=seen, command=COMMAND), "utf-8")
        noting.chmod(0o755)
        file, text = self.before
        if file:
            (home / file).parent.mkdir(parents=True, exist_ok=True)
            (home / file).write_text(text, "utf-8")
        variables = {
            **machine(home, first=node_folder(modules)), **proxies(), **QUIET, "FAMILY_TOKEN": SECRET,
            "BRIDGE_MCP_STATE_DIR": environment["BRIDGE_MCP_STATE_DIR"],
        }  # fmt: skip
        ran([COMMAND, "install", self.name, "--config", str(config)], work, variables)
        written = [each for each in home.rglob("*") if each.is_file()]
        for each in written:
            each.write_bytes(each.read_bytes().replace(COMMAND.encode(), str(noting).encode()))
        connected = self.connected([str(modules / ".bin" / self.command)], work, variables)
        return {
            "connected": connected,
            "secret by name": seen.exists(),
            "no secret written": not any(SECRET.encode() in each.read_bytes() for each in written),
        }


TRUSTING = json.dumps({"security": {"folderTrust": {"enabled": False}}}, indent=2)
"""Gemini CLI starts no server in a folder that it does not trust."""

INSTALLED = {
    "claude-code-installed": InstalledHost(("@anthropic-ai/claude-code@2.1.332",), "claude", "claude-code"),
    "codex-installed": InstalledHost(("@openai/codex@0.171.0",), "codex", "codex", connected=app_server),
    "gemini-cli-installed": InstalledHost(
        ("@google/gemini-cli@0.61.0",), "gemini", "gemini", before=(".gemini/settings.json", TRUSTING)
    ),
    "opencode-installed": InstalledHost(("opencode-ai@1.18.33",), "opencode", "opencode"),
}
