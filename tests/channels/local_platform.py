"""The chats of this machine, to the suite of all channels: people write into the store, and read there."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import anyio

from bridge_mcp.assembly import open_bridge
from bridge_mcp.channels.local import CAN
from bridge_mcp.config import load_config
from bridge_mcp.core.codec import decode
from bridge_mcp.core.entries import Entry, Posted, Reacted, Replied, Revised
from bridge_mcp.service import OWNER, Bridge
from tests.channels.platforms import WAIT_S, File, Human, Place, Platform, Said

__all__ = ["local"]

LOG = "SELECT seq, body FROM log WHERE conversation = (SELECT id FROM conversations WHERE name = ?) ORDER BY seq"


class LocalPlace(Place):
    def __init__(self, platform: Local, chat: str) -> None:
        self.platform, self.chat = platform, chat

    def entries(self) -> list[tuple[int, Entry]]:
        path = self.platform.folder / "state" / "bridge.db"
        if not path.exists():
            return []
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            return [(seq, decode(body)) for seq, body in db.execute(LOG, (f"family/{self.chat}",))]

    def all(self) -> list[Said]:
        found: dict[int, Said] = {}
        for seq, entry in self.entries():
            match entry:
                case Posted(text=text, files=files):
                    found[seq] = Said(str(seq), text, files=tuple(each.name for each in files))
                case Replied(text=text) if text:
                    found[seq] = Said(str(seq), text)
                case Revised(message=message, text=text):
                    found[message] = Said(str(message), text)
                case _:
                    pass
        return [*found.values()]

    async def until(self, holds: Callable[[list[Said]], object]) -> list[Said]:
        await self.platform.until(lambda: bool(holds(self.all())))
        return self.all()


class LocalHuman(Human):
    def __init__(self, platform: Local, name: str) -> None:
        self.id, self.name, self._platform = name.lower(), name, platform
        self.dm = LocalPlace(platform, self.id)

    async def says(self, where: Place, text: str, *, files: Sequence[File] = (), to_bot: bool = False) -> Any:
        async with self._platform.face() as bridge:
            return await bridge.say(OWNER, f"family/{where.chat}", text, name=self.name)

    async def edits(self, where: Place, message: Any, text: str) -> None:
        raise NotImplementedError("nobody can change what they wrote here")

    async def presses(self, where: Place, said: Said, label: str) -> str:
        raise NotImplementedError("a press says what stands on the button")


class Local(Platform):
    name, can, needs_pairing = "local", CAN, False

    def __init__(self) -> None:
        self.folder, self.env = Path(), {}

    def section(self) -> str:
        return 'type = "local"\nresponder = "assistant"\n'

    def stands_in(self, folder: Path) -> None:
        self.folder = folder

    @asynccontextmanager
    async def face(self) -> AsyncGenerator[Bridge]:
        """The bridge as another process has it, which is no engine."""
        env = {"BRIDGE_MCP_STATE_DIR": str(self.folder / "state")}
        config = load_config(self.folder / "bridge.toml", env=env, cwd=self.folder)
        async with open_bridge(config, engine="never") as assembly:
            yield assembly.bridge

    def human(self, name: str) -> Human:
        return LocalHuman(self, name)

    def reactions(self, where: Place, message: Any) -> list[str]:
        assert isinstance(where, LocalPlace)
        return [each.emoji for _, each in where.entries() if isinstance(each, Reacted)]

    async def until(self, holds: Callable[[], bool]) -> None:
        with anyio.fail_after(WAIT_S):
            while not holds():  # noqa: ASYNC110
                await anyio.sleep(0.02)  # another process's commit is no event here


@asynccontextmanager
async def local() -> AsyncGenerator[Platform]:
    yield Local()
