"""A rolling upgrade by real workers on one Postgres: who drives, who refuses, who is told what, and nothing is lost."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from bridge_mcp import __version__
from bridge_mcp.assembly import open_bridge
from bridge_mcp.cli.database_findings import database_findings
from bridge_mcp.config import Config, load_config
from bridge_mcp.core.entries import Entry, Finished, Heard, Replied
from bridge_mcp.core.errors import StoreError
from bridge_mcp.ports import WorkerInfo
from bridge_mcp.service import OWNER, Bridge
from tests.acceptance.parts import COMMAND, Home
from tests.servers.postgres import Database

ROOT = Path(__file__).parents[2]
NEWER = "99.0.0"
OTHER_VERSION = (sys.executable, "-m", "tests.acceptance.other_version")
WAIT_S = 30.0
EVERY_S = 0.15
"""Between two messages."""


class Process:
    """A worker, and what it says."""

    def __init__(self, said: Path, command: list[str], env: dict[str, str]) -> None:
        self._said = said
        with said.open("w") as out:
            self.popen = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=out, cwd=ROOT, env=env
            )

    @property
    def name(self) -> str:
        return f":{self.popen.pid}"

    @property
    def said(self) -> str:
        return self._said.read_text("utf-8")

    async def says(self, pattern: str) -> re.Match[str]:
        """Wait until it says this."""
        with anyio.fail_after(WAIT_S):
            while (found := re.search(pattern, self.said)) is None:
                assert self.popen.poll() is None, f"it ended, and said: {self.said}"
                await anyio.sleep(0.02)  # another process's file has no event here
        return found

    async def ends(self) -> int:
        """Wait until it has ended; its exit code."""
        with anyio.fail_after(WAIT_S):
            while (code := self.popen.poll()) is None:  # noqa: ASYNC110
                await anyio.sleep(0.02)
        return code

    async def is_told_to_end(self) -> None:
        """SIGTERM; it ends as it should."""
        self.popen.send_signal(signal.SIGTERM)
        assert await self.ends() == 0, self.said
        assert "This worker has ended: nothing was left in the middle." in self.said


class Machines:
    """Workers of several versions and configurations on one database."""

    def __init__(self, home: Home, database: Database, stack: ExitStack) -> None:
        home.scripted()
        home.write('[store]\nurl_env = "STORE_URL"\n' + home.config.read_text("utf-8"))
        self.home = home
        self.url = database.tcp_url
        self.password = database.server.password
        self._stack = stack
        self._count = 0

    def start(self, version: str = "", config: Path | None = None) -> Process:
        """One more worker; "" is this version. A newer one may be one that migrates: "99.0.0 --migrates"."""
        self._count += 1
        command = [*OTHER_VERSION, *version.split()] if version else [COMMAND]
        named = ["--config", str(config)] if config else []
        env = self.home.environment(
            STORE_URL=self.url, BRIDGE_MCP_STATE_DIR=str(self.home.root / f"state-{self._count}")
        )
        process = Process(self.home.root / f"said-{self._count}", [*command, "worker", *named], env)
        self._stack.callback(process.popen.wait)
        self._stack.callback(process.popen.kill)
        return process

    def newer(self, *arguments: str) -> None:
        """Run a command of the newer version, which migrates."""
        command = [*OTHER_VERSION, NEWER, "--migrates", *arguments]
        env = self.home.environment(STORE_URL=self.url)
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr

    def other_config(self) -> Path:
        """The same settings in a file that is another one."""
        other = self.home.config.with_name("other.toml")
        other.write_text(self.home.config.read_text("utf-8") + "[approvals]\nexpires_s = 77\n", "utf-8")
        return other

    async def status(self) -> str:
        """What the command of this version prints."""
        return await anyio.to_thread.run_sync(partial(self.home.run, "status", STORE_URL=self.url))

    @property
    def config(self) -> Config:
        """The settings, as a process of this version reads them."""
        return load_config(env=self.home.environment(STORE_URL=self.url), cwd=self.home.work)

    @asynccontextmanager
    async def face(self) -> AsyncGenerator[Bridge]:
        """A face of this version, in this process."""
        async with open_bridge(self.config) as assembly:
            yield assembly.bridge


@pytest.fixture
def machines(home: Home, database: Database) -> Generator[Machines]:
    with ExitStack() as stack:
        yield Machines(home, database, stack)


class Talk:
    """Messages at each moment: now in one conversation, now in another."""

    def __init__(self, bridge: Bridge) -> None:
        self.bridge = bridge
        self.sent: list[tuple[str, str]] = []
        self.refused = 0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            place, text = f"desk/{len(self.sent) % 5}", f"m{len(self.sent)}"
            try:
                await self.bridge.say(OWNER, place, text)
                self.sent.append((place, text))
            except StoreError:
                self.refused += 1
            await anyio.sleep(EVERY_S)

    async def findings(self) -> list[str]:
        """What was not heard once and answered once, when all has come to rest."""
        places = dict.fromkeys(place for place, _ in self.sent)
        with anyio.fail_after(WAIT_S):
            while any([unanswered(await entries(self.bridge, place)) for place in places]):  # noqa: ASYNC110
                await anyio.sleep(0.05)
        found: list[str] = []
        for place in places:
            log = await entries(self.bridge, place)
            heard = [entry.text for _, entry in log if isinstance(entry, Heard)]
            if heard != (said := [text for where, text in self.sent if where == place]):
                found.append(f"{place}: heard {heard}, said {said}")
            found += [f"{place}: answered again at {seq}" for seq in answers_to_nothing(log)]
        return found


async def entries(bridge: Bridge, place: str) -> list[tuple[int, Entry]]:
    return [(each.seq, each.entry) for each in await bridge.store.log.load(place)]


def unanswered(log: list[tuple[int, Entry]]) -> bool:
    """Whether a message has no answer yet."""
    read = max((each.upto for _, each in log if isinstance(each, Replied) and not each.calls), default=-1)
    return any(isinstance(each, Heard) and seq > read for seq, each in log)


def answers_to_nothing(log: list[tuple[int, Entry]]) -> list[int]:
    """The answers that have read nothing that an earlier one had not."""
    found: list[int] = []
    upto = -1
    for at, reply in log:
        if isinstance(reply, Replied) and not reply.calls:
            if not any(isinstance(each, Heard) and upto < seq <= reply.upto for seq, each in log):
                found.append(at)
            upto = reply.upto
    return found


async def listed(bridge: Bridge, holds: Callable[[dict[str, WorkerInfo]], bool]) -> dict[str, WorkerInfo]:
    """The workers by `:PID`, as soon as that holds."""
    with anyio.fail_after(WAIT_S):
        while not holds(found := {f":{each.pid}": each for each in await bridge.store.workers.listed()}):  # noqa: ASYNC110
            await anyio.sleep(0.05)
    return found


def holders(seen: dict[str, WorkerInfo]) -> list[str]:
    """Those that hold what one worker holds."""
    return [name for name, each in seen.items() if each.holds]


@pytest.mark.shows("workers.rolling-upgrade")
async def test_new_workers_take_over_from_old_ones_and_each_message_is_answered_once(machines: Machines) -> None:
    """Then a worker with another configuration: it drives nothing until the last one with the old one has ended."""
    old = [machines.start(), machines.start()]
    for each in old:
        await each.says("This worker is up")
    async with machines.face() as bridge, anyio.create_task_group() as beside:
        talk = Talk(bridge)
        beside.start_soon(talk.run)
        (machines.home.work / "files" / "a").touch()
        await bridge.say(OWNER, "desk/asks", "delete a")
        with anyio.fail_after(WAIT_S):
            while not (waiting := await bridge.list_approvals(OWNER)):  # noqa: ASYNC110
                await anyio.sleep(0.05)

        new = machines.start(NEWER)
        await new.says("This worker is up")
        for each in old:
            told = await each.says(rf"Worker \S+{new.name} runs bridge_mcp {NEWER}, and this one (\S+): (.*)")
            assert told[1] == __version__
            assert told[2].startswith("it drives nothing beside a newer one. Update it, or stop it.")
        found = await listed(bridge, lambda seen: [*holders(seen)] == [new.name])
        assert {each.version for each in found.values()} == {__version__, NEWER}
        assert {name for name, each in found.items() if not each.refuses} == {new.name}
        assert (await machines.status()).count("Update it, or stop it") == 2
        wrong = [each.told async for each in database_findings(machines.config) if not each.fine]
        assert len(wrong) == 2
        assert all("Update it, or stop it" in each for each in wrong)

        await bridge.approve_call(OWNER, waiting[0].id, digest=waiting[0].digest)
        for each in old:
            await each.is_told_to_end()

        other = machines.start(config=machines.other_config(), version=NEWER)
        told = await other.says(rf"Worker \S+{new.name} runs the configuration \w+, and this one \w+: (.*)")
        assert "Start it with the same bridge.toml" in told[1]
        found = await listed(bridge, lambda seen: other.name in seen and bool(seen[other.name].refuses))
        assert not found[new.name].refuses
        assert "This worker is up" not in other.said
        await new.is_told_to_end()
        await other.says("This worker is up")
        await listed(bridge, lambda seen: [*seen] == [*holders(seen)] == [other.name])
        beside.cancel_scope.cancel()
        assert await talk.findings() == []
        (finished,) = [each for _, each in await entries(bridge, "desk/asks") if isinstance(each, Finished)]
        assert finished.outcome == "ok"
        assert talk.refused == 0
        assert (machines.home.work / "effects").read_text("utf-8").splitlines() == ["delete a"]
        for each in (*old, new, other):
            assert machines.password not in each.said


@pytest.mark.shows("workers.rolling-upgrade")
async def test_whoever_does_not_know_a_newer_schema_writes_nothing_and_says_so(machines: Machines) -> None:
    """A newer version migrates under an old worker and an old face: what was said is answered, by a newer worker."""
    old = machines.start()
    await old.says("This worker is up")
    async with machines.face() as bridge, anyio.create_task_group() as beside:
        talk = Talk(bridge)
        beside.start_soon(talk.run)
        await anyio.to_thread.run_sync(machines.newer, "migrate")
        with anyio.fail_after(WAIT_S):
            while not talk.refused:  # noqa: ASYNC110
                await anyio.sleep(0.05)
        beside.cancel_scope.cancel()
        await anyio.to_thread.run_sync(machines.newer, "say", "desk/late", "hello")
        assert await old.ends() == 1
        assert "was brought to schema version" in old.said
        assert old.said.endswith("Upgrade mcp-chat-bridge here too, then start it again.\n"), old.said
        assert "Traceback" not in old.said
        new = machines.start(f"{NEWER} --migrates")
        talk.sent.append(("desk/late", "hello"))
        assert await talk.findings() == []
        await new.is_told_to_end()
