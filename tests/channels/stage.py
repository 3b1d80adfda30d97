"""The whole bridge on one platform: its config as a file, the engine, a scripted model and a nested server."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import anyio

from bridge_mcp.assembly import Assembly, open_bridge
from bridge_mcp.config import load_config
from bridge_mcp.core.entries import Heard, Logged
from bridge_mcp.core.events import Event, EventType
from bridge_mcp.service import OWNER, Bridge
from tests.channels.platforms import WAIT_S, Human, Place, Platform
from tests.servers import files_server

__all__ = ["Stage", "staged"]

RULES = """\
[[rule]]
when = "delete (?P<file>.+)$"
call = [{ tool = "files__delete_file", arguments = { path = "{file}" } }]
[[rule]]
on = "result"
say = "{text}"
[default]
say = "echo: {text}"
"""
CONFIG = """\
[models.default]
model = "scripted"
script = "rules.toml"
[tool_servers.files]
command = {python}
args = ["-IS", {server}, {files}]
[approvals]
{approvals}
[channels.family]
{section}
{more}
"""


@dataclass
class Stage:
    """A bridge, and the platform that it is on."""

    platform: Platform
    folder: Path
    config: Path
    assembly: Assembly | None = None
    waits: bool = True
    """Whether `up` waits until the channel is ready."""

    @property
    def bridge(self) -> Bridge:
        assert self.assembly is not None
        return self.assembly.bridge

    @property
    def files(self) -> Path:
        """What the nested server has."""
        return self.folder / "files"

    @asynccontextmanager
    async def up(self) -> AsyncGenerator[Bridge]:
        """The bridge, running, with its channel at work."""
        env = {"BRIDGE_MCP_STATE_DIR": str(self.folder / "state"), **self.platform.env}
        config = load_config(self.config, env=env, cwd=self.folder)
        async with open_bridge(config) as self.assembly:
            if self.waits:
                await self.ready()
            yield self.bridge

    async def ready(self) -> None:
        """Wait until the channel says that it is."""
        with anyio.fail_after(WAIT_S):
            while True:
                found = {each.name: each.state for each in await self.bridge.list_channels(OWNER)}
                if found["family"] == "ready":
                    return
                await anyio.sleep(0.01)  # a channel's health is no event

    async def let_in(self, *who: Human | Place, role: Literal["user", "approver"] = "user") -> None:
        """Let people and groups in."""
        for each in who if self.platform.needs_pairing else ():
            subject, name = (each.id, each.name) if isinstance(each, Human) else (each.chat, "group")
            await self.bridge.pair_chat(OWNER, channel="family", chat=subject, name=name, role=role)

    async def event(self, wanted: EventType, holds: Callable[[Event], bool] = lambda _: True) -> Event:
        """The first event of a type of which something holds."""
        cursor = 0
        with anyio.fail_after(WAIT_S):
            while True:
                page = await self.bridge.wait_for_events(OWNER, after=cursor, types=(wanted,), timeout_s=5)
                for each in page.events:
                    if holds(each):
                        return each
                cursor = page.cursor

    async def heard(self, chat: str) -> list[str]:
        """Everything that people said in a conversation, in order."""
        log = await self.bridge.read_log(OWNER, f"family/{chat}")
        return [each.entry.text for each in log if isinstance(each, Logged) and isinstance(each.entry, Heard)]

    async def texts(self, chat: str) -> list[str]:
        """What stands in a conversation, in order."""
        return [each.text for each in (await self.bridge.read_messages(OWNER, f"family/{chat}")).messages]


@asynccontextmanager
async def staged(
    folder: Path, platform: Platform, *, approvals: str = "", more: str = "", files: Sequence[str] = ()
) -> AsyncGenerator[Stage]:
    """A folder with all that a bridge on this platform needs; it is not up yet."""
    platform.stands_in(folder)
    (folder / "files").mkdir()
    for name in files:
        (folder / "files" / name).write_text("x")
    (folder / "rules.toml").write_text(RULES)
    config = folder / "bridge.toml"
    config.write_text(
        CONFIG.format(
            python=json.dumps(sys.executable),
            server=json.dumps(files_server.__file__),
            files=json.dumps(str(folder / "files")),
            approvals=approvals,
            section=platform.section(),
            more=more,
        )
    )
    yield Stage(platform, folder, config)
