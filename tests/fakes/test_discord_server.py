"""The server on loopback, as discord.py meets it: what it takes, and what it refuses."""

from __future__ import annotations

import asyncio
import io
import time

import aiohttp
import anyio
import discord
import pytest

from tests.fakes.discord_bots import bot_on, refused
from tests.servers.discord import DiscordServer, Fault, buttons

CONTENT = discord.Intents(guilds=True, guild_messages=True, dm_messages=True, message_content=True)
REACTIONS = discord.Intents(guilds=True, guild_messages=True, guild_reactions=True, dm_messages=True)


async def test_a_person_writes_and_the_bot_answers() -> None:
    async with DiscordServer() as server, bot_on(server) as bot:
        ann = server.user("Ann")
        await ann.sends(ann.dm, "hello")
        message = await asyncio.wait_for(bot.heard.get(), 5)
        assert (message.content, message.author.id, message.guild) == ("hello", ann.id, None)
        await message.channel.send("hello Ann", reference=message)
        (reply,) = await ann.dm.bot_says()
        assert (reply.content, reply.reference) == ("hello Ann", message.id)


async def test_intents_decide_what_content_is_told() -> None:
    async with DiscordServer() as server:
        home = server.channel(server.guild())
        ann = server.user("Ann")
        async with bot_on(server) as bot:
            await ann.sends(home, "secret")
            await ann.sends(home, f"{server.mention} hi")
            first, second = await bot.heard.get(), await bot.heard.get()
            assert (first.content, second.content) == ("", f"{server.mention} hi")
        server.gateway.allowed = CONTENT.value
        async with bot_on(server, CONTENT) as bot:
            await ann.sends(home, "secret")
            assert (await bot.heard.get()).content == "secret"


@pytest.mark.parametrize("allowed", [False, True])
async def test_intents_that_nobody_allowed_close_the_gateway_with_4014(allowed: bool) -> None:
    async with DiscordServer() as server:
        server.gateway.allowed = CONTENT.value if allowed else 0
        if allowed:
            async with bot_on(server, CONTENT) as bot:
                assert bot.is_ready()
        else:
            with pytest.raises(discord.PrivilegedIntentsRequired):
                async with bot_on(server, CONTENT):
                    pass


async def test_a_wrong_token_is_refused() -> None:
    async with DiscordServer() as server:
        with pytest.raises(discord.LoginFailure):
            async with bot_on(server, token="wrong.token.here"):
                pass


@pytest.mark.parametrize(("payload", "code"), [("{", 4002), ('{"op": 3, "d": {}}', 4003), ('{"op": 99, "d": 1}', 4001)])
async def test_what_is_no_payload_closes_the_gateway(payload: str, code: int) -> None:
    async with DiscordServer() as server, aiohttp.ClientSession() as session:
        async with session.ws_connect(f"{server.gateway.url}?v=10&encoding=json") as socket:
            assert (await socket.receive_json())["op"] == 10
            await socket.send_str(payload)
            assert (await socket.receive()).data == code


@pytest.mark.parametrize("how", ["cut", "ask_reconnect", "resumable"])
async def test_a_session_is_resumed_and_misses_nothing(how: str) -> None:
    async with DiscordServer() as server, bot_on(server) as bot:
        ann = server.user("Ann")
        {
            "cut": server.gateway.cut,
            "ask_reconnect": server.gateway.ask_reconnect,
            "resumable": lambda: server.gateway.invalidate(resumable=True),
        }[how]()
        await server.until(lambda: not server.gateway.connected)
        await ann.sends(ann.dm, "while you were away")
        assert (await asyncio.wait_for(bot.heard.get(), 20)).content == "while you were away"
        assert (server.gateway.identifies, server.gateway.resumes) == (1, 1)


@pytest.mark.slow
async def test_a_forgotten_session_is_begun_anew_without_what_came_between() -> None:
    async with DiscordServer() as server, bot_on(server) as bot:
        ann = server.user("Ann")
        server.gateway.forget()
        server.gateway.cut()
        await ann.sends(ann.dm, "lost")
        await server.connected(20)
        await server.until(lambda: server.gateway.identifies == 2, 20)
        await ann.sends(ann.dm, "heard")
        assert (await asyncio.wait_for(bot.heard.get(), 20)).content == "heard"


async def test_the_same_nonce_makes_one_message() -> None:
    async with DiscordServer() as server, bot_on(server) as bot:
        dm = await bot.create_dm(discord.Object(server.user("Ann").id))  # type: ignore[arg-type]
        first = await dm.send("once", nonce="a")
        second = await dm.send("once", nonce="a")
        third = await dm.send("once", nonce="b")
        assert first.id == second.id != third.id
        server.world.ahead_s = 600
        assert (await dm.send("once", nonce="a")).id not in (first.id, third.id)


async def test_an_answer_that_is_lost_after_the_message_was_made() -> None:
    async with DiscordServer() as server, bot_on(server) as bot:
        ann = server.user("Ann")
        dm = await bot.create_dm(discord.Object(ann.id))  # type: ignore[arg-type]
        server.fault(Fault("lost", "POST .*/messages"))
        with pytest.raises((aiohttp.ClientError, OSError)):
            await dm.send("made", nonce="x")
        again = await dm.send("made", nonce="x")
        assert [each.id for each in ann.dm.bot_messages] == [again.id]


async def test_limits_are_told_by_headers_and_a_bucket_runs_dry() -> None:
    async with DiscordServer() as server, bot_on(server) as bot:
        server.web.limits.routes["POST /channels/{channel}/messages"] = (2, 0.5)
        dm = await bot.create_dm(discord.Object(server.user("Ann").id))  # type: ignore[arg-type]
        begun = time.monotonic()
        for number in range(4):
            await dm.send(str(number))
        assert time.monotonic() - begun > 0.4, "discord.py waits by the headers"
        assert server.web.invalid == 0


async def test_a_flood_is_refused_with_429_for_a_route_and_for_all() -> None:
    async with DiscordServer() as server, aiohttp.ClientSession() as session:
        server.web.limits.routes["POST /channels/{channel}/messages"] = (1, 5.0)
        url, headers = f"{server.api_url}/channels/{server.user('Ann').dm.id}/messages", auth(server)
        async with session.post(url, json={"content": "1"}, headers=headers) as first:
            assert (first.status, first.headers["X-RateLimit-Remaining"]) == (200, "0")
            assert first.headers["Content-Type"] == "application/json"
        async with session.post(url, json={"content": "2"}, headers=headers) as second:
            assert second.status == 429
            assert second.headers["X-RateLimit-Scope"] == "user"
            assert not (await second.json())["global"]
        server.web.limits.global_ = 1
        async with session.get(f"{server.api_url}/users/@me", headers=headers) as third:
            told = await third.json()
            assert (third.status, told["global"], third.headers["X-RateLimit-Global"]) == (429, True, "true")
        assert server.web.invalid == 2


def auth(server: DiscordServer) -> dict[str, str]:
    return {"Authorization": f"Bot {server.token}"}


async def test_what_a_message_may_not_be() -> None:
    async with DiscordServer(limits=False) as server, bot_on(server) as bot:
        dm = await bot.create_dm(discord.Object(server.user("Ann").id))  # type: ignore[arg-type]
        with refused(400, 50035):
            await dm.send("x" * 2001)
        with refused(400, 50006):
            await dm.send("   ")
        with refused(400, 50035):
            await dm.send("x", nonce="n" * 26)
        with refused(413, 40005):
            await dm.send(file=discord.File(io.BytesIO(b"x" * (10 * 1024 * 1024 + 1)), "big"))
        with refused(404, 10003):
            await bot.http.get_channel(12345)
        with refused(404, 10008):
            await dm.fetch_message(12345)


async def test_permissions_that_the_bot_lacks() -> None:
    async with DiscordServer(limits=False) as server, bot_on(server) as bot:
        home = server.channel(server.guild())
        await server.until(lambda: bot.get_channel(home.id) is not None or True)
        channel = await bot.fetch_channel(home.id)
        assert isinstance(channel, discord.TextChannel)
        home.place.denied.add("SEND_MESSAGES")
        with refused(403, 50013):
            await channel.send("x")
        home.place.denied.add("VIEW_CHANNEL")
        with refused(403, 50001):
            await channel.send("x")
        ann = server.user("Ann")
        await ann.blocks()
        dm = await bot.create_dm(discord.Object(ann.id))  # type: ignore[arg-type]
        with refused(403, 50007):
            await dm.send("x")


async def test_who_is_notified_depends_on_allowed_mentions() -> None:
    async with DiscordServer(limits=False) as server, bot_on(server) as bot:
        ann = server.user("Ann")
        dm = await bot.create_dm(discord.Object(ann.id))  # type: ignore[arg-type]
        text = f"@everyone <@{ann.id}> https://example.org/x"
        await dm.send(text)
        await dm.send(text, allowed_mentions=discord.AllowedMentions.none(), suppress_embeds=True)
        loud, quiet = ann.dm.bot_messages
        assert (loud.pings, quiet.pings) == ({"everyone", str(ann.id)}, set())
        assert server.world.unfurled == ["https://example.org/x"]


async def test_pages_of_messages_are_newest_first() -> None:
    async with DiscordServer(limits=False) as server, bot_on(server) as bot:
        ann = server.user("Ann")
        sent = [await ann.sends(ann.dm, str(number)) for number in range(5)]
        dm = await bot.create_dm(discord.Object(ann.id))  # type: ignore[arg-type]
        after = await bot.http.logs_from(dm.id, 2, after=sent[1].id)
        before = await bot.http.logs_from(dm.id, 2, before=sent[3].id)
        assert [each["content"] for each in after] == ["3", "2"]
        assert [each["content"] for each in before] == ["2", "1"]


async def test_edits_reactions_threads_and_files() -> None:
    async with DiscordServer(limits=False) as server:
        server.gateway.allowed = CONTENT.value
        async with bot_on(server, REACTIONS) as bot:
            ann = server.user("Ann")
            home = server.channel(server.guild())
            said = await ann.sends(home, f"{server.mention} look")
            message = await bot.heard.get()
            await message.add_reaction("👍")
            assert said.reactions == {"👍": {server.world.bot.id}}
            await ann.reacts(said, "🎉")
            assert (await asyncio.wait_for(bot.reactions.get(), 5)).emoji.name in ("👍", "🎉")
            await ann.edits(said, f"{server.mention} look here")
            assert (await bot.edited.get()).data["content"] == f"{server.mention} look here"
            thread = await message.create_thread(name="about this")
            await thread.send(file=discord.File(io.BytesIO(b"data"), "a.txt"), content="here")
            place = server.world.places[thread.id]
            (posted,) = place.messages.values()
            assert [(file.name, file.data) for file in posted.files] == [("a.txt", b"data")]
            place.archived = True
            await thread.send("again")
            assert not place.archived
            place.archived = place.locked = True
            with refused(400, 50083):
                await thread.send("no")


async def test_files_of_people_lie_under_addresses_that_expire() -> None:
    async with DiscordServer(limits=False) as server, bot_on(server) as bot:
        ann = server.user("Ann")
        said = await ann.sends_files(ann.dm, [("a.txt", b"data", "text/plain")])
        (file,) = (await bot.heard.get()).attachments
        assert await file.read() == b"data"
        said.files[0].expired = True
        (again,) = (await (await bot.create_dm(discord.Object(ann.id))).fetch_message(said.id)).attachments
        with pytest.raises(discord.NotFound):
            await again.read()


async def test_a_press_is_answered_within_three_seconds_or_lost() -> None:
    async with DiscordServer(limits=False) as server, bot_on(server) as bot:
        ann = server.user("Ann")
        dm = await bot.create_dm(discord.Object(ann.id))  # type: ignore[arg-type]
        view = discord.ui.View(timeout=None)
        view.add_item(discord.ui.Button[discord.ui.View](label="Yes", custom_id="yes"))
        await dm.send("well?", view=view)
        (asked,) = ann.dm.bot_messages
        assert buttons(asked) == ["Yes"]
        pressed = await ann.presses(asked, "Yes")
        interaction = await asyncio.wait_for(bot.interactions.get(), 5)
        await interaction.response.send_message("noted", ephemeral=True)
        assert ((await pressed.answered()).told, pressed.state.ephemeral) == ("noted", True)
        assert asked in ann.dm.bot_messages
        assert len(ann.dm.bot_messages) == 1
        late = await ann.presses(asked, "Yes")
        interaction = await asyncio.wait_for(bot.interactions.get(), 5)
        server.world.ahead_s = 4
        with refused(404, 10062):
            await interaction.response.send_message("too late")
        assert late.state.failed


class Why(discord.ui.Modal, title="Why?"):
    reason = discord.ui.Label(text="Reason", component=discord.ui.TextInput[discord.ui.Modal](custom_id="reason"))


async def test_slash_commands_and_forms() -> None:
    async with DiscordServer(limits=False) as server, bot_on(server) as bot:
        tree = discord.app_commands.CommandTree(bot)

        @tree.command(description="says why")
        async def why(interaction: discord.Interaction) -> None:
            await interaction.response.send_modal(Why())

        bot.on_interaction = lambda interaction: asyncio.sleep(0)  # type: ignore[method-assign]
        await tree.sync()
        ann = server.user("Ann")
        called = await ann.calls(ann.dm, "why")
        form = (await called.answered()).form
        assert (form["title"], form["components"][0]["component"]["custom_id"]) == ("Why?", "reason")
        with anyio.fail_after(5):
            submitted = await ann.submits(called, "because")
            assert submitted.state.message is None


async def test_requests_that_do_not_come_through() -> None:
    async with DiscordServer(limits=False) as server, aiohttp.ClientSession() as session:
        url = f"{server.api_url}/users/@me"
        server.fault(Fault("status", "GET /users", status=502))
        async with session.get(url, headers=auth(server)) as answer:
            assert answer.status == 502
        server.fault(Fault("garbage", "GET /users"))
        async with session.get(url, headers=auth(server)) as answer:
            assert (answer.status, answer.content_type) == (200, "text/html")
        async with session.get(url, headers={"Authorization": "Bot wrong"}) as answer:
            assert answer.status == 401
        async with session.get(f"{server.api_url}/nothing", headers=auth(server)) as answer:
            assert answer.status == 404


async def test_a_zombie_gateway_answers_no_heartbeat_and_a_silent_client_is_closed() -> None:
    async with DiscordServer() as server, aiohttp.ClientSession() as session:
        server.gateway.heartbeat_s = 0.05
        async with session.ws_connect(f"{server.gateway.url}?v=10&encoding=json") as socket:
            assert (await socket.receive_json())["d"] == {"heartbeat_interval": 50}
            await socket.send_json({"op": 1, "d": None})
            assert (await socket.receive_json())["op"] == 11
            server.gateway.acknowledges = False
            await socket.send_json({"op": 1, "d": None})
            assert (await socket.receive()).data == 4009
