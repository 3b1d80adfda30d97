"""How tests start nested servers, alone and behind a box, and wait for what they do."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import Process

from bridge_mcp.assembly import WallClock
from bridge_mcp.core.attachments import attachment_kind
from bridge_mcp.core.entries import Attachment
from bridge_mcp.core.errors import BadInput
from bridge_mcp.core.tools import ToolSpec
from bridge_mcp.ports import KEPT
from bridge_mcp.toolservers.settings import ToolServer
from bridge_mcp.toolservers.toolbox import NestedToolbox

__all__ = [
    "PATIENCE_S",
    "ROOT",
    "MemoryFiles",
    "Opened",
    "WebServer",
    "alive",
    "descendants",
    "eventually",
    "lines_of",
    "module",
    "opened",
    "running_on_loopback",
]

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 30.0
"""How long anything may take before a test fails."""


def module(name: str, *args: str, server: str = "", **settings: Any) -> ToolServer:
    """`tests.servers.NAME` as a stdio server."""
    return ToolServer(
        server or name.replace("_", "-"),
        command=sys.executable,
        args=("-m", f"tests.servers.{name}", *args),
        cwd=str(ROOT),
        **settings,
    )


async def eventually(true: Callable[[], object], within_s: float = PATIENCE_S) -> None:
    """Wait until something outside of this process has come true: nothing here can be told of it."""
    with anyio.fail_after(within_s):
        while not true():  # noqa: ASYNC110 - see above
            await anyio.sleep(0.005)


def lines_of(path: Path) -> list[str]:
    """The lines of a file, none while there is no such file."""
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


@dataclass
class Opened:
    """A box, and a way to wait for its changes."""

    box: NestedToolbox
    changed: list[anyio.Event] = field(default_factory=lambda: [anyio.Event()])

    def note(self) -> None:
        """Something has changed."""
        self.changed[0].set()

    async def until(self, true: Callable[[], object], within_s: float = PATIENCE_S) -> None:
        """Wait until a change of the box has made this true."""
        with anyio.fail_after(within_s):
            while not true():
                self.changed[0] = anyio.Event()
                await self.changed[0].wait()

    def spec(self, tool: str) -> ToolSpec:
        """The tool of this name (its server's own)."""
        return next(spec for spec in self.box.tools() if spec.tool == tool)

    async def text(self, tool: str, **arguments: Any) -> str:
        """The text that a call gives."""
        return (await self.box.call(self.spec(tool), arguments)).text

    def state(self, server: str) -> str:
        """The state of one server."""
        return next(status.state for status in self.box.status() if status.name == server)

    def error(self, server: str) -> str:
        """What is wrong with one server."""
        return next(status.error for status in self.box.status() if status.name == server)


class MemoryFiles:
    """`Files` in memory, of `most` bytes each."""

    def __init__(self, most: int = 2_000_000) -> None:
        self.most = most
        self.kept: dict[str, bytes] = {}

    async def put(self, data: bytes, *, mime: str = "", name: str = "") -> Attachment:
        """See `ports.Files`."""
        if len(data) > self.most:
            raise BadInput(f"{len(data):,} bytes are too many.")
        ref = f"{KEPT}{len(self.kept)}"
        self.kept[ref] = data
        return Attachment(ref, attachment_kind(mime), mime, name=name, size=len(data))

    async def read(self, ref: str) -> bytes:
        """See `ports.Files`."""
        return self.kept[ref]


@asynccontextmanager
async def opened(*servers: ToolServer, **options: Any) -> AsyncGenerator[Opened]:
    """A box over these, once each of them has been connected or has failed."""
    waiting: list[Opened] = []
    options.setdefault("clock", WallClock())
    box = NestedToolbox(servers, on_change=lambda: waiting[0].note(), **options)
    waiting.append(Opened(box))
    async with box:
        await box.ready(frozenset(server.name for server in servers), PATIENCE_S)
        yield waiting[0]


@dataclass
class WebServer:
    """The workbench as a process of its own on loopback."""

    args: tuple[str, ...]
    port: int = 0
    process: Process | None = None
    module: str = "workbench"
    path: str = "/mcp"

    @property
    def url(self) -> str:
        """Its endpoint."""
        return f"http://127.0.0.1:{self.port}{self.path}"

    async def start(self) -> None:
        """Start it, on the port it had before if it had one."""
        command = [sys.executable, "-m", f"tests.servers.{self.module}", *self.args, "--http", str(self.port)]
        self.process = await anyio.open_process(command, cwd=ROOT, stdin=None, stderr=None)
        assert self.process.stdout is not None
        with anyio.fail_after(PATIENCE_S):
            self.port = int(await self.process.stdout.receive())

    async def kill(self) -> None:
        """End it at once."""
        if self.process is not None:
            self.process.kill()
            await self.process.aclose()
            self.process = None

    def settings(self, **settings: Any) -> ToolServer:
        """It as a tool server called "web"."""
        return ToolServer("web", url=self.url, **settings)


@asynccontextmanager
async def running_on_loopback(*args: str, module: str = "workbench") -> AsyncGenerator[WebServer]:
    """The workbench, or another module, over Streamable HTTP; with `--sse`, over the older SSE."""
    server = WebServer(args, module=module, path="/sse" if "--sse" in args else "/mcp")
    await server.start()
    try:
        yield server
    finally:
        with anyio.CancelScope(shield=True):
            await server.kill()


def processes() -> dict[int, int]:
    """The parent of every living process, without the one that lists them."""
    with subprocess.Popen(["ps", "-A", "-o", "pid=,ppid=,stat="], stdout=subprocess.PIPE, text=True) as listing:
        rows = [line.split() for line in listing.communicate()[0].splitlines()]
    return {int(pid): int(parent) for pid, parent, state in rows if state[0] != "Z" and int(pid) != listing.pid}


OTHERS: set[int] = set()
"""Processes that tests share (the server of forks, Postgres): what they start is nobody's descendant here."""


def descendants(process: int) -> set[int]:
    """The living processes that this one has started, and those that they have started, but for OTHERS."""
    parents = processes()
    found: set[int] = set()
    fresh = {process}
    while fresh:
        fresh = {pid for pid, parent in parents.items() if parent in fresh} - found - OTHERS
        found |= fresh
    return found


def alive(some: set[int]) -> set[int]:
    """Those of these processes that still run."""
    return some & set(processes())
