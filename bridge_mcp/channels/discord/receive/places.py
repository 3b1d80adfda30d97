"""Where people write: channels, threads and direct messages, as chats of the bridge.

A direct message's chat is the person's id, because a person is let in and given a role by it, whatever channel Discord
has for the two; a thread's is `CHANNEL/THREAD`. What is known of channels is a bounded cache: what is not in it is
asked.
"""

from __future__ import annotations

from typing import Any

import msgspec
from cachetools import LRUCache
from discord.errors import Forbidden, NotFound
from discord.http import Route
from msgspec import Struct
from msgspec.structs import replace

from bridge_mcp.channels.discord.bot.requests import Requests
from bridge_mcp.channels.discord.ids import digits
from bridge_mcp.channels.discord.receive.payloads import THREADS, Channel, Guild, parse, within

__all__ = ["NoPlace", "Place", "Places"]

DM = 1
MAX_PLACES = 20_000
MAX_PEOPLE = 5_000


class NoPlace(Exception):
    """There is no such channel, thread or person."""


class Place(Struct, frozen=True):
    """A channel."""

    id: str
    chat: str
    """Its address in the bridge."""
    title: str = ""
    topic: str = ""
    group: bool = True
    last: int = 0
    """Its last message, when it was told of."""


class Places:
    """The channels of one bot."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._known: LRUCache[str, Place] = LRUCache(MAX_PLACES)
        self._direct: LRUCache[str, str] = LRUCache(MAX_PEOPLE)
        """By person: the channel between them and the bot."""
        self._guilds: LRUCache[str, str] = LRUCache(MAX_PEOPLE)

    def guild(self, guild: Guild) -> None:
        """A guild tells of its channels and threads."""
        self._guilds[guild.id] = guild.name[:100]
        for channel in (*guild.channels, *guild.threads):
            self.learn(within(channel, guild.id))

    def learn(self, channel: Channel) -> Place:
        """Keep what is told of a channel."""
        last = int(channel.last_message_id) if channel.last_message_id and digits(channel.last_message_id) else 0
        name = (channel.name or "")[:100]
        if channel.type == DM and channel.recipients:
            person = channel.recipients[0]
            self._direct[person.id] = channel.id
            place = Place(channel.id, person.id, person.name[:100], group=False, last=last)
        elif channel.type in THREADS and channel.parent_id:
            parent = self._known.get(channel.parent_id)
            title = parent.title if parent is not None else ""
            place = Place(channel.id, f"{channel.parent_id}/{channel.id}", title, topic=name, last=last)
        else:
            guild = self._guilds.get(channel.guild_id or "", "")
            place = Place(channel.id, channel.id, f"#{name} ({guild})" if guild else f"#{name}", last=last)
        self._known[channel.id] = place
        return place

    def met(self, person: str, channel: str, name: str = "") -> Place:
        """Somebody writes directly: this is the channel between them and the bot."""
        self._direct[person] = channel
        before = self._known.get(channel)
        if before is not None and before.chat == person and before.title:
            return before
        place = Place(channel, person, name[:100], group=False, last=before.last if before is not None else 0)
        self._known[channel] = place
        return place

    async def find(self, channel: str) -> Place:
        """A channel by its id.

        Raises:
            NoPlace: it is not there, or the bot may not see it.
            HTTPException, aiohttp.ClientError, TimeoutError: it could not be asked.
        """
        if (known := self._known.get(channel)) is not None:
            return known
        return self.learn(await self._fetch(channel))

    async def _fetch(self, channel: str) -> Channel:
        try:
            answer: Any = await self._requests.request(Route("GET", "/channels/{channel_id}", channel_id=channel))
            return parse(Channel, answer)
        except (NotFound, Forbidden, msgspec.ValidationError) as exc:
            raise NoPlace(channel) from exc

    async def target(self, chat: str) -> str:
        """The channel that a chat's messages go to: a thread, a channel, or the one between a person and the bot.

        Raises:
            NoPlace: there is none.
            HTTPException, aiohttp.ClientError, TimeoutError: it could not be asked.
        """
        first, _, thread = chat.partition("/")
        if thread:
            # A chat is let in with its threads, and any channel's id can be written in the place of a thread's.
            if (await self.find(thread)).chat != chat:
                raise NoPlace(chat)
            return thread
        if (direct := self._direct.get(first)) is not None:
            return direct
        try:
            return (await self.find(first)).id
        except NoPlace:
            return (await self.direct(first)).id

    async def now(self, first: str, thread: str) -> Place:
        """A chat's channel with its last message; what guilds told at the start of the session is taken as it is.

        Raises:
            NoPlace: there is none.
        """
        if thread:
            place = await self.find(thread)
            if place.chat != f"{first}/{thread}":
                raise NoPlace(thread)
            return place
        if first not in self._direct:
            try:
                return await self.find(first)
            except NoPlace:
                pass  # then it is a person
        return await self.direct(first)

    async def direct(self, person: str) -> Place:
        """The channel between a person and the bot, opened where there is none yet.

        Raises:
            NoPlace: there is no such person.
        """
        body = {"recipient_id": person}
        try:
            answer: Any = await self._requests.request(Route("POST", "/users/@me/channels"), json=body)
            return self.learn(parse(Channel, answer))
        except (NotFound, Forbidden, msgspec.ValidationError) as exc:
            raise NoPlace(person) from exc

    def threads_below(self, channels: frozenset[str], after: int) -> list[Place]:
        """Known threads of these channels in which something was said since."""
        return [
            each
            for each in list(self._known.values())
            if each.last > after and "/" in each.chat and each.chat.partition("/")[0] in channels
        ]

    def heard(self, channel: str, message: int) -> None:
        """A message came in: it is the last one."""
        if (known := self._known.get(channel)) is not None and known.last < message:
            self._known[channel] = replace(known, last=message)
