"""Agents of the command line from npm and of libraries from PyPI, each in a home of its own, with a scripted model.

They are told where the model is, that the bridge's tools may run unasked, and to send nothing to anybody else; what
they try all the same meets a proxy that is not there.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.hosts.installing import RUN_S, machine, node_folder, npm_modules, python_of
from tests.hosts.model.anthropic import Messages
from tests.hosts.model.chat import Completions
from tests.hosts.model.gemini import Gemini
from tests.hosts.model.responses import Responses
from tests.hosts.model.server import ScriptedModel, served
from tests.hosts.model.wire import Dialect
from tests.hosts.settings import Settings, claude_code, cline, codex, copilot, gemini_cli, opencode
from tests.hosts.stage import COMMAND

__all__ = ["AGENTS", "Agent", "PythonAgent"]

NOWHERE = "http://127.0.0.1:9"


@dataclass(frozen=True, slots=True)
class Agent:
    """A command-line agent: what npm installs, its command there, its model's dialect, and its settings."""

    packages: tuple[str, ...]
    command: str
    dialect: Callable[[], Dialect]
    settings: Callable[[str, Mapping[str, str]], Settings]
    """Made from the model's address and the variables of the bridge."""
    hidden: tuple[str, ...] = ()
    """Tools that it keeps from its model."""
    blind: bool = False
    """Whether its model gets no picture from any server, one that gives nothing else included."""

    def run(self, folder: Path, environment: Mapping[str, str]) -> dict[str, bool]:
        """Which checks hold."""
        modules = npm_modules(folder / "npm", self.packages)
        own = machine(folder / "home", first=node_folder(modules))
        return asyncio.run(self.play([str(modules / ".bin" / self.command)], folder, own, environment))

    async def play(
        self, command: list[str], folder: Path, own: Mapping[str, str], bridge: Mapping[str, str]
    ) -> dict[str, bool]:
        """Start the host beside its model, with the variables `own`, until it ends."""
        work = folder / "work"
        work.mkdir()
        model = ScriptedModel(self.dialect(), self.hidden)
        async with served(model) as address:
            settings = self.settings(address, bridge)
            for name, text in settings.files.items():
                place = Path(own["HOME"]) / name
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(text, "utf-8")
            path = f"{own['PATH']}{os.pathsep}{Path(COMMAND).parent}"
            variables = {**own, "PATH": path, **proxies(), **settings.variables}
            if settings.before and (done := await run_host([*command, *settings.before], work, variables))[0]:
                raise RuntimeError(f"{' '.join(settings.before)}: {done[1]}")
            try:
                code, told = await run_host([*command, *settings.arguments], work, variables)
            finally:
                end_what_stayed(own["HOME"])
            if model.script is None:
                raise RuntimeError(f"it offered its model none of the bridge's tools, {model.offered}:\n{told}")
            if not model.script.done():
                raise RuntimeError(f"it ended in the middle, with {code}, after {model.requests} requests:\n{told}")
            if code:
                raise RuntimeError(f"it ended with {code}:\n{told}")
            return await model.script


@dataclass(frozen=True, slots=True)
class PythonAgent:
    """An agent of a library: what pip installs, the script that is one, and its model's dialect."""

    packages: tuple[str, ...]
    script: str
    dialect: Callable[[], Dialect]
    blind: bool = False

    def run(self, folder: Path, environment: Mapping[str, str]) -> dict[str, bool]:
        """Which checks hold."""
        script = str(Path(__file__).parent / "scripts" / f"{self.script}.py")

        def settings(address: str, bridge: Mapping[str, str]) -> Settings:
            return Settings({}, {}, (script, address, COMMAND, json.dumps(dict(bridge))))

        python = python_of(folder / "venv", self.packages)
        agent = Agent((), python, self.dialect, settings=settings)
        return asyncio.run(agent.play([python], folder, machine(folder / "home"), environment))


async def run_host(command: list[str], folder: Path, environment: Mapping[str, str]) -> tuple[int | None, str]:
    """Its exit code (None where it was ended for taking too long) and the end of what it wrote."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=dict(environment),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    told = bytearray()
    try:
        async with asyncio.timeout(RUN_S):
            assert process.stdout is not None
            while block := await process.stdout.read(65_536):
                told += block
            await process.wait()
    except TimeoutError:
        told += f"\n(ended after {RUN_S} s)".encode()
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    return process.returncode, told[-2_000:].decode(errors="replace")


def end_what_stayed(home: str) -> None:
    """End the processes that live in a home, a daemon that a host left behind (Linux; elsewhere none is found)."""
    for place in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # it has ended, or is somebody else's
            if f"HOME={home}".encode() in place.read_bytes().split(b"\0"):
                os.kill(int(place.parent.name), signal.SIGKILL)


def proxies() -> dict[str, str]:
    """Variables that lead everything but this machine to nowhere."""
    found = {name: NOWHERE for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")} | {"NO_PROXY": "127.0.0.1,localhost"}
    return found | {name.lower(): value for name, value in found.items()}


AGENTS: dict[str, Agent | PythonAgent] = {
    "langchain": PythonAgent(
        ("langchain==1.5.2", "langchain-openai==1.7.4", "langchain-mcp-adapters==0.3.2"), "langchain_agent", Completions
    ),
    "pydantic-ai": PythonAgent(("pydantic-ai-slim[mcp,openai]==2.68.0",), "pydantic_ai_agent", Completions),
    "openai-agents": PythonAgent(("openai-agents==0.24.0",), "openai_agents_agent", Responses),
    "claude-code": Agent(("@anthropic-ai/claude-code@2.1.332",), "claude", Messages, settings=claude_code),
    "codex": Agent(("@openai/codex@0.171.0",), "codex", Responses, settings=codex),
    "gemini-cli": Agent(("@google/gemini-cli@0.61.0",), "gemini", Gemini, settings=gemini_cli, hidden=("ask_user",)),
    "copilot": Agent(("@github/copilot@1.0.102",), "copilot", Responses, settings=copilot, blind=True),
    "cline": Agent(("cline@3.0.65",), "cline", Completions, settings=cline, blind=True),
    "opencode": Agent(("opencode-ai@1.18.33",), "opencode", Completions, settings=opencode),
}
