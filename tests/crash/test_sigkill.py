"""The real command, killed at random moments at work: nothing runs twice or unasked, nothing is lost or stuck."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from subprocess import DEVNULL

import anyio
import anyio.abc
import pytest

from bridge_mcp.assembly import Assembly, open_bridge
from bridge_mcp.config import load_config
from bridge_mcp.core.entries import Finished, Judged, Replied, Started
from bridge_mcp.core.errors import AlreadyDecided
from bridge_mcp.service import OWNER, Bridge
from bridge_mcp.stores.sqlite import verify
from tests.servers import files_server

KILLS = 10
FULL_KILLS = 50
"""With the option `--full`."""
JOBS_A_ROUND = 3

RULES = """
[[rule]]
when = "job (?P<file>\\\\S+)"
call = [
    { tool = "files__list_files" },
    { tool = "files__delete_file", arguments = { path = "{file}" } },
]

[[rule]]
on = "result"
tool = "files__delete_file"
say = "Finished: {text}"
"""

CONFIG = """
[models.default]
model = "scripted"
script = "rules.toml"

[channels.local]
type = "local"
responder = "assistant"

[approvals]
expires_s = 0

[tool_servers.files]
command = %s
args = ["-IS", %s, "--count", %s, %s]
"""


class Yard:
    """A state folder, and the processes that share it."""

    def __init__(self, folder: Path) -> None:
        self.files = folder / "files"
        self.effects = folder / "effects.txt"
        self.config = folder / "bridge.toml"
        self.env = {**os.environ, "BRIDGE_MCP_STATE_DIR": str(folder / "state"), "BRIDGE_MCP_CONFIG": str(self.config)}
        self.engines: dict[int, anyio.abc.Process] = {}
        self.files.mkdir()
        self.effects.touch()
        (folder / "rules.toml").write_text(RULES)
        given = [sys.executable, files_server.__file__, str(self.effects), str(self.files)]
        self.config.write_text(CONFIG % tuple(json.dumps(each) for each in given))

    async def start(self) -> None:
        """One more process that is the engine, or stands by for it."""
        command = [sys.executable, "-m", "bridge_mcp", "serve", "--log-level", "error"]
        process = await anyio.open_process(command, env=self.env, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL)
        self.engines[process.pid] = process

    async def kill(self, pid: int) -> None:
        self.engines[pid].send_signal(signal.SIGKILL)
        await self.engines.pop(pid).wait()


@asynccontextmanager
async def yard(folder: Path) -> AsyncGenerator[tuple[Yard, Assembly]]:
    made = Yard(folder)
    async with open_bridge(load_config(made.config, env=made.env), engine="never") as face:
        try:
            yield made, face
        finally:
            for pid in tuple(made.engines):
                await made.kill(pid)


async def approve_everything(bridge: Bridge) -> None:
    """A supervisor that never sleeps, until cancelled."""
    cursor = 0
    while True:
        page = await bridge.wait_for_events(OWNER, after=cursor, types=["approval.requested"], timeout_s=20)
        cursor = page.cursor
        for event in page.events:
            try:
                await bridge.approve_call(OWNER, str(event.body["approval"]), digest=str(event.body["digest"]))
            except AlreadyDecided:
                continue


async def engine_of(made: Yard, bridge: Bridge) -> int:
    """The process that is the engine now, once one of ours is."""
    with anyio.fail_after(30):
        while True:
            with closing(bridge.store.agenda.watch()) as changes:
                pid = (await bridge.get_status(OWNER)).engine_pid
                if pid in made.engines:
                    return pid
                await changes.wait(1)


async def some_commits(bridge: Bridge, dice: random.Random) -> None:
    """Let the engine get somewhere: a few commits, and then a moment that hits what comes after one, or within it."""
    with closing(bridge.store.agenda.watch()) as changes:
        for _ in range(dice.randint(1, 12)):
            if await changes.wait(1.5) == {}:
                break
        await anyio.sleep(dice.choice((0.0, dice.uniform(0, 0.05))))


@pytest.mark.shows("store.kills")
@pytest.mark.slow
async def test_kills_at_random_moments(tmp_path: Path, full: bool) -> None:
    seed = random.randrange(1_000_000)
    dice = random.Random(seed)
    tickets: dict[str, str] = {}
    async with yard(tmp_path) as (made, face), anyio.create_task_group() as tasks:
        bridge = face.bridge
        tasks.start_soon(approve_everything, bridge)
        await made.start()
        for number in range(FULL_KILLS if full else KILLS):
            await made.start()
            for job in range(JOBS_A_ROUND):
                name = f"file-{number}-{job}.txt"
                (made.files / name).write_text("x")
                message = await bridge.say(OWNER, f"local/{number}-{job}", f"job {name}")
                tickets[f"turn:{message}"] = name
            pid = await engine_of(made, bridge)
            await some_commits(bridge, dice)
            await made.kill(pid)
        with anyio.fail_after(120):
            for ticket in tickets:
                while (await bridge.wait_for(OWNER, ticket, timeout_s=20)).state == "open":
                    pass
        tasks.cancel_scope.cancel()
    found = await findings(made, tickets)
    assert found == [], f"seed {seed}"


async def findings(made: Yard, tickets: dict[str, str]) -> list[str]:
    """What went wrong, from the logs and from what the nested server says it did."""
    effects = Counter(made.effects.read_text().split("\n"))
    found = [f"done twice: {effect}" for effect, times in effects.items() if effect and times > 1]
    async with open_bridge(load_config(made.config, env=made.env), engine="never") as face:
        finished: set[str] = set()
        for ticket in tickets:
            conversation = ticket.removeprefix("turn:").partition("#")[0]
            entries = [logged.entry for logged in await face.bridge.read_log(OWNER, conversation)]
            approved = {e.call for e in entries if isinstance(e, Judged) and e.verdict == "approved"}
            calls = {c.id: c for e in entries if isinstance(e, Replied) for c in e.calls}
            outcomes = {e.call: e for e in entries if isinstance(e, Finished)}
            found += [f"no outcome: {call}" for call in calls if call not in outcomes]
            for e in entries:
                if isinstance(e, Started) and e.tool == "files__delete_file" and e.call not in approved:
                    found.append(f"begun without a verdict: {e.call}")
            for call, outcome in outcomes.items():
                if calls[call].tool == "files__delete_file":
                    path = str(json.loads(calls[call].arguments)["path"])
                    finished.add(path)
                    done = sum(times for effect, times in effects.items() if effect.endswith(path))
                    if outcome.outcome == "ok" and done != 1:
                        found.append(f"{path} is said to be gone, and was deleted {done} times")
        found += [f"never begun: {name}" for name in tickets.values() if name not in finished]
        found += verify(face.config.store_path)
    return found
