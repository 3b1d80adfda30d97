"""The Discord channel over simcord, a published fake of Discord: the same behaviours, by somebody else's reading."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from copy import deepcopy
from functools import partial
from io import BytesIO
from typing import Any

import anyio
import discord
import pytest
import simcord
from discord.http import Route

from bridge_mcp.assembly import WallClock
from bridge_mcp.channels.discord.bot.gateway import EVENTS
from bridge_mcp.channels.discord.bot.requests import Requests
from bridge_mcp.channels.discord.receive.places import Places
from bridge_mcp.channels.discord.receive.receiver import Receiver
from bridge_mcp.channels.discord.send.sender import Sender
from bridge_mcp.channels.health import BotHealth
from bridge_mcp.core.entries import Button
from bridge_mcp.core.errors import SendFailed
from bridge_mcp.ports import (
    Arrival,
    ButtonPress,
    Edit,
    Form,
    Happening,
    Incoming,
    Outgoing,
    Reaction,
    Upload,
)
from tests.integration.discord_chats import QUICK, channel_on, settings_on
from tests.servers.discord import DiscordServer

WAIT_S = 5.0
COMMANDS = (("whoami", "who you are"),)


class Over(Requests):
    """Requests that go to simcord's backend."""

    def __init__(self, env: simcord.Env) -> None:
        super().__init__(settings_on(DiscordServer()), QUICK)
        self._over = env

    async def request(
        self, route: Route, *, files: Any = None, form: Iterable[Any] | None = None, **kwargs: Any
    ) -> Any:
        fields = list(form or ())
        named = [each for each in fields if each["name"] != "payload_json"]
        given = [discord.File(BytesIO(each["value"]), each["filename"]) for each in named]
        return await self._over.bot.http.request(route, files=given, form=fields or None, **kwargs)


class Box:
    """An inbox that keeps what comes, and answers as a test says."""

    def __init__(self) -> None:
        self.stored: list[Arrival] = []
        self.says: Callable[[Arrival], str] = lambda arrival: ""
        self.opens: Form | None = None

    async def put(self, arrival: Arrival) -> str:
        self.stored.append(arrival)
        return self.says(arrival)

    async def offset(self, channel: str) -> int | None:
        return None

    async def form(self, press: ButtonPress) -> Form | None:
        return self.opens

    async def chats(self, channel: str, at_most: int) -> tuple[str, ...]:
        return ()

    @property
    def heard(self) -> list[Incoming]:
        return [each for each in self.stored if isinstance(each, Incoming)]

    @property
    def pressed(self) -> list[ButtonPress]:
        return [each for each in self.stored if isinstance(each, ButtonPress)]


class Rig:
    """A channel's halves over simcord."""

    def __init__(self, env: simcord.Env, box: Box, sender: Sender) -> None:
        self.env, self.box, self.sender = env, box, sender
        self._parts = channel_on(DiscordServer(), WallClock()).parts

    async def send(self, action: Any) -> list[str]:
        ids: list[str] = []
        for part in self._parts(action):
            ids += await self.sender.send(part)
        return ids

    async def until(self, holds: Callable[[], object]) -> None:
        with anyio.fail_after(WAIT_S):
            while not holds():
                await anyio.lowlevel.checkpoint()


@asynccontextmanager
async def over(content: bool = False) -> AsyncGenerator[Rig]:
    intents = discord.Intents(guilds=True, guild_messages=True, dm_messages=True, guild_reactions=True)
    intents.message_content = content
    client = discord.Client(intents=intents)
    async with simcord.run(client) as env:
        settings, clock, box = settings_on(DiscordServer(), reactions=True), WallClock(), Box()
        requests = Over(env)
        places = Places(requests)
        health = BotHealth(clock)
        receiver = Receiver(
            requests, settings, places, box, health=health, clock=clock, commands=COMMANDS, patience=QUICK
        )
        parsers: dict[str, Any] = client._connection.parsers  # pyright: ignore[reportPrivateUsage]
        for name in EVENTS:
            kept = parsers.get(name)
            parsers[name] = partial(both, receiver, name, kept)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(receiver.run)
            user = client.user
            assert user is not None
            me = {"id": str(user.id), "username": user.name}
            receiver.take("READY", {"user": me, "application": {"id": str(client.application_id)}, "guilds": []})
            rig = Rig(env, box, Sender(requests, settings, places, clock, QUICK))
            await rig.until(lambda: box.stored)
            yield rig
            tasks.cancel_scope.cancel()


def last(channel: simcord.ChannelHandle) -> discord.Message:
    """What stands last in a channel."""
    found = channel.last_message
    assert found is not None
    return found


def both(receiver: Receiver, name: str, kept: Any, data: dict[str, Any]) -> None:
    """An event for the channel, and for simcord's own client, which its handles look into."""
    receiver.take(name, deepcopy(data))
    if kept is not None:
        kept(data)


@pytest.mark.shows("discord.talks")
async def test_messages_of_people_and_answers() -> None:
    async with over() as it:
        guild = it.env.create_guild()
        home = guild.create_text_channel("general")
        ann = guild.add_member(it.env.create_user("ann"))
        await ann.send(home, "between ourselves")
        mention = it.env.bot.user.mention if it.env.bot.user else ""
        await ann.send(home, f"{mention} hello")
        await ann.send_dm("in private")
        await it.until(lambda: len(it.box.heard) == 2)
        first, second = it.box.heard
        assert (first.chat, first.group, first.addressed, first.bare) == (str(home.id), True, True, "hello")
        assert (second.chat, second.group, second.text) == (str(ann.id), False, "in private")
        (made,) = await it.send(Outgoing(str(home.id), "hello Ann", reply_to=first.key, key="a#1"))
        assert last(home).content == "hello Ann"
        await it.send(Edit(str(home.id), (made,), "hello, Ann"))
        assert last(home).content == "hello, Ann"
        await it.send(Reaction(str(home.id), first.key, "👍"))


@pytest.mark.shows("discord.talks")
async def test_files_and_long_texts_go_out() -> None:
    async with over() as it:
        home = it.env.create_guild().create_text_channel("general")
        await it.send(Outgoing(str(home.id), "word " * 900, (Upload("file", "a.txt", data=b"x"),), key="a#2"))
        assert [each.filename for each in last(home).attachments] == ["a.txt"]


@pytest.mark.shows("discord.forms")
async def test_buttons_and_forms() -> None:
    async with over() as it:
        guild = it.env.create_guild()
        home = guild.create_text_channel("general")
        ann = guild.add_member(it.env.create_user("ann"))
        it.box.says = lambda arrival: "Approved." if isinstance(arrival, ButtonPress) else ""
        buttons = (Button("Yes", "/approve x", "t-yes"), Button("No", "/reject x", "t-no"))
        await it.send(Outgoing(str(home.id), "Well?", buttons=buttons, key="a#3"))
        result = await ann.click(last(home), label="Yes")
        await it.until(lambda: it.box.pressed)
        assert (it.box.pressed[0].token, it.box.pressed[0].sender.id) == ("t-yes", str(ann.id))
        await it.until(lambda: result.response)
        assert result.response is not None
        assert (result.response.content, result.ephemeral) == ("Approved.", True)
        it.box.opens = Form("Reject this call", "Why?")
        shown = await ann.click(last(home), label="No")
        await it.until(lambda: shown.modal)
        assert len(it.box.pressed) == 1, "a form decides nothing"
        await ann.submit_modal(shown, {"written": "not today"})
        await it.until(lambda: len(it.box.pressed) == 2)
        assert (it.box.pressed[1].token, it.box.pressed[1].written) == ("t-no", "not today")


@pytest.mark.shows("discord.slash")
async def test_slash_commands() -> None:
    async with over() as it:
        guild = it.env.create_guild()
        home = guild.create_text_channel("general")
        ann = guild.add_member(it.env.create_user("ann"))
        await it.until(lambda: "whoami" in ann.available_commands(home))
        called = await ann.slash(home, "whoami", words="now")
        await it.until(lambda: called.response)
        assert [each.text for each in it.box.heard] == ["/whoami now"]
        assert called.ephemeral


@pytest.mark.shows("discord.threads")
async def test_reactions_and_refusals() -> None:
    async with over() as it:
        guild = it.env.create_guild()
        home = guild.create_text_channel("general")
        ann = guild.add_member(it.env.create_user("ann"))
        await it.send(Outgoing(str(home.id), "hello", key="a#4"))
        await ann.react(last(home), "🎉")
        await it.until(lambda: [each for each in it.box.stored if isinstance(each, Happening)])
        it.env.inject_error("POST", "/channels/*/messages", status=403, code=50013)
        with pytest.raises(SendFailed, match="lacks a permission"):
            await it.send(Outgoing(str(home.id), "no", key="a#5"))
