"""What the Discord channel has of its own: threads, slash commands, forms, growing replies, gaps, intents, limits."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import anyio
import pytest
from discord import Permissions
from msgspec.structs import replace

from bridge_mcp.assembly import WallClock
from bridge_mcp.channels.discord.bot.invitation import NEEDED
from bridge_mcp.channels.discord.bot.permissions import Member, allowed, lacking
from bridge_mcp.channels.discord.ids import snowflake_at
from bridge_mcp.channels.discord.type import TYPE
from bridge_mcp.core.entries import Topic
from bridge_mcp.core.errors import ConfigError, SendFailed, SendUncertain
from bridge_mcp.ports import Arrival, ChannelRules, Edit, Ignored, Outgoing, TopicChange
from bridge_mcp.service import OWNER
from bridge_mcp.testing import FakeModel, ManualClock, says
from tests.integration.discord_chats import Box, channel_on, ready, send, settings_on
from tests.integration.discord_house import Platform, first, house, tools
from tests.integration.setup import rules_for
from tests.integration.test_discord import HOST, RELAY, deletes
from tests.servers.discord import DiscordServer, Fault

ALL = rules_for(channels={"family": ChannelRules("family", "relay", groups="always")})
PRIVILEGED = 1 << 15


@pytest.fixture
async def platform() -> AsyncGenerator[Platform]:
    async with DiscordServer(limits=False) as server:
        yield Platform(server)


@pytest.mark.shows("discord.threads")
async def test_a_thread_is_a_conversation_of_its_own(tmp_path: Path, platform: Platform) -> None:
    server = platform.server
    async with house(tmp_path, platform, FakeModel([says("In the thread.")])) as it:
        ann = server.user("Ann")
        home = server.channel(server.guild("Home"), "general")
        thread = server.thread(home, "the cellar")
        await it.let_in(str(home.id))
        await ann.sends(thread, f"{server.mention} anybody?")
        assert [each.content for each in await thread.bot_says()] == ["In the thread."]
        conversation = f"family/{home.id}/{thread.id}"
        assert await it.hears(1, conversation) == ["@loopback anybody?"]
        known = await it.store.history.conversation(conversation)
        assert known is not None
        assert known.title == "#general (Home), the cellar" or "the cellar" in known.title
        assert home.bot_messages == []


@pytest.mark.shows("chats.bots")
async def test_a_bot_that_opens_a_thread_for_each_message_is_stopped_all_the_same(
    tmp_path: Path, platform: Platform
) -> None:
    server = platform.server
    rules = rules_for(channels={"family": ChannelRules("family", "assistant", bots="mentions", bot_turns=2)})
    async with house(tmp_path, platform, FakeModel([says("Yes?")] * 9), rules=rules) as it:
        ann, robot = server.user("Ann"), server.bot_user("Robot")
        home = server.channel(server.guild("Home"), "general")
        await it.let_in(str(home.id))
        threads = [server.thread(home, f"matter {number}") for number in range(6)]
        for thread in threads[:3]:
            await robot.sends(thread, f"{server.mention} again")
            await thread.bot_says()
        for thread in threads[3:5]:
            await robot.sends(thread, f"{server.mention} again")
        await ann.sends(home, f"{server.mention} what is this?")
        await home.bot_says()
        await robot.sends(threads[5], f"{server.mention} again")
        await threads[5].bot_says()
        said = [[each.content for each in thread.bot_messages] for thread in threads]
        assert said[:2] == [["Yes?"], ["Yes?"]]
        assert "2 times" in said[2][0]
        assert said[3:] == [[], [], ["Yes?"]]


@pytest.mark.shows("discord.slash")
async def test_slash_commands_are_made_known_and_answered(tmp_path: Path, platform: Platform) -> None:
    server = platform.server
    async with house(tmp_path, platform) as it:
        ann = server.user("Ann")
        await it.let_in(str(ann.id))
        await server.until(lambda: bool(server.world.commands))
        names = {each["name"] for each in server.world.commands}
        assert {"approve", "reject", "edit", "status", "stop"} <= names
        called = await ann.calls(ann.dm, "whoami")
        answered = await called.answered()
        assert (answered.ephemeral, answered.told) == (True, "✓ /whoami")
        (told,) = await ann.dm.bot_says()
        assert f"family:{ann.id}" in told.content
        eve = server.user("Eve")
        stranger = await eve.calls(eve.dm, "whoami")
        assert "does not know you" in (await stranger.answered()).told
    server.web.received.clear()
    async with house(tmp_path, platform):
        assert server.calls("PUT", "/commands") == [], "they are known"


@pytest.mark.shows("discord.forms")
async def test_a_rejection_asks_why_and_other_arguments_are_written(tmp_path: Path, platform: Platform) -> None:
    server, toolbox = platform.server, tools()
    model = FakeModel([deletes("a"), says("I see."), deletes("b"), says("Done.")])
    async with house(tmp_path, platform, model, toolbox) as it:
        ann = server.user("Ann")
        await it.let_in(str(ann.id), "approver")
        await ann.sends(ann.dm, "delete it")
        (prompt,) = await ann.dm.bot_says()
        pressed = await ann.presses(prompt, "❌ Reject")
        assert (await pressed.answered()).form["title"] == "Reject this call"
        assert toolbox.calls == []
        assert (await it.bridge.list_approvals(OWNER))[0].status == "waiting", "a form decides nothing"
        told = await (await ann.submits(pressed, "not today")).answered()
        assert told.told.startswith("Rejected")
        await ann.dm.bot_says(2)
        assert "not today" in next(m.text for m in model.requests[1].messages if m.role == "tool")
        await ann.sends(ann.dm, "then the other one")
        prompt = (await ann.dm.bot_says(3))[-1]
        pressed = await ann.presses(prompt, "✏️ Edit")
        field = (await pressed.answered()).form["components"][0]["component"]
        assert field["value"] == '{\n  "path": "b"\n}'
        await (await ann.submits(pressed, '{"path": "c"}')).answered()
        await ann.dm.bot_says(4)
    assert toolbox.calls == [("files__delete", {"path": "c"})]


@pytest.mark.shows("discord.acknowledged")
async def test_a_press_is_answered_only_once_it_is_stored(tmp_path: Path, platform: Platform) -> None:
    async with house(tmp_path, platform, rules=RELAY) as it:
        ann = platform.server.user("Ann")
        await it.let_in(str(ann.id))
        await ann.sends(ann.dm, "hello")
        await it.hears(1, f"family/{ann.id}")
        await it.bridge.send_message(HOST, f"family/{ann.id}", "Which?", buttons=["Tea"])
        (asked,) = await ann.dm.bot_says()
        pressed = await ann.presses(asked, "Tea")
        answered = await pressed.answered()
        assert answered.answered_after_s < 3
        texts = [each.text for each in (await it.bridge.read_messages(OWNER, f"family/{ann.id}")).messages]
        assert texts == ["hello", "Which?", "Tea"]


async def test_a_press_waits_for_no_message(tmp_path: Path, platform: Platform) -> None:
    server = platform.server
    async with house(tmp_path, platform, rules=RELAY) as it:
        ann = server.user("Ann")
        await it.let_in(str(ann.id))
        await ann.sends(ann.dm, "hello")
        await it.hears(1, f"family/{ann.id}")
        await it.bridge.send_message(HOST, f"family/{ann.id}", "Which?", buttons=["Tea"])
        (asked,) = await ann.dm.bot_says()
        server.fault(Fault("flood", "GET /channels/123456$", times=9, retry_after=600.0))
        chatter = {"id": "9", "channel_id": "123456", "guild_id": "9", "author": {"id": "5", "username": "x"}}
        server.world.emit("MESSAGE_CREATE", chatter | {"content": "hi", "mentions": []}, 0)
        await server.until(lambda: bool(server.calls("GET", "/channels/123456")))
        pressed = await ann.presses(asked, "Tea")
        assert (await pressed.answered()).answered_after_s < 3


@pytest.mark.shows("discord.grows")
async def test_a_reply_is_shown_while_it_grows_and_once_in_the_end(platform: Platform) -> None:
    server = platform.server
    channel, ann = channel_on(server, WallClock()), server.user("Ann")
    await channel.show(str(ann.id), 1, "")
    assert ann.dm.place.typing == 1
    await channel.show(str(ann.id), 1, "It is")
    (draft,) = ann.dm.bot_messages
    assert draft.content == "It is ▌"
    await anyio.sleep(0.06)
    await channel.show(str(ann.id), 1, "It is raining")
    assert draft.content == "It is raining ▌"
    await send(channel, "It is raining.", str(ann.id))
    assert [each.content for each in ann.dm.bot_messages] == ["It is raining."]
    await channel.show(str(ann.id), 1, "It is raining. And")
    assert len(ann.dm.bot_messages) == 1, "its reply has been sent"


@pytest.mark.shows("discord.grows")
async def test_a_draft_that_a_crash_left_goes_with_the_next_session(tmp_path: Path, platform: Platform) -> None:
    ann = platform.server.user("Ann")
    async with house(tmp_path, platform, rules=RELAY) as it:
        await it.let_in(str(ann.id))
        await ann.sends(ann.dm, "hello")
        await it.hears(1, f"family/{ann.id}")
        await it.channel.show(str(ann.id), 7, "half a re")
        assert len(ann.dm.bot_messages) == 1
    async with house(tmp_path, platform, rules=RELAY):
        await platform.until(lambda: ann.dm.bot_messages == [])


@pytest.mark.shows("discord.gaps")
@pytest.mark.parametrize("how", ["resumed", "forgotten", "invalid", "asked"])
async def test_nothing_is_lost_or_doubled_when_the_gateway_breaks(tmp_path: Path, platform: Platform, how: str) -> None:
    gateway = platform.server.gateway
    async with house(tmp_path, platform, rules=RELAY) as it:
        ann = platform.server.user("Ann")
        home = platform.server.channel(platform.server.guild())
        await it.let_in(str(ann.id))
        await it.let_in(str(home.id))
        await ann.sends(ann.dm, "one")
        await ann.sends(home, f"{platform.mention} one")
        await it.hears(1, f"family/{ann.id}")
        await it.hears(1, f"family/{home.id}")
        if how == "forgotten":
            gateway.forget()
        {"invalid": gateway.invalidate, "asked": gateway.ask_reconnect}.get(how, gateway.cut)()
        for text in ("two", "three"):
            await ann.sends(ann.dm, text)
            await ann.sends(home, f"{platform.mention} {text}")
        assert await it.hears(3, f"family/{ann.id}") == ["one", "two", "three"]
        assert await it.hears(3, f"family/{home.id}") == ["@loopback one", "@loopback two", "@loopback three"]
        assert gateway.resumes == (0 if how in ("forgotten", "invalid") else 1)


@pytest.mark.shows("discord.gaps")
@pytest.mark.parametrize("how", ["resumed", "too late", "forgotten"])
async def test_a_press_while_the_gateway_is_away_counts_once_it_is_told_of_and_the_button_stays(
    tmp_path: Path, platform: Platform, how: str
) -> None:
    server, toolbox = platform.server, tools()
    async with house(tmp_path, platform, FakeModel([deletes("a"), says("Done.")]), toolbox) as it:
        ann = server.user("Ann")
        await it.let_in(str(ann.id), "approver")
        await ann.sends(ann.dm, "delete it")
        (prompt,) = await ann.dm.bot_says()
        if how == "too late":
            server.interactions.deadline_s = 0.0
        if how == "forgotten":
            server.gateway.forget()
        server.gateway.cut()
        pressed = await ann.presses(prompt, "✅ Approve")
        if how == "resumed":
            assert (await pressed.answered()).told.startswith("Approved")
        elif how == "forgotten":
            await platform.listening()
            (waiting,) = await it.bridge.list_approvals(OWNER)
            assert (waiting.status, pressed.state.answer) == ("waiting", 0)
            await (await ann.presses(prompt, "✅ Approve")).answered()
        await ann.dm.bot_says(2)
        await platform.until(lambda: pressed.state.failed == (how == "too late"))
    assert toolbox.calls == [("files__delete", {"path": "a"})]


@pytest.mark.shows("discord.intents")
async def test_no_privileged_intent_is_asked_for_where_none_is_needed(tmp_path: Path, platform: Platform) -> None:
    async with house(tmp_path, platform, rules=RELAY) as it:
        ann = platform.server.user("Ann")
        home = platform.server.channel(platform.server.guild())
        await it.let_in(str(home.id))
        await ann.sends(home, "between ourselves")
        await ann.sends(home, f"{platform.mention} and you?")
        assert await it.hears(1, f"family/{home.id}") == ["@loopback and you?"]
        (session,) = platform.server.gateway.sessions.values()
        assert not session.intents & PRIVILEGED


async def test_a_clock_that_is_ahead_does_not_set_the_place_in_the_stream(platform: Platform) -> None:
    clock = ManualClock(WallClock().now() + 7200)
    channel, stored = channel_on(platform.server, clock), snowflake_at(WallClock().now() - 60)
    offsets, caught_up = list[int | None](), anyio.Event()

    class Noting(Box):
        async def put(self, arrival: Arrival) -> str:
            offsets.append(arrival.offset)
            if len(offsets) == 2:
                caught_up.set()
            return await super().put(arrival)

    box = Noting()
    await box.put(Ignored("family", stored))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(channel.run, box)
        with anyio.fail_after(10):
            await caught_up.wait()
        tasks.cancel_scope.cancel()
    assert offsets == [stored, stored]


@pytest.mark.shows("discord.intents")
async def test_an_intent_that_is_refused_ends_the_channel_with_the_fix(platform: Platform) -> None:
    channel = channel_on(platform.server, WallClock(), hears_all=True)
    with pytest.raises(ConfigError, match=r"4014.*Message Content Intent"):
        await channel.run(Box())
    assert channel.health().state == "stopped"
    platform.server.gateway.allowed = PRIVILEGED
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(channel.run, Box())
        await ready(channel)
        tasks.cancel_scope.cancel()


async def test_a_wrong_token_ends_the_channel_and_is_nowhere_told(
    platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    platform.server.gateway.token = "another"
    channel = channel_on(platform.server, WallClock())
    with pytest.raises(ConfigError, match="does not know this token") as failure:
        await channel.run(Box())
    assert platform.server.token not in f"{failure.value}{caplog.text}{settings_on(platform.server)!r}"
    with pytest.raises(SendFailed) as refused:
        await send(channel, "hi", "123")
    assert refused.value.retry_after_s


@pytest.mark.shows("discord.inert")
async def test_what_a_model_writes_neither_pings_nor_fetches(platform: Platform) -> None:
    server = platform.server
    ann, home = server.user("Ann"), server.channel(server.guild())
    channel = channel_on(server, WallClock())
    text = f"@everyone @here <@{ann.id}> <@&5> https://example.org/?secret=1 [x](https://example.org/y)"
    await send(channel, text, str(home.id))
    (made,) = await send(channel, text, str(home.id))
    for part in channel.parts(Edit(str(home.id), (made,), f"{text} again")):
        await channel.send(part)
    assert [each.pings for each in home.bot_messages] == [set(), set()]
    assert server.world.unfurled == []


@pytest.mark.shows("discord.limits")
async def test_limits_are_kept_by_what_headers_tell_and_no_request_is_refused() -> None:
    async with DiscordServer() as server:
        server.web.limits.routes["POST /channels/{channel}/messages"] = (3, 0.4)
        channel, ann = channel_on(server, WallClock()), server.user("Ann")
        for number in range(10):
            await send(channel, str(number), str(ann.id))
        assert [each.content for each in ann.dm.bot_messages] == [str(number) for number in range(10)]
        assert server.web.invalid == 0
        server.web.limits.routes["POST /channels/{channel}/messages"] = (1, 30.0)
        server.web.limits.buckets.clear()
        await anyio.sleep(0.4)
        await send(channel, "last", str(ann.id))
        with pytest.raises(SendFailed) as later:
            await send(channel, "later", str(ann.id))
        assert 20 < (later.value.retry_after_s or 0) <= 30


@pytest.mark.parametrize(("told", "waits"), [("nan", 60.0), ("-5", 0.05), ("1e999", 86_400.0), ("soon", 60.0)])
async def test_a_wait_that_is_no_time_is_not_taken_as_one(platform: Platform, told: Any, waits: float) -> None:
    server = platform.server
    channel, ann = channel_on(server, WallClock()), server.user("Ann")
    await send(channel, "first", str(ann.id))
    server.fault(Fault("flood", "POST .*/messages$", retry_after=told))
    with pytest.raises(SendFailed) as later:
        await send(channel, "second", str(ann.id))
    assert later.value.retry_after_s == waits


@pytest.mark.shows("discord.limits")
@pytest.mark.parametrize("status", [500, 502, 504])
async def test_the_library_repeats_no_request(platform: Platform, status: int) -> None:
    server = platform.server
    channel, ann = channel_on(server, WallClock()), server.user("Ann")
    await send(channel, "first", str(ann.id))
    server.web.received.clear()
    server.fault(Fault("status", "POST .*/messages$", status=status))
    with pytest.raises(SendUncertain):
        await send(channel, "second", str(ann.id))
    assert len(server.calls("POST", "/messages")) == 1


@pytest.mark.shows("discord.settled")
async def test_the_same_part_again_makes_no_second_message(platform: Platform) -> None:
    server = platform.server
    channel, ann = channel_on(server, WallClock()), server.user("Ann")
    parts = channel.parts(Outgoing(str(ann.id), "x" * 3000, key="family/1#4"))
    assert parts == channel_on(server, WallClock()).parts(Outgoing(str(ann.id), "x" * 3000, key="family/1#4"))
    first_ids = [await channel.send(part) for part in parts]
    again = [await channel.send(part) for part in parts]
    assert first_ids == again
    assert (len(ann.dm.bot_messages), server.messages.repeats) == (2, 2)


async def test_other_bots_are_not_heard(tmp_path: Path, platform: Platform) -> None:
    platform.server.gateway.allowed = PRIVILEGED
    async with house(tmp_path, platform, rules=ALL) as it:
        home = platform.server.channel(platform.server.guild())
        await it.let_in(str(home.id))
        await platform.server.bot_user("Parrot").sends(home, f"{platform.mention} hello")
        await platform.server.user("Ann").sends(home, f"{platform.mention} hi")
        assert await it.hears(1, f"family/{home.id}") == ["@loopback hi"]


@pytest.mark.shows("discord.threads")
async def test_a_channel_that_is_named_as_a_thread_of_another_is_not_written_to(platform: Platform) -> None:
    server = platform.server
    guild = server.guild()
    channel, home, other = channel_on(server, WallClock()), server.channel(guild), server.channel(guild, "secret")
    theirs = server.thread(other, "plans")
    for number in (other.id, theirs.id):
        with pytest.raises(SendFailed, match="no such channel"):
            await send(channel, "hi", f"{home.id}/{number}")
        (part,) = channel.parts(TopicChange(f"{home.id}/{number}", Topic("mine now"), "k"))
        with pytest.raises(SendFailed, match="no such channel"):
            await channel.send(part)
    assert (other.bot_messages, theirs.bot_messages, other.place.name) == ([], [], "secret")
    assert await send(channel, "hi", f"{home.id}/{server.thread(home, 'ours').id}")


async def test_what_cannot_be_sent_says_why(platform: Platform) -> None:
    server = platform.server
    channel, ann, home = channel_on(server, WallClock()), server.user("Ann"), server.channel(server.guild())
    await ann.blocks()
    home.place.denied.add("SEND_MESSAGES")
    for chat, why in (
        (str(ann.id), "take no direct messages"),
        (str(home.id), "lacks a permission"),
        ("123456", "no such channel or person"),
        ("general", "ids are numbers"),
    ):
        with pytest.raises(SendFailed, match=why) as failure:
            await send(channel, "hi", chat)
        assert failure.value.retry_after_s is None
        assert failure.value.fix


@pytest.mark.shows("discord.check")
async def test_check_says_what_discord_says_of_the_bot(platform: Platform) -> None:
    assert TYPE.probe is not None
    server = platform.server
    server.guild("Home")
    told = [each async for each in TYPE.probe(settings_on(server), WallClock())]
    assert [each.fine for each in told] == [True, True]
    assert "intent is not needed" in told[1].told
    (_, intent) = [each async for each in TYPE.probe(settings_on(server, hears_all=True), WallClock())]
    assert not intent.fine
    assert "Message Content Intent" in intent.told
    server.gateway.token = "another"
    (refused,) = [each async for each in TYPE.probe(settings_on(server), WallClock())]
    assert (refused.fine, "does not know this token" in refused.told) == (False, True)
    assert server.gateway.identifies == 0


async def test_the_first_conversation_is_by_the_persons_number(tmp_path: Path, platform: Platform) -> None:
    async with house(tmp_path, platform, FakeModel([says("Hi.")])) as it:
        ann = platform.person("Ann")
        await it.let_in(ann.id, "approver")
        sent = await it.bridge.send_message(HOST, first(ann), "I write first")
        assert sent.status == "sent"
        await ann.says("hello")
        assert [each.text for each in await it.sees(ann.id, 2)] == ["I write first", "Hi."]


@pytest.mark.shows("discord.check")
async def test_check_says_what_channels_take_away(platform: Platform) -> None:
    assert TYPE.probe is not None
    server = platform.server
    guild = server.guild("Home")
    open_to_all, mute, deaf = (server.channel(guild, name) for name in ("general", "mute", "deaf"))
    mute.place.denied |= {"SEND_MESSAGES", "ATTACH_FILES"}
    deaf.place.denied.add("READ_MESSAGE_HISTORY")
    named = (str(open_to_all.id), str(mute.id), "123")
    settings = replace(settings_on(server), chats=named)
    (_, _, lacks, others, missing) = [each async for each in TYPE.probe(settings, WallClock())]
    assert (lacks.fine, others.fine, missing.fine) == (False, True, False)
    assert "In #mute of Home it lacks: Send Messages, Attach Files" in lacks.told
    assert others.told.endswith("#deaf")
    assert "channel 123" in missing.told


async def test_a_post_of_a_forum_is_a_conversation_and_the_forum_itself_takes_none(
    tmp_path: Path, platform: Platform
) -> None:
    server = platform.server
    async with house(tmp_path, platform, FakeModel([says("In the post.")])) as it:
        ann = server.user("Ann")
        forum = server.forum(server.guild("Home"))
        post = server.thread(forum, "how does it work?")
        await it.let_in(str(forum.id))
        await ann.sends(post, f"{server.mention} anybody?")
        assert [each.content for each in await post.bot_says()] == ["In the post."]
        assert await it.hears(1, f"family/{forum.id}/{post.id}") == ["@loopback anybody?"]
        with pytest.raises(SendFailed, match="a forum takes posts alone"):
            await send(channel_on(server, WallClock()), "hi", str(forum.id))


def test_what_a_member_may_do_follows_discords_order() -> None:
    view, send_, files = 1 << 10, 1 << 11, 1 << 15
    member = Member("7", "1", frozenset({"2", "3"}), permissions=view | send_)

    def over(who: str, allow: int = 0, deny: int = 0) -> dict[str, str]:
        return {"id": who, "allow": str(allow), "deny": str(deny)}

    assert allowed(member, [over("1", deny=send_)]) == view
    assert allowed(member, [over("1", deny=send_), over("2", allow=send_)]) == view | send_
    assert allowed(member, [over("2", allow=files), over("3", deny=files)]) == view | send_ | files, "roles together"
    assert allowed(member, [over("2", allow=files), over("7", deny=files | view)]) == send_
    assert allowed(member, [over("9", deny=view)]) == view | send_, "another's"
    admin = replace(member, permissions=1 << 3)
    assert lacking(allowed(admin, [over("1", deny=view)])) == []


def test_init_says_what_to_do_and_where_to_invite_the_bot() -> None:
    assert TYPE.setup is not None
    told = TYPE.setup()
    assert f"permissions={Permissions(**dict.fromkeys((name for name, _ in NEEDED), True)).value}" in told
    assert 'token_env = "DISCORD_BOT_TOKEN"' in told
