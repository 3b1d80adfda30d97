"""The bridge beside an agent: its config, its commands, and a person who decides with them on what waits."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.hosts.stage import COMMAND

__all__ = ["CONFIG", "WHY", "decide", "engine", "ran", "waiting"]

CONFIG = """\
[channels.home]
type = "local"
responder = "relay"
[approvals]
route = "home/main"
"""
WAIT_S = 60.0
WHY = "not on a Sunday"


@asynccontextmanager
async def engine(environment: Mapping[str, str]) -> AsyncGenerator[None]:
    """A bridge that is up."""
    process = await asyncio.create_subprocess_exec(
        COMMAND, "serve", env=dict(environment), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        assert process.stdout is not None
        await process.stdout.readline()
        yield
    finally:
        process.terminate()
        await process.wait()


async def waiting(environment: Mapping[str, str], agent: asyncio.Task[Any]) -> dict[str, Any]:
    """The one call that waits, once it does."""
    async with asyncio.timeout(WAIT_S):
        while not agent.done():
            found: list[dict[str, Any]] = json.loads(await ran(environment, "approvals", "list", "--json"))
            if found:
                return found[0]
    raise RuntimeError(f"it ended without asking: {agent.result() if agent.done() else 'never'}")


async def decide(environment: Mapping[str, str], agent: asyncio.Task[Any], verdict: str, *note: str) -> dict[str, Any]:
    """Decide on the one call that waits, on the command line."""
    found = await waiting(environment, agent)
    await ran(environment, "approvals", verdict, found["id"], *note)
    return found


async def ran(environment: Mapping[str, str], *arguments: str, stdin: str = "") -> str:
    """What a command of ours prints."""
    process = await asyncio.create_subprocess_exec(
        COMMAND,
        *arguments,
        env=dict(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = await process.communicate(stdin.encode())
    if process.returncode:
        raise RuntimeError(f"{arguments}: {err.decode(errors='replace')[-500:]}")
    return out.decode()
