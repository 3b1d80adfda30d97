"""People on the server, and what they do to the bot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bridge_mcp.core.errors import BadInput, NotFound
from tests.servers.discord.gateway import DIRECT_MESSAGE_REACTIONS, GUILD_MESSAGE_REACTIONS
from tests.servers.discord.interactions import COMMAND, COMPONENT, SUBMIT, Interaction, Interactions
from tests.servers.discord.messages import Messages
from tests.servers.discord.world import DM, Object, Person, Place, Stored, StoredFile, World

__all__ = ["Chat", "Pressed", "User", "buttons"]


@dataclass(frozen=True, slots=True)
class Chat:
    """Where people and the bot write."""

    world: World
    place: Place

    @property
    def id(self) -> int:
        return self.place.id

    @property
    def bot_messages(self) -> list[Stored]:
        """What stands there by the bot, for everybody, oldest first."""
        every = sorted(self.place.messages.items())
        return [each for _, each in every if each.author is self.world.bot and not each.ephemeral_for]

    async def bot_says(self, count: int = 1, timeout_s: float = 10.0) -> list[Stored]:
        """Wait until the bot has so many messages there; all of them."""
        await self.world.changes.until(lambda: len(self.bot_messages) >= count, timeout_s)
        return self.bot_messages


@dataclass(frozen=True, slots=True)
class Pressed:
    """An interaction that somebody began."""

    world: World
    state: Interaction

    async def answered(self, timeout_s: float = 10.0) -> Interaction:
        """Wait for the bot's first answer."""
        await self.world.changes.until(lambda: bool(self.state.answer), timeout_s)
        return self.state


def buttons(message: Stored) -> list[str]:
    """What stands on the buttons below a message."""
    return [str(each["label"]) for row in message.components for each in row["components"]]


class User:
    """A person. Made by `DiscordServer.user`."""

    def __init__(self, world: World, messages: Messages, interactions: Interactions, state: Person) -> None:
        self._world, self._messages, self._interactions, self.state = world, messages, interactions, state

    @property
    def id(self) -> int:
        return self.state.id

    @property
    def name(self) -> str:
        return self.state.name

    @property
    def dm(self) -> Chat:
        """Between this person and the bot."""
        return Chat(self._world, self._world.direct(self.state))

    async def sends(
        self, chat: Chat, text: str, *, reply_to: Stored | None = None, ping: bool = True, **more: Any
    ) -> Stored:
        """Write a message. `ping`: a reply mentions whom it replies to, unless the person switches that off."""
        if reply_to is not None:
            more |= {"reference": reply_to.id, "type": 19}
            more |= {"mentions": [reply_to.author.id]} if ping else {}
        return self._messages.write(chat.place, self.state, text, **more)

    async def sends_files(self, chat: Chat, files: Sequence[tuple[str, bytes, str]], text: str = "") -> Stored:
        """Send files: for each its name, its bytes and its media type."""
        kept = [StoredFile(self._world.snowflake(), name, data, mime) for name, data, mime in files]
        return self._messages.write(chat.place, self.state, text, files=kept)

    async def forwards(self, chat: Chat, text: str) -> Stored:
        """Forward somebody's words."""
        return self._messages.write(chat.place, self.state, "", forwarded=text)

    async def edits(self, message: Stored, text: str) -> None:
        if message.author is not self.state:
            raise BadInput(f"{self.name} did not write this.")
        message.content, message.edited = text, self._world.now()
        self._messages.tell("MESSAGE_UPDATE", message)

    async def deletes(self, message: Stored) -> None:
        self._messages.remove(message)

    async def reacts(self, message: Stored, emoji: str, *, off: bool = False) -> None:
        """Add a reaction, or take it back."""
        who = message.reactions.setdefault(emoji, set())
        (who.discard if off else who.add)(self.id)
        place = message.place
        event: Object = {
            "user_id": str(self.id),
            "channel_id": str(place.id),
            "message_id": str(message.id),
            "emoji": {"id": None, "name": emoji},
            "message_author_id": str(message.author.id),
            "burst": False,
            "type": 0,
        }
        if place.guild is not None:
            event["guild_id"] = str(place.guild.id)
            shown = {"id": str(self.id), "username": self.name.lower(), "global_name": self.name}
            event["member"] = {"user": shown | {"discriminator": "0", "avatar": None}, "roles": [], "flags": 0}
        intent = DIRECT_MESSAGE_REACTIONS if place.type == DM else GUILD_MESSAGE_REACTIONS
        name = "MESSAGE_REACTION_REMOVE" if off else "MESSAGE_REACTION_ADD"
        self._world.emit(name, event, intent)

    async def presses(self, message: Stored, label: str) -> Pressed:
        """Press a button that stands below a message."""
        every = [each for row in message.components for each in row["components"]]
        found = next((each for each in every if each["label"] == label), None)
        if found is None:
            raise NotFound(f"There is no button {label!r}.", fix=f"There are: {buttons(message)}.")
        return await self.sends_press(message, str(found["custom_id"]))

    async def sends_press(self, message: Stored, custom_id: str) -> Pressed:
        """Press with any id, as a changed program can."""
        data: Object = {"custom_id": custom_id, "component_type": 2, "id": 2}
        begun = self._interactions.begin(COMPONENT, self.state, message.place, data, message)
        return Pressed(self._world, begun)

    async def calls(self, chat: Chat, command: str, **options: str) -> Pressed:
        """Use a slash command that the bot has."""
        found = next((each for each in self._world.commands if each["name"] == command), None)
        if found is None:
            raise NotFound(f"There is no command {command!r}.")
        given = [{"name": name, "type": 3, "value": value} for name, value in options.items()]
        data: Object = {"id": found["id"], "name": command, "type": 1, "options": given}
        return Pressed(self._world, self._interactions.begin(COMMAND, self.state, chat.place, data))

    async def submits(self, pressed: Pressed, *values: str) -> Pressed:
        """Fill in the form that a press opened."""
        form = pressed.state.form
        inputs = [row["component"] for row in form["components"]]
        rows = [
            {"type": 18, "id": n, "component": {"type": 4, "id": n, "custom_id": each["custom_id"], "value": value}}
            for n, (each, value) in enumerate(zip(inputs, values, strict=True))
        ]
        data: Object = {"custom_id": form["custom_id"], "components": rows}
        begun = self._interactions.begin(SUBMIT, self.state, pressed.state.place, data, pressed.state.message)
        return Pressed(self._world, begun)

    async def blocks(self) -> None:
        """The bot cannot write to this person any more; nobody tells it."""
        self.state.blocks_bot = True
