"""The server as a process: prints one JSON line with its addresses, and serves until it is ended.

    python -m tests.servers.telegram --token 1:abc --port 8081 --limits

A person called `You` is there to try a bot by hand: each line on standard input is what You write to it in private, and
`!press Yes` presses a button of its latest message. Each message of the bot, and each edit, is one JSON line of output.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import threading
from collections.abc import Sequence

from bridge_mcp.core.errors import BridgeError
from tests.servers.telegram.limits import Limits
from tests.servers.telegram.people import User
from tests.servers.telegram.server import TOKEN, TelegramServer

PRESS = "!press "


def say(**what: object) -> None:
    sys.stdout.write(json.dumps(what, ensure_ascii=False) + "\n")
    sys.stdout.flush()


async def type_line(you: User, line: str) -> None:
    """Do what a line asks for; what cannot be done is said, and the next line may."""
    try:
        if line.startswith(PRESS):
            wanted = [one for one in you.dm.bot_messages if one.buttons]
            if wanted:
                await you.presses(wanted[-1], line.removeprefix(PRESS))
        elif line.strip():
            await you.sends(you.dm, line)
    except BridgeError as problem:
        say(error=str(problem))


async def show(server: TelegramServer, you: User) -> None:
    """Print what the bot writes, whenever it writes or edits."""
    shown: dict[int, int] = {}

    def fresh() -> bool:
        return any(shown.get(one.message_id) != one.edits for one in you.dm.bot_messages)

    while True:
        await server.world.changes.until(fresh, None)
        for one in you.dm.bot_messages:
            if shown.get(one.message_id) != one.edits:
                shown[one.message_id] = one.edits
                say(message=one.message_id, text=one.text, buttons=one.labels, edits=one.edits)


def read_lines(loop: asyncio.AbstractEventLoop, lines: asyncio.Queue[str]) -> None:
    """On a thread of its own, because reading standard input cannot be interrupted."""
    with contextlib.suppress(RuntimeError):  # the loop has ended
        for line in sys.stdin:
            loop.call_soon_threadsafe(lines.put_nowait, line.rstrip("\n"))


async def run(server: TelegramServer) -> None:
    async with server:
        you = server.user("You", username="you")
        say(
            url=server.url, base_url=server.base_url, base_file_url=server.base_file_url, token=server.token, you=you.id
        )
        lines = asyncio.Queue[str]()
        loop = asyncio.get_running_loop()
        threading.Thread(target=read_lines, args=(loop, lines), daemon=True).start()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(show(server, you))
            while True:
                await type_line(you, await lines.get())


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.servers.telegram", description=__doc__)
    parser.add_argument("--token", default=TOKEN, help="the token it takes; the number in it is the bot's id")
    parser.add_argument("--port", type=int, default=0, help="0: one that is free")
    parser.add_argument("--limits", action="store_true", help="Telegram's limits on sending")
    given = parser.parse_args(arguments)
    server = TelegramServer(given.token, port=given.port, limits=Limits() if given.limits else None)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run(server))


if __name__ == "__main__":
    main()
