"""The process that posts events, killed meanwhile: nothing is lost, and what comes again comes under its own id."""

from __future__ import annotations

import base64
import os
import random
import signal
import sys
from pathlib import Path
from subprocess import DEVNULL
from typing import Any

import anyio
import anyio.abc
import pytest
from mcp.client.client import Client

from bridge_mcp.assembly import open_bridge
from bridge_mcp.config import load_config
from bridge_mcp.server.app import always, build_server
from bridge_mcp.service import OWNER, Bridge
from tests.integration.test_mcp_events import ask, let_in
from tests.servers.webhook_receiver import Receiver, receiving

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
KILLS, FULL_KILLS = 4, 25
MESSAGES = 3
"""In each round."""

CONFIG = """\
[channels.local]
type = "local"
responder = "relay"
[events]
delivery = ["webhook"]
local_hosts = ["{host}"]
"""


async def engine(config: Path, env: dict[str, str]) -> anyio.abc.Process:
    command = [sys.executable, "-m", "bridge_mcp", "serve", "--log-level", "error", "--config", str(config)]
    return await anyio.open_process(command, env=env, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL)


async def killed(process: anyio.abc.Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGKILL)
        await process.wait()


@pytest.mark.shows("tools.events-webhooks")
@pytest.mark.slow
@pytest.mark.parametrize("moment", ["while the callback works", "as soon as it has answered"])
async def test_the_process_that_posts_is_killed(tmp_path: Path, full: bool, moment: str) -> None:
    seed = random.randrange(10**6)
    dice = random.Random(seed)
    kills = FULL_KILLS if full else KILLS
    async with receiving(SECRET) as receiver:
        config = tmp_path / "bridge.toml"
        config.write_text(CONFIG.format(host=receiver.url.split("/")[2]))
        env = {**os.environ, "BRIDGE_MCP_STATE_DIR": str(tmp_path / "state")}
        async with open_bridge(load_config(config, env=env), engine="never") as face:
            who = await let_in(face.bridge, "watcher")
            async with Client(build_server(face.bridge, always(who))) as client:
                delivery = {"mode": "webhook", "url": receiver.url, "secret": SECRET}
                await ask(client, "events/subscribe", name="message.received", delivery=delivery)
            for number in range(kills):
                texts = [f"{number}-{each}" for each in range(MESSAGES)]
                at = dice.choice(texts)
                if moment == "while the callback works":
                    receiver.hangs_on = lambda body, at=at: text_of(body) == at
                process = await engine(config, env)
                try:
                    await one_kill(face.bridge, receiver, process, texts, at)
                finally:
                    await killed(process)
            last = await engine(config, env)
            try:
                wanted = [f"{number}-{each}" for number in range(kills) for each in range(MESSAGES)]
                taken: list[str] = []
                while not taken or taken[-1] != wanted[-1]:
                    taken.append((await receiver.next())["data"]["text"])
            finally:
                await killed(last)
    posted = [each for each in receiver.requests if "eventId" in each["body"]]
    ids = [each["headers"]["webhook-id"] for each in posted]
    assert all(each["body"]["eventId"] == name for each, name in zip(posted, ids, strict=True))
    assert list(dict.fromkeys(taken)) == wanted, f"nothing is lost, and the order stays (seed {seed})"
    by_text = {text_of(each["body"]): name for each, name in zip(posted, ids, strict=True)}
    assert len(set(ids)) == len(by_text) == len(wanted), f"what came again came under its own id (seed {seed})"
    assert len(ids) <= len(wanted) + kills, f"each kill repeats one event at most (seed {seed})"


async def one_kill(bridge: Bridge, receiver: Receiver, process: anyio.abc.Process, texts: list[str], at: str) -> None:
    """Say some messages, and kill the engine once one of them has reached the callback."""
    for each in texts:
        await bridge.say(OWNER, "local/main", each)
    with anyio.fail_after(20):
        async with receiver.came:
            await receiver.came.wait_for(lambda: any(text_of(each["body"]) == at for each in receiver.requests))
    await killed(process)
    receiver.hangs_on = None


def text_of(body: dict[str, Any]) -> str | None:
    return body.get("data", {}).get("text")
