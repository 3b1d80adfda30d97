"""The installed command in folders of its own: run once, or kept up as a face with a client on its pipe."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TextIO

import anyio
import anyio.abc
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, get_default_environment, stdio_client

from tests.servers import files_server

COMMAND = str(Path(sys.executable).with_name("bridge-mcp"))
WAIT_S = 30.0
"""How long a test waits for one thing before it fails."""

SCRIPTED = """\
[models.default]
model = "scripted"
script = "rules.toml"
[channels.desk]
type = "local"
[channels.plain]
type = "local"
tool_servers = []
[tool_servers.files]
command = {python}
args = ["-IS", {server}, {files}, "--count", {effects}]
"""

RULES = """\
[[rule]]
when = "^delete (?P<file>.+)$"
call = [{ tool = "files__delete_file", arguments = { path = "{file}" } }]
[[rule]]
on = "result"
say = "{text}"
[default]
say = "echo: {text}"
"""


class Home:
    """An owner's folders, without anything of the machine's own settings."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.work = root / "work"
        self.state = root / "state"
        self.config = root / "config" / "bridge-mcp" / "bridge.toml"
        """The owner's own settings, which every command finds."""
        self.work.mkdir()
        self.config.parent.mkdir(parents=True)

    def environment(self, **more: str) -> dict[str, str]:
        own = {
            "HOME": str(self.root),
            "XDG_CONFIG_HOME": str(self.root / "config"),
            "BRIDGE_MCP_STATE_DIR": str(self.state),
        }
        return get_default_environment() | own | more

    def write(self, text: str) -> None:
        self.config.write_text(text, "utf-8")

    def scripted(self, more: str = "") -> None:
        """A local channel `desk`, an assistant that echoes and deletes what it is asked to, and a files server.

        On the channel `plain` the assistant has no tools.
        """
        (self.work / "files").mkdir()
        (self.config.parent / "rules.toml").write_text(RULES, "utf-8")
        named = {
            "python": sys.executable,
            "server": files_server.__file__,
            "files": str(self.work / "files"),
            "effects": str(self.work / "effects"),
        }
        self.write(SCRIPTED.format(**{key: json.dumps(value) for key, value in named.items()}) + more)

    def run(self, *arguments: str, stdin: str = "", code: int = 0, **env: str) -> str:
        """Run a command to its end; what it printed. Its exit code must be `code`."""
        done = self.done(*arguments, stdin=stdin, **env)
        assert done.returncode == code, f"{arguments}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr, done.stderr
        return done.stdout if code == 0 else done.stdout + done.stderr

    def json(self, *arguments: str, code: int = 0, **env: str) -> Any:
        """What a command prints with --json, as a value."""
        done = self.done(*arguments, "--json", **env)
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout)

    def done(self, *arguments: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [COMMAND, *arguments], input=stdin, capture_output=True, text=True, encoding="utf-8", timeout=60,
            cwd=self.work, env=self.environment(**env), check=False,
        )  # fmt: skip


class Face:
    """One `bridge-mcp` on a pipe, and the published client at its other end."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.left = anyio.Event()

    async def call(self, tool: str, **arguments: Any) -> Any:
        """What a tool answers; an error is a failure of the test."""
        with anyio.fail_after(WAIT_S * 2):
            result = await self._client.call_tool(tool, arguments)
        assert not result.is_error, f"{tool}: {result.content}"
        return result.structured_content

    async def list_tools(self) -> list[str]:
        return [tool.name for tool in (await self._client.list_tools()).tools]

    async def is_engine(self) -> bool:
        return (await self.call("get_status"))["role"] == "engine"

    async def becomes_engine(self) -> None:
        """Wait until it is the engine; its process is named before it works."""
        with anyio.fail_after(WAIT_S):
            while True:
                if await self.is_engine():
                    return
                await anyio.sleep(0.01)

    async def engine_pid(self, *, other_than: int | None = None) -> int:
        """The process that is the engine, once it is another one than that."""
        with anyio.fail_after(WAIT_S):
            while True:
                pid = (await self.call("get_status"))["engine_pid"]
                if pid not in (None, other_than):
                    return int(pid)
                await anyio.sleep(0.01)

    def leave(self) -> None:
        """Let the client go, and with it the process."""
        self.left.set()


@asynccontextmanager
async def face(home: Home, *arguments: str, log: TextIO | None = None) -> AsyncGenerator[Face]:
    """A face for the time of a block. A process that was killed meanwhile is no error."""
    child = StdioServerParameters(command=COMMAND, args=list(arguments), env=home.environment(), cwd=str(home.work))
    with (home.root / "stderr.log").open("a", encoding="utf-8") as own:
        failure: BaseException | None = None
        async with Client(stdio_client(child, log or own)) as client:
            try:
                yield Face(client)
            except Exception as exc:  # not wrapped into a group by the client
                failure = exc
        if failure is not None:
            raise failure


async def stay(home: Home, *arguments: str, task_status: anyio.abc.TaskStatus[Face]) -> None:
    """A face that stays until it is let go, for `start` of a task group."""
    async with face(home, *arguments) as here:
        await here.list_tools()
        task_status.started(here)
        await here.left.wait()


def processes_in(folder: Path) -> list[int]:
    """Processes whose command line names this folder."""
    found: list[int] = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if os.fsencode(folder) in entry.read_bytes():
                found.append(int(entry.parent.name))
        except OSError:
            continue
    return found
