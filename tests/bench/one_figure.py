"""One figure of the tree that it runs in, as a process of its own: what `compare` asks of two checkouts in turn.

It uses only what older checkouts have too.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from tests.bench import gate, reading
from tests.bench.bridges import on_the_loop, running
from tests.bench.clients import Posts
from tests.bench.peers import BRIDGE, TOKEN, bridge_folder, cpu_time, served_http, until_engine
from tests.bench.speech import Call
from tests.bench.turns import followed

WARM = 30
"""How often a thing is done before it is measured."""


async def turn(times: int) -> float:
    """A message in, the scripted model, the reply out; each in a conversation of its own."""
    async with running() as bridge:
        await followed(bridge, "warm", WARM)
        return await cpu(lambda: followed(bridge, "fresh", times)) / times


async def gated(times: int) -> float:
    """A call of a free tool of a nested server, by one caller."""
    async with running(gate.nested()) as bridge:
        await gate.listed(bridge)
        await gate.timed(lambda: gate.by_bridge(bridge), WARM, 1)
        return await cpu(lambda: gate.timed(lambda: gate.by_bridge(bridge), times, 1)) / times


async def page(times: int) -> float:
    """A page of messages out of a small store."""
    with tempfile.TemporaryDirectory(prefix="bridge-mcp-bench-") as folder:
        async with reading.opened(Path(folder) / "bridge.db") as store:
            await reading.fill(store, reading.SMALL)
            bridge = reading.service(store)

            async def read() -> None:
                await reading.read_messages(bridge, reading.SMALL)

            await reading.timed(read, WARM)
            return await cpu(lambda: reading.timed(read, times)) / times


async def channels(times: int) -> float:
    """A call of list_channels over HTTP in the handshake era, of one caller: what it costs the server."""
    command = (*BRIDGE, "serve", "--http", "127.0.0.1:{port}")
    with bridge_folder() as settings, served_http(command, os.environ | settings) as (port, process):
        client = Posts(port, "handshake", TOKEN)
        try:
            until_engine(client)
            client.measure(Call(tool="list_channels"), WARM, 1)
            before = cpu_time(process)
            client.measure(Call(tool="list_channels"), times, 1)
            return (cpu_time(process) - before) / times
        finally:
            client.close()


FIGURES: Mapping[str, tuple[Callable[[int], Awaitable[float]], int]] = {
    "turn": (turn, 300),
    "gated": (gated, 300),
    "page": (page, 1_000),
    "channels": (channels, 500),
}
"""By name: what gives the CPU seconds of one, and how many are measured."""


async def cpu(work: Callable[[], Awaitable[object]]) -> float:
    """The CPU seconds of all threads of this process."""
    before = time.process_time()
    await work()
    return time.process_time() - before


def main(name: str, share: float) -> None:
    """Print the CPU seconds of one; `share` is for measuring fewer of them."""
    figure, times = FIGURES[name]
    found = on_the_loop(lambda: figure(max(1, int(times * share))))
    sys.stdout.write(f"{found!r}\n")


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
