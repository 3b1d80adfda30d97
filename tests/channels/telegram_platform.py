"""Telegram, to the suite of all channels."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from bridge_mcp.channels.telegram.channel import CAN
from tests.channels.platforms import WAIT_S, File, Human, Place, Platform, Said
from tests.servers.telegram import Chat, Fault, Message, TelegramServer, User

__all__ = ["telegram"]


class TelegramPlace(Place):
    def __init__(self, server: TelegramServer, chat: Chat) -> None:
        self.server, self.of, self.chat = server, chat, str(chat.id)

    def all(self) -> list[Said]:
        return [seen(each) for each in self.of.bot_messages]

    async def until(self, holds: Callable[[list[Said]], object]) -> list[Said]:
        await self.server.until(lambda: bool(holds(self.all())), timeout_s=WAIT_S)
        return self.all()


def seen(message: Message) -> Said:
    return Said(
        str(message.message_id),
        message.text,
        tuple(message.labels),
        tuple(each.name for each in message.files),
        tuple(message.entity_texts("bold")),
        (*message.entity_texts("code"), *message.entity_texts("pre")),
    )


class TelegramHuman(Human):
    def __init__(self, server: TelegramServer, user: User, said: str = "@{bot} {text}") -> None:
        self._said = said
        self.user, self.id, self.dm = user, str(user.id), TelegramPlace(server, user.dm)
        self._server, self.name = server, user.name

    async def says(self, where: Place, text: str, *, files: Sequence[File] = (), to_bot: bool = False) -> Any:
        assert isinstance(where, TelegramPlace)
        said = self._said.format(bot=self._server.world.bot.username, text=text) if to_bot else text
        if len(files) > 1:
            return (await self.user.sends_album(where.of, [("document", each.data, said) for each in files]))[0]
        if files:
            (file,) = files
            return await self.user.sends_file(
                where.of, "document", file.data, name=file.name, mime=file.mime, caption=said
            )
        return await self.user.sends(where.of, said)

    async def edits(self, where: Place, message: Any, text: str) -> None:
        await self.user.edits(message, text)

    async def presses(self, where: Place, said: Said, label: str) -> str:
        assert isinstance(where, TelegramPlace)
        full = next(each for each in said.buttons if label in each)
        pressed = await self.user.presses(where.of.message(int(said.id)), full)
        return (await pressed.answered(WAIT_S)).text


class Telegram(Platform):
    name, can = "telegram", CAN

    def __init__(self, server: TelegramServer) -> None:
        self.server, self.env = server, {"FAMILY_TOKEN": server.token}

    def section(self) -> str:
        return f'type = "telegram"\ntoken_env = "FAMILY_TOKEN"\napi_base_url = "{self.server.url}"\ngather_s = 0\n'

    def human(self, name: str) -> Human:
        return TelegramHuman(self.server, self.server.user(name))

    def robot(self, name: str) -> Human:
        user = self.server.user(name, talks_to_bots=True, username=f"{name}_bot")
        return TelegramHuman(self.server, user, said="/ask@{bot} {text}")

    def group(self, *members: Human) -> Place:
        users = [each.user for each in members if isinstance(each, TelegramHuman)]
        return TelegramPlace(self.server, self.server.supergroup("group", users))

    def forum(self, *members: Human) -> Place:
        users = [each.user for each in members if isinstance(each, TelegramHuman)]
        return TelegramPlace(self.server, self.server.supergroup("forum", users, bot="administrator", forum=True))

    def topics(self, where: Place) -> Mapping[str, bool]:
        assert isinstance(where, TelegramPlace)
        return {each.name: each.closed for each in where.of.state.topics.values()}

    def loses_topic(self) -> None:
        self.server.fault(Fault.lost_after(), "createForumTopic")

    def loses_answer(self) -> None:
        self.server.fault(Fault.lost_after(), "sendMessage")

    def asks_to_wait(self, seconds: int) -> None:
        self.server.fault(Fault.flood(seconds), "sendMessage")

    def reactions(self, where: Place, message: Any) -> list[str]:
        assert isinstance(where, TelegramPlace)
        return list(where.of.message(message.message_id).reactions)

    async def until(self, holds: Callable[[], bool]) -> None:
        await self.server.until(holds, timeout_s=WAIT_S)


@asynccontextmanager
async def telegram() -> AsyncGenerator[Platform]:
    async with TelegramServer() as server:
        yield Telegram(server)
