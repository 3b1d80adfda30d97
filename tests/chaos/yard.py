"""Workers as processes on one Postgres, beside a Bot API server, and a face of the bridge in this process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import DEVNULL, PIPE

import anyio
import psycopg

from bridge_mcp.assembly import WallClock, make_channels, make_roster
from bridge_mcp.config import load_config
from bridge_mcp.service import Bridge
from bridge_mcp.stores.postgres.store import open_store
from bridge_mcp.toolservers.schemas import Schemas
from tests.servers import files_server
from tests.servers.postgres import PostgresServer
from tests.servers.telegram import TelegramServer

__all__ = ["Child", "Yard", "face_of"]

READY = b"This worker is up"
PATIENCE_S = 60.0
LOUD = bool(os.environ.get("CHAOS_LOUD"))
"""Whether what workers say is passed on."""

RULES = """
[[rule]]
when = "job (?P<file>\\\\S+)"
call = [{ tool = "files__delete_file", arguments = { path = "{file}" } }]

[[rule]]
on = "result"
tool = "files__delete_file"
say = "Finished: {text}"

[default]
say = "echo: {text}"
"""

CONFIG = """
[store]
url_env = "YARD_DATABASE"
[models.default]
model = "scripted"
script = "rules.toml"
[channels.family]
type = "telegram"
token_env = "FAMILY_TOKEN"
api_base_url = %s
responder = "assistant"
[channels.local]
type = "local"
responder = "assistant"
[approvals]
expires_s = 0
[tool_servers.files]
command = %s
args = ["-IS", %s, "--count", %s, %s]
"""


@dataclass(eq=False)
class Child:
    """One worker."""

    process: asyncio.subprocess.Process
    began: float = field(default_factory=time.monotonic)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    said: bytearray = field(default_factory=bytearray)
    stopped: bool = False
    """It is stopped, and will go on."""
    behind: bool = False
    """It reaches Postgres by the way that is cut."""

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    async def listen(self) -> None:
        """Hear what it says, to its end."""
        assert self.process.stderr is not None
        while line := await self.process.stderr.readline():
            self.said += line
            if LOUD:
                sys.stderr.write(f"{self.pid}: {line.decode(errors='replace')}")
            if READY in line:
                self.ready.set()


class Yard:
    """A folder, and the processes that work in it."""

    def __init__(self, folder: Path, server: TelegramServer, postgres: PostgresServer) -> None:
        self.files, self.effects, self.config = folder / "files", folder / "effects.txt", folder / "bridge.toml"
        self.files.mkdir()
        self.effects.touch()
        (folder / "rules.toml").write_text(RULES)
        given = [server.url, sys.executable, files_server.__file__, str(self.effects), str(self.files)]
        self.config.write_text(CONFIG % tuple(json.dumps(each) for each in given))
        self.postgres = postgres
        self.database = postgres.served.create()
        self.env = {
            **os.environ,
            "BRIDGE_MCP_STATE_DIR": str(folder / "state"),
            "FAMILY_TOKEN": server.token,
            "YARD_DATABASE": self.database.tcp_url,
        }
        self.workers: list[Child] = []
        self.gone: list[Child] = []
        self._hearing: set[asyncio.Task[None]] = set()

    async def start(self, *options: str, port: int | None = None) -> Child:
        """One more worker; with `port`, it reaches Postgres there."""
        command = [sys.executable, "-m", "bridge_mcp", "worker", "--config", str(self.config), *options]
        env = self.env
        if port is not None:
            env = {**env, "YARD_DATABASE": self.database.tcp_url.replace(f":{self.postgres.served.port}/", f":{port}/")}
        process = await asyncio.create_subprocess_exec(*command, env=env, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE)
        child = Child(process, behind=port is not None)
        self.workers.append(child)
        hearing = asyncio.create_task(child.listen())
        self._hearing.add(hearing)
        hearing.add_done_callback(self._hearing.discard)
        return child

    async def ready(self, count: int = 1) -> list[Child]:
        """Wait until so many workers drive, and are not stopped; those."""
        with anyio.fail_after(PATIENCE_S):
            while True:
                there = [
                    each
                    for each in self.workers
                    if each.ready.is_set() and each.process.returncode is None and not each.stopped
                ]
                if len(there) >= count:
                    return there
                await anyio.sleep(0.05)

    async def kill(self, child: Child) -> None:
        """SIGKILL, as the system does it when memory is short."""
        self.workers.remove(child)
        self.gone.append(child)
        with suppress(ProcessLookupError):
            child.process.send_signal(signal.SIGKILL)
        await child.process.wait()

    def ended(self) -> list[str]:
        """The workers that ended by themselves, with the last that they said: none should."""
        return [
            f"worker {each.pid} ended by itself: {each.said[-2000:].decode(errors='replace')}"
            for each in self.workers
            if each.process.returncode is not None
        ]

    async def end(self) -> None:
        """End all that is left."""
        for child in tuple(self.workers):
            await self.kill(child)
        await asyncio.gather(*self._hearing, return_exceptions=True)

    def holders(self) -> dict[str, tuple[str, int]]:
        """By lease: its holder and fencing number; {} while Postgres is away."""
        try:
            with psycopg.connect(self.database.url, connect_timeout=2) as connection:
                rows = connection.execute("SELECT name, holder, fence FROM leases").fetchall()
        except psycopg.Error:
            return {}
        return {name: (holder, fence) for name, holder, fence in rows}

    def owner(self, lease: str) -> Child | None:
        """The worker that holds a lease, as far as is known."""
        holder, _ = self.holders().get(lease, ("", 0))
        return next((each for each in self.workers if holder.endswith(f":{each.pid}")), None)

    def jobs(self) -> int:
        """How many jobs there are, waiting or under way."""
        with self.database.connect() as connection:
            row = connection.execute("SELECT count(*) FROM procrastinate_jobs").fetchone()
        return 0 if row is None else int(row[0])


@asynccontextmanager
async def face_of(yard: Yard) -> AsyncGenerator[Bridge]:
    """The bridge as a face has it, in this process."""
    config, clock, schemas = load_config(yard.config, env=yard.env), WallClock(), Schemas()
    roster = make_roster(config, make_channels(config.channels, clock))
    store = await open_store(config.store.url, clock=clock, delivered_by_commit=roster.delivered_by_commit)
    try:
        yield Bridge(store, roster.rules, roster.traits, clock=clock, check=schemas.complaint, settings=roster.own)
    finally:
        await schemas.close()
        await store.close()
