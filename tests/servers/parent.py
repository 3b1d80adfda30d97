"""A process that has nested servers, for tests that end it: `python -m tests.servers.parent [--in-order]`.

It says "ready" when all are connected. With `--in-order`, SIGTERM has it close the box; else it dies of it.
"""

from __future__ import annotations

import signal
import sys

import anyio

from tests.servers.launch import module, opened


async def main() -> None:
    """Have servers until told otherwise."""
    async with opened(module("workbench"), module("wild", "stubborn"), module("wild", "launcher", server="launcher")):
        if "--in-order" in sys.argv:
            with anyio.open_signal_receiver(signal.SIGTERM) as signals:
                say_ready()
                async for _ in signals:
                    return
        say_ready()
        await anyio.sleep_forever()


def say_ready() -> None:
    """Tell the test."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()


if __name__ == "__main__":
    anyio.run(main)
