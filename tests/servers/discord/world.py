"""What the server knows: people, guilds, channels, messages, the bot; and who is told of changes.

https://docs.discord.com/developers/resources/channel and /message.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

__all__ = [
    "DM",
    "FORUM",
    "PERMISSIONS",
    "TEXT",
    "THREAD",
    "Changes",
    "Guild",
    "Object",
    "Person",
    "Place",
    "Stored",
    "StoredFile",
    "World",
]

Object: TypeAlias = dict[str, Any]

TEXT, DM, THREAD, FORUM = 0, 1, 11, 15
EPOCH_MS = 1_420_070_400_000
"""The first second of 2015, from which snowflakes count."""

PERMISSIONS = {
    "ADD_REACTIONS": 1 << 6,
    "VIEW_CHANNEL": 1 << 10,
    "SEND_MESSAGES": 1 << 11,
    "EMBED_LINKS": 1 << 14,
    "ATTACH_FILES": 1 << 15,
    "READ_MESSAGE_HISTORY": 1 << 16,
    "MENTION_EVERYONE": 1 << 17,
    "SEND_MESSAGES_IN_THREADS": 1 << 38,
}
"""https://docs.discord.com/developers/topics/permissions: those that this server looks at."""


@dataclass(slots=True)
class Person:
    """A user or a bot."""

    id: int
    name: str
    bot: bool = False
    blocks_bot: bool = False
    """Whether the bot cannot write to them: blocked, or no guild in common."""


@dataclass(slots=True)
class StoredFile:
    """An attachment."""

    id: int
    name: str
    data: bytes
    mime: str
    expired: bool = False
    """Whether the address that was told of it is out of date: addresses hold for about a day."""


@dataclass(slots=True)
class Stored:
    """A message as it stands now."""

    id: int
    place: Place
    author: Person
    content: str = ""
    at: float = 0.0
    edited: float = 0.0
    flags: int = 0
    type: int = 0
    nonce: str = ""
    reference: int = 0
    forwarded: str = ""
    """The words of a message that this one forwards."""
    mentions: list[int] = field(default_factory=list[int])
    pings: set[str] = field(default_factory=set[str])
    """Who was notified by name: ids, `everyone`, `role:ID`."""
    files: list[StoredFile] = field(default_factory=list[StoredFile])
    components: list[Object] = field(default_factory=list[Object])
    embeds: list[Object] = field(default_factory=list[Object])
    reactions: dict[str, set[int]] = field(default_factory=dict[str, set[int]])
    ephemeral_for: int = 0
    """Who alone sees it, where it answers an interaction so."""


@dataclass(slots=True)
class Place:
    """A channel: of a guild, a direct one, or a thread."""

    id: int
    type: int
    name: str = ""
    guild: Guild | None = None
    parent: Place | None = None
    people: list[Person] = field(default_factory=list[Person])
    messages: dict[int, Stored] = field(default_factory=dict[int, Stored])
    denied: set[str] = field(default_factory=set[str])
    """Permissions that the bot lacks here."""
    archived: bool = False
    locked: bool = False
    typing: int = 0
    """How often the bot said that it is typing."""

    @property
    def last(self) -> int:
        return max(self.messages, default=0)


@dataclass(slots=True)
class Guild:
    """A server of Discord."""

    id: int
    name: str
    places: list[Place] = field(default_factory=list[Place])


class Changes:
    """Tells whoever waits that something has changed."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def tell(self) -> None:
        self._event.set()
        self._event = asyncio.Event()

    async def until(self, holds: Callable[[], bool], timeout_s: float) -> None:
        """Wait until something holds.

        Raises:
            TimeoutError: it did not in time.
        """
        async with asyncio.timeout(timeout_s):
            while not holds():
                await self._event.wait()


class World:
    """Everything on the server, and the ids of what comes."""

    def __init__(self, bot: Person, application: int) -> None:
        self.bot, self.application = bot, application
        self.people: dict[int, Person] = {bot.id: bot}
        self.guilds: dict[int, Guild] = {}
        self.places: dict[int, Place] = {}
        self.commands: list[Object] = []
        self.changes = Changes()
        self.emit: Callable[[str, Object, int], None] = lambda name, data, intent: None
        """Sends an event to all sessions with an intent; 0: to all."""
        self.unfurled: list[str] = []
        """Addresses in messages whose embeds were not suppressed: Discord fetches each of them."""
        self.ahead_s = 0.0
        """How far this server's clock was set ahead."""
        self._last_id = 0

    def now(self) -> float:
        return time.time() + self.ahead_s

    def snowflake(self, at: float | None = None) -> int:
        """A new id: the milliseconds since 2015, and a number within them. Later ones are higher."""
        moment = int((self.now() if at is None else at) * 1000) - EPOCH_MS
        self._last_id = max(self._last_id + 1, moment << 22)
        return self._last_id

    def direct(self, person: Person) -> Place:
        """The channel between a person and the bot, made when it is first needed."""
        for place in self.places.values():
            if place.type == DM and place.people == [person]:
                return place
        return self.add(Place(self.snowflake(), DM, people=[person]))

    def add(self, place: Place) -> Place:
        self.places[place.id] = place
        if place.guild is not None:
            place.guild.places.append(place)
        return place

    def message(self, number: int) -> Stored | None:
        """A message, wherever it stands."""
        return next((place.messages[number] for place in self.places.values() if number in place.messages), None)
