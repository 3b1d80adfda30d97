"""Agents from npm whose settings have `bridge-mcp gate --` before the command of the official filesystem server.

The scripted model asks for a file to be read, which is free, and for two to be written: a person approves one in the
chat, and rejects the other on the command line. What the server behind the gate was given is recorded on its way in.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.hosts.agents import end_what_stayed, proxies, run_host
from tests.hosts.deciding import CONFIG, WHY, decide, engine, ran, waiting
from tests.hosts.installing import machine, node_folder, npm_modules
from tests.hosts.model.anthropic import Messages
from tests.hosts.model.calling import CallingModel
from tests.hosts.model.gemini import Gemini
from tests.hosts.model.responses import Responses
from tests.hosts.model.server import served
from tests.hosts.model.wire import Dialect
from tests.hosts.settings import TASK, Settings, claude_code, codex, gemini_cli
from tests.hosts.stage import COMMAND

__all__ = ["GATES", "GatedAgent"]

FILESYSTEM = "@modelcontextprotocol/server-filesystem@2026.8.31"
RECORDED = 'tee -a "$0" | "$1" "$2"'
"""Starts the server ("$1") with a file of every line that it reads."""
OURS = "notes[._]+"
"""What stands before a tool of the server, by whatever host: some have tools of their own with such names."""
LISTED, FREE, ASKED, ONCE, KEPT, REASON, TOLD = (
    "listed the server's own tools",
    "a free call ran unasked",
    "asked as the gate",
    "ran what was approved once",
    "kept what was not",
    "gave the reason",
    "told the end",
)


@dataclass(frozen=True, slots=True)
class GatedAgent:
    """An agent of the command line, and its settings with a gate in them, made from the model's address, the variables
    of the bridge and the gate's command."""

    packages: tuple[str, ...]
    command: str
    dialect: Callable[[], Dialect]
    settings: Callable[[str, Mapping[str, str], Sequence[str]], Settings]
    blind: bool = True

    def run(self, folder: Path, environment: Mapping[str, str]) -> dict[str, bool]:
        """Which checks hold."""
        (folder / "bridge" / "bridge.toml").write_text(CONFIG, "utf-8")
        modules = npm_modules(folder / "npm", self.packages)
        own = machine(folder / "home", first=node_folder(modules)) | proxies()
        bridge = {name: value for name, value in environment.items() if name.startswith("BRIDGE_MCP_")}
        return asyncio.run(self.play(modules / ".bin", folder, own, bridge))

    async def play(
        self, programs: Path, folder: Path, own: Mapping[str, str], bridge: Mapping[str, str]
    ) -> dict[str, bool]:
        """Run the agent beside a bridge that is up, and decide on what its gate asks."""
        work = folder / "work"
        work.mkdir()
        (work / "note.txt").write_text("The tide is out.\n", "utf-8")
        heard = folder / "heard.jsonl"
        server = ("sh", "-c", RECORDED, str(heard), str(programs / "mcp-server-filesystem"), str(work))
        calls = [(f"{OURS}read_text_file", {"path": str(work / "note.txt")})]
        calls += [
            (f"{OURS}write_file", {"path": str(work / name), "content": "B"}) for name in ("approved.txt", "no.txt")
        ]
        model = CallingModel(self.dialect(), calls)
        variables = {**own, **bridge}
        try:
            async with engine(variables), served(model) as address:
                gate = (COMMAND, "gate", "--name", "notes", "--", *server)
                settings = self.settings(address, bridge, gate)
                agent = asyncio.create_task(self.started(programs, work, own, settings))
                first = await waiting(variables, agent)
                await ran(variables, "chat", stdin=f"/approve {first['id']}\n")
                second = await decide(variables, agent, "reject", WHY)
                code, told = await agent
        finally:
            end_what_stayed(own["HOME"])
        if code or len(model.shown) < len(calls):
            raise RuntimeError(f"it ended with {code} after {model.shown}, offered {model.offered}:\n{told}")
        lines = [json.loads(line) for line in heard.read_text("utf-8").splitlines()]
        given = [line["params"]["arguments"]["path"] for line in lines if line.get("method") == "tools/call"]
        last = json.loads((await ran(variables, "log", first["conversation"], "--json")).splitlines()[-1])
        return {
            LISTED: any(name.endswith("move_file") for name in model.offered),
            FREE: "The tide is out." in model.shown[0],
            ASKED: first["requested_by"] == second["requested_by"] == "gate:notes",
            ONCE: (work / "approved.txt").exists() and given.count(str(work / "approved.txt")) == 1,
            KEPT: not (work / "no.txt").exists() and str(work / "no.txt") not in given,
            REASON: WHY in model.shown[2],
            TOLD: last["kind"] == "Collected",
        }

    async def started(
        self, programs: Path, work: Path, own: Mapping[str, str], settings: Settings
    ) -> tuple[int | None, str]:
        """Write its settings, and run it to its end."""
        for name, text in settings.files.items():
            place = Path(own["HOME"]) / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, "utf-8")
        command, variables = str(programs / self.command), {**own, **settings.variables}
        if settings.before:
            code, told = await run_host([command, *settings.before], work, variables)
            if code:
                raise RuntimeError(f"{' '.join(settings.before)}: {told}")
        return await run_host([command, *settings.arguments], work, variables)


def gated_claude_code(address: str, bridge: Mapping[str, str], gate: Sequence[str]) -> Settings:
    return replace(
        claude_code(address, bridge),
        before=("mcp", "add", "notes", "--", *gate),
        arguments=("-p", TASK, "--allowedTools", "mcp__notes"),
    )


def gated_codex(address: str, bridge: Mapping[str, str], gate: Sequence[str]) -> Settings:
    known = codex(address, bridge)
    own = [each for each in known.before if each.startswith("--env=")]
    arguments = (each.replace("mcp_servers.bridge.", "mcp_servers.notes.") for each in known.arguments)
    return replace(known, before=("mcp", "add", "notes", *own, "--", *gate), arguments=tuple(arguments))


def gated_gemini(address: str, bridge: Mapping[str, str], gate: Sequence[str]) -> Settings:
    known = gemini_cli(address, bridge)
    ((name, text),) = known.files.items()
    command, *arguments = gate
    server = {"command": command, "args": arguments, "env": dict(bridge), "trust": True}
    return replace(known, files={name: json.dumps({**json.loads(text), "mcpServers": {"notes": server}})})


GATES: dict[str, GatedAgent] = {
    "claude-code-gate": GatedAgent(
        ("@anthropic-ai/claude-code@2.1.332", FILESYSTEM), "claude", Messages, settings=gated_claude_code
    ),
    "codex-gate": GatedAgent(("@openai/codex@0.171.0", FILESYSTEM), "codex", Responses, settings=gated_codex),
    "gemini-cli-gate": GatedAgent(("@google/gemini-cli@0.61.0", FILESYSTEM), "gemini", Gemini, settings=gated_gemini),
}
