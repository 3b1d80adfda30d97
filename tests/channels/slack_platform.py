"""Slack, to the suite of all channels."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from bridge_mcp.channels.slack.channel import CAN
from tests.channels.platforms import WAIT_S, File, Human, Place, Platform, Said
from tests.servers.slack import BOT, MENTION, Channel, Fault, Message, Person, SlackServer, StoredFile
from tests.servers.slack.blocks import leaves, many
from tests.servers.slack.state import Json

__all__ = ["SIGNS", "SlackPlace", "slack"]

SIGNS = {"+1": "👍", "eyes": "👀", "tada": "🎉"}


class SlackPlace(Place):
    def __init__(self, server: SlackServer, channel: Channel, chat: str) -> None:
        self.server, self.of, self.chat = server, channel, chat

    def all(self) -> list[Said]:
        return [self._seen(each) for each in self.server.ours(self.of)]

    def _seen(self, message: Message) -> Said:
        """As it is shown: lists with their signs, paragraphs with what is between them."""
        code = [words_of(each) for each in pieces_of(message) if each["type"] == "rich_text_preformatted"]
        every = list(leaves(message.blocks))
        rows = [many(block) for block in message.blocks if block["type"] == "actions"]
        return Said(
            message.ts,
            self.words(message),
            tuple(str(each["text"]["text"]) for row in rows for each in row),
            tuple(self.server.world.files[each].name for each in message.files),
            tuple(str(each["text"]) for each in every if each.get("style", {}).get("bold")),
            (*code, *(str(each["text"]) for each in every if each.get("style", {}).get("code"))),
        )

    @staticmethod
    def words(message: Message) -> str:
        """What is shown of a message, without markup."""
        return "\n".join(words_of(each) for each in pieces_of(message)) or message.text

    async def until(self, holds: Callable[[list[Said]], object]) -> list[Said]:
        await self.server.until(lambda: bool(holds(self.all())), WAIT_S)
        return self.all()


def pieces_of(message: Message) -> list[Json]:
    return [piece for block in message.blocks if block["type"] == "rich_text" for piece in many(block)]


def words_of(piece: Json) -> str:
    return "".join(str(each.get("text", "")) for each in leaves([{"type": "rich_text", "elements": [piece]}]))


class SlackHuman(Human):
    def __init__(self, server: SlackServer, person: Person) -> None:
        self.server, self.person, self.id, self.name = server, person, person.address, person.name
        self.dm = SlackPlace(server, person.dm, person.address)

    async def says(self, where: Place, text: str, *, files: Sequence[File] = (), to_bot: bool = False) -> Any:
        assert isinstance(where, SlackPlace)
        said = f"{MENTION} {text}" if to_bot else text
        made = [StoredFile(self.server.world.id("F"), f.name, f.data, f.mime, user=self.person.id) for f in files]
        return await self.person.says(where.of, said, files=made)

    async def edits(self, where: Place, message: Any, text: str) -> None:
        assert isinstance(where, SlackPlace)
        await self.person.edits(where.of, message, text)

    async def presses(self, where: Place, said: Said, label: str) -> str:
        assert isinstance(where, SlackPlace)
        before = len(self.person.told())
        await self.person.presses(where.of, self.server.world.channels[where.of.id].messages[said.id], label)
        await self.server.until(lambda: len(self.person.told()) > before, WAIT_S)
        return self.person.told()[-1]


class Slack(Platform):
    name, can = "slack", CAN

    def __init__(self, server: SlackServer) -> None:
        self.server, self.env = server, {"FAMILY_BOT": server.bot_token, "FAMILY_APP": server.app_token}

    def section(self) -> str:
        tokens = 'bot_token_env = "FAMILY_BOT"\napp_token_env = "FAMILY_APP"\n'
        return f'type = "slack"\n{tokens}api_base_url = "{self.server.url}"\nthreads = false\n'

    def human(self, name: str) -> Human:
        return SlackHuman(self.server, self.server.user(name))

    def robot(self, name: str) -> Human:
        return SlackHuman(self.server, self.server.user(name, is_bot=True))

    def group(self, *members: Human) -> Place:
        channel = self.server.channel("group", *(each.person for each in members if isinstance(each, SlackHuman)))
        return SlackPlace(self.server, channel, channel.id)

    def forum(self, *members: Human) -> Place:
        return self.group(*members)

    def topics(self, where: Place) -> Mapping[str, bool]:
        assert isinstance(where, SlackPlace)
        return {SlackPlace.words(each): False for each in self.server.ours(where.of) if not each.thread}

    def loses_topic(self) -> None:
        self.loses_answer()

    def loses_answer(self) -> None:
        self.server.fail("chat.postMessage", Fault(hangs_up=True, takes_effect=True))

    def asks_to_wait(self, seconds: int) -> None:
        self.server.fail("chat.postMessage", Fault(retry_after=seconds))

    def reactions(self, where: Place, message: Any) -> list[str]:
        return [SIGNS[name] for name, users in message.reactions.items() if BOT in users]

    async def until(self, holds: Callable[[], bool]) -> None:
        await self.server.until(holds, WAIT_S)


@asynccontextmanager
async def slack() -> AsyncGenerator[Platform]:
    async with SlackServer() as server:
        yield Slack(server)
