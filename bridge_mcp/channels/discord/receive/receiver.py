"""Puts events into the inbox, in order, and answers what Discord wants answered.

Nothing of the gateway is acknowledged one by one, and a session that ends loses what it had not handed over. So each
message is stored with its own number as the channel's place in the stream, and a new session first reads what the chats
hold since that place (`Backlog`); messages that come meanwhile wait for it. Interactions wait for no message: Discord
gives them three seconds, whatever a message has to wait for.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import anyio
import msgspec
from anyio.abc import TaskGroup
from discord.errors import HTTPException, RateLimited
from discord.http import Route
from msgspec.structs import replace

from bridge_mcp.channels.discord.bot.errors import explained
from bridge_mcp.channels.discord.bot.requests import REQUEST_ERRORS, Requests
from bridge_mcp.channels.discord.bot.settings import DiscordSettings, Patience
from bridge_mcp.channels.discord.ids import digits, snowflake_time
from bridge_mcp.channels.discord.receive import payloads
from bridge_mcp.channels.discord.receive.backlog import Backlog
from bridge_mcp.channels.discord.receive.events import Account, happened, incoming
from bridge_mcp.channels.discord.receive.interactions import (
    COMMAND,
    FORM,
    Slash,
    command_of,
    commands_of,
    ephemeral_answer,
    form_answer,
    press_of,
)
from bridge_mcp.channels.discord.receive.payloads import Interaction, Message, parse
from bridge_mcp.channels.discord.receive.places import NoPlace, Place, Places
from bridge_mcp.channels.discord.send.messages import note
from bridge_mcp.channels.health import BotHealth
from bridge_mcp.core.errors import BridgeError, StoreError
from bridge_mcp.ports import Arrival, Clock, Ignored, Inbox, Incoming, Named

__all__ = ["Receiver"]

logger = logging.getLogger(__name__)

T = TypeVar("T")
Event = tuple[str, dict[str, Any]]
Task = Callable[[], Coroutine[Any, Any, object]]
MAX_WAITING = 5_000
"""Events that wait; what comes beyond is dropped, and read from the chats afterwards."""
ELSEWHERE = 2
"""The context of an interaction in direct messages that the bot has no part in."""
NOT_STORED = "That could not be stored just now. Please try again."


class Queue:
    """Events that wait for their turn."""

    def __init__(self) -> None:
        self.waiting: deque[Event] = deque()
        self.came = anyio.Event()


class Receiver:
    """The receiving half of one bot, for one run of the channel."""

    def __init__(
        self,
        requests: Requests,
        settings: DiscordSettings,
        places: Places,
        inbox: Inbox,
        *,
        health: BotHealth,
        clock: Clock,
        commands: Sequence[tuple[str, str]],
        patience: Patience,
    ) -> None:
        self._requests, self._settings, self._places, self._inbox = requests, settings, places, inbox
        self._health, self._clock, self._patience = health, clock, patience
        self._commands = tuple(Slash(*each) for each in commands)
        self._me = Account("0", "")
        self._events, self._interactions = Queue(), Queue()
        self._held: deque[Message] = deque()
        self._awaited: set[str] = set()
        """Guilds whose channels are not told yet."""
        self._catching, self._again = False, False
        self._top = 0
        """The highest number that was stored, or came in."""
        self._guilds = anyio.Event()
        self._handlers: Mapping[str, Callable[[dict[str, Any]], Awaitable[None]]] = {
            "READY": self._ready,
            "GUILD_CREATE": self._guild,
            "GUILD_DELETE": self._guild,
            "CHANNEL_CREATE": self._channel,
            "CHANNEL_UPDATE": self._channel,
            "THREAD_CREATE": self._thread,
            "THREAD_UPDATE": self._thread,
            "THREAD_LIST_SYNC": self._threads,
            "MESSAGE_CREATE": self._message,
            "MESSAGE_UPDATE": self._message,
            "MESSAGE_REACTION_ADD": partial(self._reaction, added=True),
            "MESSAGE_REACTION_REMOVE": partial(self._reaction, added=False),
            "INTERACTION_CREATE": self._interaction,
        }
        self._tasks: TaskGroup | None = None

    def take(self, name: str, data: dict[str, Any]) -> None:
        """An event of the gateway. It waits for its turn."""
        queue = self._interactions if name == "INTERACTION_CREATE" else self._events
        if len(queue.waiting) >= MAX_WAITING and name.startswith(("MESSAGE", "INTERACTION")):
            self._again = True
            return
        queue.waiting.append((name, data))
        queue.came.set()

    async def run(self) -> None:
        """Handle events until cancelled."""
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            tasks.start_soon(self._take_from, self._interactions)
            await self._take_from(self._events)

    async def _take_from(self, queue: Queue) -> None:
        while True:
            await queue.came.wait()
            while queue.waiting:
                await self._handle(*queue.waiting.popleft())
            queue.came = anyio.Event()
            if self._again and not self._catching:
                self._catch_up()

    async def _handle(self, name: str, data: dict[str, Any]) -> None:
        """Handle one event; one that cannot be read holds up no other."""
        handler = self._handlers.get(name)
        if handler is None:
            return
        try:
            await handler(data)
        except (msgspec.ValidationError, NoPlace, AttributeError, KeyError, TypeError, ValueError) as exc:
            logger.warning("channel %s: %s is left out (%s)", self._settings.name, name, type(exc).__name__)

    def _beside(self, task: Task) -> None:
        assert self._tasks is not None
        self._tasks.start_soon(task)

    # -- the session -----------------------------------------------------------------------------------------------

    async def _ready(self, data: dict[str, Any]) -> None:
        me = parse(payloads.User, data["user"])
        self._me = Account(me.id, me.name, str(data["application"]["id"]))
        self._awaited = {str(each["id"]) for each in data.get("guilds") or ()}
        self._guilds = anyio.Event()
        if not self._awaited:
            self._guilds.set()
        self._health.met(f"@{me.name}")
        self._beside(self._make_commands_known)
        self._catch_up()

    def _catch_up(self) -> None:
        self._again = False
        if self._catching:
            self._again = True
            return
        self._catching = True
        self._beside(self._caught_up)

    async def _caught_up(self) -> None:
        """Read what was said while nobody listened; then take what has come meanwhile."""
        with anyio.move_on_after(self._patience.guilds):
            await self._guilds.wait()
        backlog = Backlog(self._requests, self._settings, self._places, self._inbox, self._me, self._clock)
        after = await self._stored(partial(self._inbox.offset, self._settings.name))
        top = await backlog.read(after, self._heard_before, self._patiently)
        while self._held:
            message = self._held.popleft()
            await self._heard(message, offset=None)
            top = max(top, int(message.id))
        self._top = max(self._top, top)
        self._catching = False
        await self._put(Ignored(self._settings.name, self._top))
        if self._again:
            self._events.came.set()

    async def _heard_before(self, message: Message, place: Place) -> None:
        arrival = incoming(message, place, self._me, self._settings.name)
        if arrival is not None and not arrival.edit:
            await self._store_message(arrival, place)
        elif arrival is not None:
            # What was written while nobody listened, and edited since, counts as it stands now.
            await self._store_message(replace(arrival, edit=""), place)

    async def _make_commands_known(self) -> None:
        """Tell Discord the commands, where it knows others; it offers them to people who type a slash."""
        route = partial(Route, path="/applications/{application_id}/commands", application_id=self._me.application)
        try:
            registered = await self._patiently(partial(self._requests.request, route("GET")))
            if commands_of(registered) != {each.name: each.body["description"] for each in self._commands}:
                bodies = [each.body for each in self._commands]
                await self._patiently(partial(self._requests.request, route("PUT"), json=bodies))
        except NoPlace:
            logger.warning("channel %s: Discord takes no slash commands of this bot", self._settings.name)

    # -- channels --------------------------------------------------------------------------------------------------

    async def _guild(self, data: dict[str, Any]) -> None:
        guild = parse(payloads.Guild, data)
        if not guild.unavailable:
            self._places.guild(guild)
        self._awaited.discard(guild.id)
        if not self._awaited:
            self._guilds.set()

    async def _channel(self, data: dict[str, Any]) -> None:
        self._places.learn(parse(payloads.Channel, data))

    async def _thread(self, data: dict[str, Any]) -> None:
        place = self._places.learn(parse(payloads.Channel, data))
        if place.topic:
            await self._put(Named(self._settings.name, place.chat, place.topic))

    async def _threads(self, data: dict[str, Any]) -> None:
        for each in data.get("threads") or ():
            self._places.learn(parse(payloads.Channel, each))

    # -- messages --------------------------------------------------------------------------------------------------

    async def _message(self, data: dict[str, Any]) -> None:
        message = parse(Message, data)
        if message.author.id == self._me.id:
            return
        if self._catching and not message.edited_timestamp:
            if len(self._held) < MAX_WAITING:
                self._held.append(message)
            else:
                self._again = True
            return
        await self._heard(message, offset=self._next(message.id))

    def _next(self, number: str) -> int | None:
        """The place in the stream behind this one; None while older messages are still being read."""
        self._top = max(self._top, int(number))
        return None if self._catching else self._top

    async def _heard(self, message: Message, offset: int | None) -> None:
        if not digits(message.id) or message.author.id == self._me.id:
            return
        if message.guild_id is None:
            place = self._places.met(message.author.id, message.channel_id, message.author.name)
        else:
            place = await self._patiently(partial(self._places.find, message.channel_id))
        self._places.heard(place.id, int(message.id))
        arrival = incoming(message, place, self._me, self._settings.name)
        if arrival is None:
            return
        await self._store_message(replace(arrival, offset=None if arrival.edit else offset), place)

    async def _store_message(self, arrival: Incoming, place: Place) -> None:
        """Store a message; where its sender is to be told something, tell them beside."""
        reply = await self._put(arrival)
        if reply:
            self._beside(partial(note, self._requests, place.id, reply, arrival.key))

    async def _reaction(self, data: dict[str, Any], *, added: bool) -> None:
        reacted = parse(payloads.ReactionEvent, data)
        if reacted.user_id == self._me.id:
            return
        if reacted.guild_id is None:
            place = self._places.met(reacted.user_id, reacted.channel_id)
        else:
            place = await self._patiently(partial(self._places.find, reacted.channel_id))
        await self._put(happened(reacted, place, self._settings.name, self._clock.now(), added=added))

    # -- interactions ----------------------------------------------------------------------------------------------

    async def _interaction(self, data: dict[str, Any]) -> None:
        interaction = parse(Interaction, data)
        place = self._place_of(interaction)
        try:
            answer = await self._effect(interaction, place)
        except BridgeError as exc:
            logger.warning("channel %s: an interaction could not be stored: %s", self._settings.name, exc)
            answer = ephemeral_answer(NOT_STORED)
        if answer is not None:
            self._beside(partial(self._answer, interaction, answer))

    def _place_of(self, interaction: Interaction) -> Place:
        who, channel = interaction.who, interaction.channel
        if who is None or channel is None or interaction.context == ELSEWHERE:
            raise NoPlace(interaction.id)
        if interaction.guild_id is None:
            return self._places.met(who.id, channel.id, who.name)
        return self._places.learn(payloads.within(channel, interaction.guild_id))

    async def _effect(self, interaction: Interaction, place: Place) -> dict[str, Any] | None:
        """Store what somebody did, or open the form that it wants first; the answer to it."""
        at, name = snowflake_time(int(interaction.id)), self._settings.name
        if interaction.type == COMMAND:
            command = command_of(interaction, place, name, at)
            if command is None:
                return None
            reply = await self._inbox.put(command)
            return ephemeral_answer(reply or f"✓ {command.text}")
        press = press_of(interaction, place, name, at)
        if press is None:
            return None
        if not str(interaction.data.get("custom_id")).startswith(FORM):
            form = await self._inbox.form(press)
            opened = form_answer(press.token, form) if form is not None else None
            if opened is not None:
                return opened
        return ephemeral_answer(await self._inbox.put(press))

    async def _answer(self, interaction: Interaction, answer: dict[str, Any]) -> None:
        """Answer within three seconds; later nobody can, and the person sees that it failed."""
        path = "/interactions/{webhook_id}/{webhook_token}/callback"
        route = Route("POST", path, webhook_id=interaction.id, webhook_token=interaction.token)
        try:
            await self._requests.request(route, json=answer)
        except REQUEST_ERRORS as exc:
            logger.info("channel %s: an interaction was not answered: %s", self._settings.name, type(exc).__name__)

    # -- waiting ---------------------------------------------------------------------------------------------------

    async def _put(self, arrival: Arrival) -> str:
        """Store an arrival, however often that takes."""
        return await self._stored(partial(self._inbox.put, arrival))

    async def _stored(self, request: Callable[[], Awaitable[T]]) -> T:
        while True:
            try:
                result = await request()
            except StoreError as exc:
                self._health.bad(f"What came in could not be stored: {exc} It is tried again.")
                await anyio.sleep(self._patience.again)
            else:
                if self._health.health.state == "degraded":
                    self._health.good()
                return result

    async def _patiently(self, request: Callable[[], Awaitable[T]]) -> T:
        """The result of a request, repeated after a pause until there is one.

        Raises:
            NoPlace: Discord refuses it for good.
        """
        while True:
            try:
                return await request()
            except RateLimited as exc:
                await anyio.sleep(exc.retry_after)
            except HTTPException as exc:
                if exc.status < 500:
                    raise NoPlace(explained(exc, self._requests.clean)) from None
                await anyio.sleep(self._patience.again)
            except REQUEST_ERRORS:
                await anyio.sleep(self._patience.again)
