"""Hooks of agents from npm: `bridge-mcp hook HOST --install`, a call that is approved, and one that is not.

The agent has a home of its own and a scripted model that asks for two shell commands. Nobody sits there, so all that
lets the first one run is a verdict in the bridge.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.hosts.agents import end_what_stayed, proxies, run_host
from tests.hosts.deciding import CONFIG, WHY, decide, engine, ran
from tests.hosts.installing import machine, node_folder, npm_modules
from tests.hosts.model.anthropic import Messages
from tests.hosts.model.calling import CallingModel
from tests.hosts.model.gemini import Gemini
from tests.hosts.model.responses import Responses
from tests.hosts.model.server import served
from tests.hosts.model.wire import Dialect
from tests.hosts.settings import Settings, claude_code, codex, copilot, gemini_cli

__all__ = ["HOOKS", "HookedAgent"]

ASKED, RAN, KEPT, REASON, TOLD = (
    "asked",
    "ran what was approved",
    "kept what was not",
    "gave the reason",
    "told the end",
)


@dataclass(frozen=True, slots=True)
class HookedAgent:
    """An agent of the command line, its shell, and how it is started so that only its hook asks."""

    packages: tuple[str, ...]
    command: str
    host: str
    dialect: Callable[[], Dialect]
    settings: Callable[[str, Mapping[str, str]], Settings]
    arguments: tuple[str, ...]
    tool: str
    called: Callable[[str], Mapping[str, Any]]
    """The arguments of its shell for a command line."""
    options: tuple[str, ...] = ()
    blind: bool = True

    def run(self, folder: Path, environment: Mapping[str, str]) -> dict[str, bool]:
        """Which checks hold."""
        (folder / "bridge" / "bridge.toml").write_text(CONFIG, "utf-8")
        modules = npm_modules(folder / "npm", self.packages)
        own = machine(folder / "home", first=node_folder(modules))
        bridge = {name: value for name, value in environment.items() if name.startswith("BRIDGE_MCP_")}
        return asyncio.run(self.play([str(modules / ".bin" / self.command)], folder, own | proxies(), bridge))

    async def play(
        self, command: list[str], folder: Path, own: Mapping[str, str], bridge: Mapping[str, str]
    ) -> dict[str, bool]:
        """Run the agent beside a bridge that is up, and decide on what its hook asks."""
        work = folder / "work"
        work.mkdir()
        commands = [self.called("touch approved.txt"), self.called("touch rejected.txt")]
        model = CallingModel(self.dialect(), [(self.tool, each) for each in commands])
        variables = {**own, **bridge}
        try:
            async with engine(variables), served(model) as address:
                settings = self.settings(address, bridge)
                for name, text in settings.files.items():
                    place = Path(own["HOME"]) / name
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.write_text(text, "utf-8")
                await ran(variables, "hook", self.host, "--install", *self.options)
                started = run_host([*command, *self.arguments], work, {**own, **settings.variables})
                agent = asyncio.create_task(started)
                first = await decide(variables, agent, "approve")
                second = await decide(variables, agent, "reject", WHY)
                code, told = await agent
        finally:
            end_what_stayed(own["HOME"])
        if code or len(model.shown) < len(commands):
            raise RuntimeError(f"it ended with {code} after {model.shown}:\n{told}")
        log = await ran(variables, "log", first["conversation"], "--json")
        last = json.loads(log.splitlines()[-1])
        return {
            ASKED: first["requested_by"] == second["requested_by"] == f"hook:{self.host}",
            RAN: (work / "approved.txt").exists(),
            KEPT: not (work / "rejected.txt").exists(),
            REASON: WHY in model.shown[1],
            TOLD: last["kind"] == "Finished" and last["entry"]["outcome"] == "ok",
        }


def line(command: str) -> dict[str, Any]:
    """The arguments of most shells."""
    return {"command": command, "description": "make a file"}


HOOKS: dict[str, HookedAgent] = {
    "claude-code-hook": HookedAgent(
        ("@anthropic-ai/claude-code@2.1.332",), "claude", "claude-code", Messages, settings=claude_code,
        arguments=("-p", "Do it."), tool="Bash", called=line,
    ),
    "codex-hook": HookedAgent(
        ("@openai/codex@0.171.0",), "codex", "codex", Responses, settings=codex,
        arguments=(
            "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox",
            "--dangerously-bypass-hook-trust", "Do it.",
        ),
        tool="exec_command", called=lambda command: {"cmd": command}, options=("--every-call",),
    ),
    "gemini-cli-hook": HookedAgent(
        ("@google/gemini-cli@0.61.0",), "gemini", "gemini", Gemini, settings=gemini_cli,
        arguments=("-m", "gemini-2.5-flash", "--approval-mode", "yolo", "-p", "Do it."),
        tool="run_shell_command", called=line,
    ),
    "copilot-hook": HookedAgent(
        ("@github/copilot@1.0.102",), "copilot", "copilot", Responses, settings=copilot,
        arguments=("-p", "Do it.", "--disable-builtin-mcps"), tool="bash", called=line,
    ),
}  # fmt: skip
