"""Two versions of the bridge on one store, as real processes: refused with the way out, and never called damage.

The older version is this one, the newer one this with a migration more: a release from the history would need its own
environment, and the history, which a checkout need not have.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

import bridge_mcp
from bridge_mcp.stores.sqlite.migrate import newest
from tests.acceptance.parts import Face, Home

pytestmark = pytest.mark.anyio

PACKAGE = Path(bridge_mcp.__file__).parent
MIGRATE = """
import sys
from pathlib import Path
from bridge_mcp.stores.sqlite.migrate import migrate
migrate(Path(sys.argv[1]))
"""


class Version:
    """The package in a folder of its own, with one migration more where it is the newer one."""

    def __init__(self, folder: Path, *, newer: bool) -> None:
        self.folder = folder
        shutil.copytree(PACKAGE, folder / "bridge_mcp")
        migrations = folder / "bridge_mcp" / "stores" / "sqlite" / "migrations"
        if newer:
            (migrations / f"{newest() + 1:04}_later.sql").write_text("CREATE TABLE later (id INTEGER PRIMARY KEY);")

    def done(self, home: Home, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *(["-m", "bridge_mcp"] if arguments[:1] != ("-c",) else []), *arguments]
        env = home.environment(PYTHONPATH=str(self.folder))
        return subprocess.run(
            command, input="", capture_output=True, text=True, timeout=60, cwd=home.work, env=env, check=False
        )

    @asynccontextmanager
    async def face(self, home: Home) -> AsyncGenerator[Face]:
        env = home.environment(PYTHONPATH=str(self.folder))
        child = StdioServerParameters(command=sys.executable, args=["-m", "bridge_mcp"], env=env, cwd=str(home.work))
        with (home.root / "stderr.log").open("a", encoding="utf-8") as log:
            async with Client(stdio_client(child, log)) as client:
                yield Face(client)


def refused(done: subprocess.CompletedProcess[str]) -> str:
    told = done.stdout + done.stderr
    assert done.returncode == 1, told
    assert "Traceback" not in told
    for word in ("damage", "backup", "malformed"):
        assert word not in told, told
    return told


@pytest.mark.slow
async def test_a_newer_version_leaves_a_running_engine_its_store_and_migrates_it_later(home: Home) -> None:
    older, newer = Version(home.root / "older", newer=False), Version(home.root / "newer", newer=True)
    home.scripted()
    async with older.face(home) as engine:
        await engine.engine_pid()
        turn = await engine.call("run_turn", conversation="desk/main", text="hello", wait_s=20)
        assert turn["text"] == "echo: hello"
        told = refused(newer.done(home, "status"))
        assert "older bridge_mcp, and the engine that works with it" in told
        assert "End that process" in told
        assert "End that process" in refused(newer.done(home, "migrate"))
        turn = await engine.call("run_turn", conversation="desk/main", text="again", wait_s=20)
        assert turn["text"] == "echo: again", "the engine goes on"
    done = newer.done(home, "log", "desk/main", "--verify")
    assert done.returncode == 0, done.stderr
    assert "echo: again" in done.stdout
    for arguments in (("status",), ("check",)):
        assert "Upgrade mcp-chat-bridge" in refused(older.done(home, *arguments)), arguments


async def test_an_engine_whose_store_was_migrated_says_so(home: Home) -> None:
    older, newer = Version(home.root / "older", newer=False), Version(home.root / "newer", newer=True)
    home.scripted()
    async with older.face(home) as engine:
        await engine.call("run_turn", conversation="desk/main", text="hello", wait_s=20)
        done = newer.done(home, "-c", MIGRATE, str(home.state / "bridge.db"))
        assert done.returncode == 0, done.stderr
        await anyio.sleep(0.5)  # the version is looked at some times a second
        with pytest.raises(AssertionError, match=r"schema version.*Upgrade"):
            await engine.call("send_message", conversation="desk/main", text="lost?")
    done = newer.done(home, "log", "desk/main", "--verify")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "lost?" not in done.stdout, "nothing is written by who does not know the schema"
