"""A whole bridge inside the measuring process: engine, service, scripted model, a SQLite store on disk."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import anyio

from bridge_mcp.assembly import open_bridge
from bridge_mcp.config import load_config
from bridge_mcp.service import OWNER, Bridge
from tests.bench.peers import bridge_folder

__all__ = ["SAID", "WAIT_S", "on_the_loop", "running", "turn"]

T = TypeVar("T")

SAID = "The tide is out. When will it be back?"
WAIT_S = 30.0
"""How long a turn may take before the run fails."""


@asynccontextmanager
async def running(more: str = "") -> AsyncGenerator[Bridge]:
    """A bridge with its engine at work, wired as the command wires it."""
    with bridge_folder("assistant", more) as settings:
        loaded = anyio.Event()
        async with open_bridge(load_config(env=settings), engine="now", on_ready=loaded.set) as assembly:
            await loaded.wait()
            yield assembly.bridge


async def turn(bridge: Bridge, conversation: str) -> None:
    """Say something and wait for the reply."""
    message = await bridge.say(OWNER, conversation, SAID)
    ticket = await bridge.wait_for(OWNER, f"turn:{message}", timeout_s=WAIT_S)
    if ticket.outcome != "replied":
        raise RuntimeError(f"no reply in {conversation}: {ticket}")


def on_the_loop(body: Callable[[], Awaitable[T]]) -> T:
    """Run it as the serving commands run."""
    return anyio.run(body, backend_options={"use_uvloop": True})
