"""The real command behind a bot on Telegram, killed at random moments: each message is answered once, or reported.

A message whose sending a kill cut short may or may not have reached its chat: then the log says `uncertain`, and
nothing is sent again.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from subprocess import DEVNULL

import anyio
import anyio.abc
import pytest

from bridge_mcp.assembly import Assembly, open_bridge
from bridge_mcp.config import load_config
from bridge_mcp.core.entries import Delivered, Heard, Replied
from bridge_mcp.core.errors import NotFound
from bridge_mcp.service import OWNER
from bridge_mcp.stores.sqlite import verify
from tests.servers.telegram import TelegramServer, User

SHARE = 25
"""Messages between two kills."""
KILLS = 3
FULL_KILLS = 8
"""With the option `--full`."""

RULES = '[default]\nsay = "echo: {text}"\n'
CONFIG = """
[models.default]
model = "scripted"
script = "rules.toml"
[channels.family]
type = "telegram"
token_env = "FAMILY_TOKEN"
api_base_url = %s
"""


class Yard:
    """A state folder, and the processes that share it."""

    def __init__(self, folder: Path, server: TelegramServer) -> None:
        self.config = folder / "bridge.toml"
        self.env = {**os.environ, "BRIDGE_MCP_STATE_DIR": str(folder / "state"), "FAMILY_TOKEN": server.token}
        self.engines: dict[int, anyio.abc.Process] = {}
        (folder / "rules.toml").write_text(RULES)
        self.config.write_text(CONFIG % json.dumps(server.url))

    async def start(self) -> None:
        """One more process that is the engine, or stands by for it."""
        command = [sys.executable, "-m", "bridge_mcp", "serve", "--config", str(self.config), "--log-level", "error"]
        process = await anyio.open_process(command, env=self.env, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL)
        self.engines[process.pid] = process

    async def kill(self, pid: int) -> None:
        self.engines[pid].send_signal(signal.SIGKILL)
        await self.engines.pop(pid).wait()

    async def engine(self, face: Assembly) -> int:
        """The process that is the engine now, once one of ours is."""
        with anyio.fail_after(60), closing(face.store.agenda.watch()) as changes:
            while True:
                pid = (await face.bridge.get_status(OWNER)).engine_pid
                if pid in self.engines:
                    return pid
                await changes.wait(1)


@asynccontextmanager
async def yard(folder: Path, server: TelegramServer) -> AsyncGenerator[tuple[Yard, Assembly]]:
    made = Yard(folder, server)
    async with open_bridge(load_config(made.config, env=made.env), engine="never") as face:
        try:
            yield made, face
        finally:
            for pid in tuple(made.engines):
                await made.kill(pid)


def conversation(user: User) -> str:
    return f"family/{user.id}"


async def outcome(face: Assembly, user: User) -> Delivered | None:
    """What the log says of the answer to somebody's message, once it says something."""
    try:
        entries = [logged.entry for logged in await face.bridge.read_log(OWNER, conversation(user))]
    except NotFound:  # not heard yet
        return None
    return next((entry for entry in entries if isinstance(entry, Delivered)), None)


@pytest.mark.shows("store.kills")
@pytest.mark.slow
async def test_messages_over_kills_at_random_moments(tmp_path: Path, full: bool) -> None:
    kills = FULL_KILLS if full else KILLS
    seed = random.randrange(1_000_000)
    dice = random.Random(seed)
    with TelegramServer() as server:
        people = [server.user(f"P{number}") for number in range(kills * SHARE)]
        async with yard(tmp_path, server) as (made, face):
            for user in people:
                await face.bridge.pair_chat(OWNER, channel="family", chat=str(user.id))
            await made.start()
            for kill in range(kills):
                await made.start()
                pid = await made.engine(face)
                seen = len(server.calls("sendMessage"))
                for user in people[kill * SHARE : (kill + 1) * SHARE]:
                    await user.sends(user.dm, f"hello {user.id}")
                # Somewhere between the first update and the last answer of this share.
                enough = seen + dice.randrange(SHARE)
                await server.until(lambda count=enough: len(server.calls("sendMessage")) > count, timeout_s=60)
                await anyio.sleep(dice.uniform(0, 0.02))
                await made.kill(pid)
            found = {user: await settled(face, user) for user in people}
            wrong = [line for user in people for line in await findings(face, user, found[user])]
            wrong += verify(face.config.store_path)
        assert wrong == [], f"seed {seed}"
        uncertain = sum(each.status == "uncertain" for each in found.values())
        assert uncertain < len(people) / 2, f"seed {seed}: {uncertain} of {len(people)} are uncertain"


async def settled(face: Assembly, user: User) -> Delivered:
    """Wait for what became of the answer to somebody's message."""
    with anyio.fail_after(60), closing(face.store.agenda.watch()) as changes:
        while True:
            if delivered := await outcome(face, user):
                return delivered
            await changes.wait(1)


async def findings(face: Assembly, user: User, delivered: Delivered) -> list[str]:
    """What is wrong with one chat."""
    entries = [logged.entry for logged in await face.bridge.read_log(OWNER, conversation(user))]
    there = [message.text for message in user.dm.bot_messages]
    kinds = {kind: sum(isinstance(entry, kind) for entry in entries) for kind in (Heard, Replied, Delivered)}
    found = [f"{kind.__name__} {count} times in {user.name}" for kind, count in kinds.items() if count != 1]
    answer = [f"echo: hello {user.id}"]
    fine = there == answer if delivered.status == "sent" else there in (answer, [])
    return found if fine else [*found, f"{user.name}, {delivered.status}: {there}"]
