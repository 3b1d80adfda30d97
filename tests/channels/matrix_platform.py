"""Matrix, by a package of its own (`examples/matrix_channel`), to the suite of all channels."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bridge_mcp.channels.registry import plug
from tests.channels.platforms import WAIT_S, File, Human, Place, Platform, Said

__all__ = ["matrix"]

PACKAGE = Path(__file__).parents[2] / "examples" / "matrix_channel"
METADATA = "Metadata-Version: 2.1\nName: bridge-matrix\nVersion: 0.1.0\n"
POINTS = "[bridge_mcp.channels]\nmatrix = bridge_matrix:TYPE\n"
TOKEN, BRIDGE = "planted-matrix-token", "@bridge:loopback"


class MatrixPlace(Place):
    def __init__(self, server: Any, room: str, chat: str) -> None:
        self.server, self.room, self.chat = server, room, chat

    def all(self) -> list[Said]:
        return [Said(event, text) for event, text in self.server.said(self.room).items()]

    async def until(self, holds: Callable[[list[Said]], object]) -> list[Said]:
        await self.server.until(lambda: holds(self.all()), WAIT_S)
        return self.all()


class MatrixHuman(Human):
    def __init__(self, server: Any, name: str) -> None:
        self.id, self.name = f"@{name.lower()}:loopback", name
        self.dm = MatrixPlace(server, server.with_bridge(self.id), self.id)
        self._server = server

    async def says(self, where: Place, text: str, *, files: Sequence[File] = (), to_bot: bool = False) -> Any:
        assert isinstance(where, MatrixPlace)
        for each in files:
            self._server.sends_file(where.room, self.id, each.name, each.data, each.mime)
        return self._server.says(where.room, self.id, f"{BRIDGE} {text}" if to_bot else text)

    async def edits(self, where: Place, message: Any, text: str) -> None:
        assert isinstance(where, MatrixPlace)
        self._server.edits(where.room, self.id, message, text)

    async def presses(self, where: Place, said: Said, label: str) -> str:
        raise NotImplementedError("Matrix has no buttons")


class Matrix(Platform):
    name = "matrix"

    def __init__(self, server: Any, path: str) -> None:
        self.can = import_module("bridge_matrix.channel").CAN
        self.server, self.env = server, {"FAMILY_TOKEN": TOKEN, "PYTHONPATH": path}

    def section(self) -> str:
        user = f'user = "{BRIDGE}"\ntoken_env = "FAMILY_TOKEN"\n'
        return f'type = "matrix"\nhomeserver = "{self.server.url}"\n{user}'

    def human(self, name: str) -> Human:
        return MatrixHuman(self.server, name)

    def group(self, *members: Human) -> Place:
        room = self.server.with_bridge(*(each.id for each in members))
        return MatrixPlace(self.server, room, room)

    def loses_answer(self) -> None:
        self.server.faults.append("lost")

    def asks_to_wait(self, seconds: int) -> None:
        self.server.faults.append(seconds)

    def reactions(self, where: Place, message: Any) -> list[str]:
        assert isinstance(where, MatrixPlace)
        return self.server.reactions(where.room)

    async def until(self, holds: Callable[[], bool]) -> None:
        await self.server.until(holds, WAIT_S)


@contextmanager
def installed() -> Generator[str]:
    """The package, as if it were installed: in this process, and by the path that is given in others."""
    with TemporaryDirectory() as folder:
        told = Path(folder) / "bridge_matrix-0.1.0.dist-info"
        told.mkdir()
        (told / "METADATA").write_text(METADATA)
        (told / "entry_points.txt").write_text(POINTS)
        ours = [folder, str(PACKAGE), str(PACKAGE / "tests")]
        sys.path[:0] = ours
        try:
            yield os.pathsep.join(filter(None, [*ours, os.environ.get("PYTHONPATH", "")]))
        finally:
            for each in ours:
                sys.path.remove(each)
            plug.cache_clear()


@asynccontextmanager
async def matrix() -> AsyncGenerator[Platform]:
    with installed() as path:
        async with import_module("homeserver").Homeserver() as server:
            yield Matrix(server, path)
