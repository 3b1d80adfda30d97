"""Discord, to the suite of all channels."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from bridge_mcp.channels.discord.channel import CAN
from tests.channels.platforms import WAIT_S, File, Human, Place, Platform, Said
from tests.servers.discord import Chat, DiscordServer, Fault, Stored, User, buttons

__all__ = ["discord"]

BLOCK = re.compile(r"^```[^\n]*\n(.*?)\n```$", re.DOTALL | re.MULTILINE)
BOLD, CODE = re.compile(r"\*\*(.+?)\*\*"), re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
SIGNS = re.compile(r"\*\*|(?<!`)`(?!`)|\\(?=[^\w\s])")


class DiscordPlace(Place):
    def __init__(self, server: DiscordServer, chat: Chat, name: str) -> None:
        self.server, self.of, self.chat = server, chat, name

    def all(self) -> list[Said]:
        return [seen(each) for each in self.of.bot_messages if not each.content.endswith("▌")]

    async def until(self, holds: Callable[[list[Said]], object]) -> list[Said]:
        await self.server.until(lambda: bool(holds(self.all())), WAIT_S)
        return self.all()


def seen(message: Stored) -> Said:
    """As Discord shows it: without the signs of its Markdown."""
    text = message.content
    code = (*CODE.findall(BLOCK.sub("", text)), *BLOCK.findall(text))
    shown = SIGNS.sub("", BLOCK.sub(lambda found: found[1], text))
    files = tuple(each.name for each in message.files)
    return Said(str(message.id), shown, tuple(buttons(message)), files, tuple(BOLD.findall(text)), code)


class DiscordHuman(Human):
    def __init__(self, server: DiscordServer, user: User) -> None:
        self.user, self.id, self.name = user, str(user.id), user.name
        self.dm = DiscordPlace(server, user.dm, self.id)
        self._server = server

    async def says(self, where: Place, text: str, *, files: Sequence[File] = (), to_bot: bool = False) -> Any:
        assert isinstance(where, DiscordPlace)
        said = f"{self._server.mention} {text}" if to_bot else text
        if files:
            return await self.user.sends_files(where.of, [(each.name, each.data, each.mime) for each in files], said)
        return await self.user.sends(where.of, said)

    async def edits(self, where: Place, message: Any, text: str) -> None:
        await self.user.edits(message, text)

    async def presses(self, where: Place, said: Said, label: str) -> str:
        assert isinstance(where, DiscordPlace)
        full = next(each for each in said.buttons if label in each)
        pressed = await self.user.presses(where.of.place.messages[int(said.id)], full)
        answered = await pressed.answered(WAIT_S)
        if answered.form:
            answered = await (await self.user.submits(pressed, "")).answered(WAIT_S)
        return answered.told


class Discord(Platform):
    name, can = "discord", CAN

    def __init__(self, server: DiscordServer) -> None:
        self.server, self.env = server, {"FAMILY_TOKEN": server.token}

    def section(self) -> str:
        return f'type = "discord"\ntoken_env = "FAMILY_TOKEN"\napi_base_url = "{self.server.api_url}"\n'

    def human(self, name: str) -> Human:
        return DiscordHuman(self.server, self.server.user(name))

    def robot(self, name: str) -> Human:
        return DiscordHuman(self.server, self.server.bot_user(name))

    def group(self, *members: Human) -> Place:
        chat = self.server.channel(self.server.guild())
        return DiscordPlace(self.server, chat, str(chat.id))

    def forum(self, *members: Human) -> Place:
        return self.group(*members)

    def topics(self, where: Place) -> Mapping[str, bool]:
        assert isinstance(where, DiscordPlace)
        guild = where.of.place.guild
        assert guild is not None
        return {each.name: each.archived for each in guild.places if each.parent is where.of.place}

    def loses_topic(self) -> None:
        self.server.fault(Fault("lost", "POST .*/threads$"))

    def loses_answer(self) -> None:
        self.server.fault(Fault("lost", "POST .*/messages$"))

    def asks_to_wait(self, seconds: int) -> None:
        self.server.fault(Fault("flood", "POST .*/messages$", retry_after=seconds))

    def reactions(self, where: Place, message: Any) -> list[str]:
        return [emoji for emoji, who in message.reactions.items() if self.server.world.bot.id in who]

    async def until(self, holds: Callable[[], bool]) -> None:
        await self.server.until(holds, WAIT_S)


@asynccontextmanager
async def discord() -> AsyncGenerator[Platform]:
    async with DiscordServer(limits=False) as server:
        yield Discord(server)
