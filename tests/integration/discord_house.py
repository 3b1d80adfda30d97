"""A whole bridge with the Discord channel: real engine, service and store; only the model and the tools are fakes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio

from bridge_mcp.assembly import WallClock
from bridge_mcp.core.tools import JSON
from bridge_mcp.engine.engine import Engine
from bridge_mcp.ports import Channel, Model, Rules, Store
from bridge_mcp.service import OWNER, Bridge
from bridge_mcp.stores.sqlite import open_store
from bridge_mcp.testing import FakeModel, FakeToolbox
from tests.integration.discord_chats import channel_on
from tests.integration.setup import rules_for
from tests.servers.discord import Chat, DiscordServer, Fault, User, buttons

__all__ = ["House", "Platform", "Seen", "Somebody", "first", "house", "tools"]

FAMILY = "family"
WAIT_S = 15.0


@dataclass(frozen=True)
class Seen:
    """A message as people see it."""

    id: str
    text: str
    buttons: tuple[str, ...] = ()
    files: tuple[tuple[str, bytes], ...] = ()
    raw: Any = None


@dataclass(frozen=True)
class Somebody:
    """A person on Discord."""

    at: Platform
    user: User

    @property
    def id(self) -> str:
        return str(self.user.id)

    async def says(self, text: str, *, to: str = "", reply_to: Seen | None = None) -> object:
        chat = self.at.chat(to) if to else self.user.dm
        return await self.user.sends(chat, text, reply_to=reply_to.raw if reply_to else None)

    async def edits(self, said: Any, text: str) -> None:
        await self.user.edits(said, text)

    async def reacts(self, seen: Seen, emoji: str) -> None:
        await self.user.reacts(seen.raw, emoji)

    async def sends_file(self, name: str, data: bytes, mime: str, text: str) -> None:
        await self.user.sends_files(self.user.dm, [(name, data, mime)], text)

    async def presses(self, seen: Seen, label: str) -> str:
        pressed = await self.user.presses(seen.raw, label)
        answered = await pressed.answered(WAIT_S)
        if answered.form:
            answered = await (await self.user.submits(pressed, "")).answered(WAIT_S)
        return answered.told


class Platform:
    """Discord on loopback, with the bot of a bridge's channel `family`."""

    def __init__(self, server: DiscordServer) -> None:
        self.server = server
        self._people: dict[str, User] = {}
        self._groups: dict[str, Chat] = {}

    def channel(self) -> Channel:
        return channel_on(self.server, WallClock(), FAMILY, reactions=True)

    def person(self, name: str) -> Somebody:
        user = self.server.user(name)
        self._people[str(user.id)] = user
        return Somebody(self, user)

    def group(self, *people: Somebody) -> str:
        chat = self.server.channel(self.server.guild())
        self._groups[str(chat.id)] = chat
        return str(chat.id)

    @property
    def mention(self) -> str:
        return self.server.mention

    def chat(self, chat: str) -> Chat:
        return self._groups.get(chat) or self._people[chat].dm

    def seen(self, chat: str) -> list[Seen]:
        return [
            Seen(
                str(each.id),
                each.content,
                tuple(buttons(each)),
                tuple((file.name, file.data) for file in each.files),
                each,
            )
            for each in self.chat(chat).bot_messages
            if not each.content.endswith("▌")
        ]

    async def until(self, holds: Callable[[], bool], timeout_s: float = WAIT_S) -> None:
        await self.server.until(holds, timeout_s)

    async def listening(self) -> None:
        await self.server.connected(WAIT_S)

    def loses_an_answer(self) -> None:
        self.server.fault(Fault("lost", "POST .*/messages$"))

    def floods(self, seconds: float) -> None:
        self.server.fault(Fault("flood", "POST .*/messages$", retry_after=seconds))


@dataclass
class House:
    """A bridge, and the platform that its channel is on."""

    bridge: Bridge
    store: Store
    platform: Platform
    channel: Channel

    async def let_in(self, subject: str, role: str = "user") -> None:
        await self.bridge.pair_chat(OWNER, channel="family", chat=subject, role=role)  # pyright: ignore[reportArgumentType]

    async def sees(self, chat: str, count: int = 1) -> list[Seen]:
        """Wait until so many messages of the bot stand in a chat; all of them."""
        await self.platform.until(lambda: len(self.platform.seen(chat)) >= count)
        return self.platform.seen(chat)

    async def hears(self, count: int, conversation: str) -> list[str]:
        """Wait until so many messages of people are stored; their texts."""
        with anyio.fail_after(WAIT_S):
            while True:
                head = await self.store.feed.head()
                known = await self.store.history.conversation(conversation)
                page = (await self.bridge.read_messages(OWNER, conversation)).messages if known else ()
                found = [each.text for each in page if each.direction == "in"]
                if len(found) >= count:
                    return found
                await self.bridge.wait_for_events(OWNER, after=head, timeout_s=0.1)


def tools() -> FakeToolbox:
    """A box with one tool, which waits for approval."""
    toolbox = FakeToolbox()

    @toolbox.tool("files__delete")
    async def delete(arguments: Mapping[str, JSON]) -> str:  # pyright: ignore[reportUnusedFunction]
        return f"{str(arguments.get('path'))[:20]} is gone"

    return toolbox


@asynccontextmanager
async def house(
    folder: Path,
    platform: Platform,
    model: Model | None = None,
    toolbox: FakeToolbox | None = None,
    *,
    rules: Rules | None = None,
) -> AsyncGenerator[House]:
    """A bridge on a store in a folder, with its engine running and listening."""
    clock, channel, box = WallClock(), platform.channel(), toolbox or FakeToolbox()
    rules = rules or rules_for()
    channels: dict[str, Channel] = {"family": channel}
    traits = {"family": channel.traits}
    store = await open_store(folder / "bridge.db", clock=clock)
    bridge = Bridge(store, rules, traits, clock=clock, check=box.check)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(Engine(store, rules, channels, model or FakeModel(), box, clock).run)
            await platform.listening()
            yield House(bridge, store, platform, channel)
            tasks.cancel_scope.cancel()
    finally:
        await store.close()


def first(person: Somebody) -> str:
    """The conversation of a person's chat with the bot."""
    return f"family/{person.id}"
