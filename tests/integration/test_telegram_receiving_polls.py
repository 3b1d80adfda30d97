"""Long polls: nothing is lost and nothing is acknowledged before it is stored, whatever goes wrong in between."""

from __future__ import annotations

import anyio
import pytest

from bridge_mcp.channels.telegram.bot.connections import BotConnections
from bridge_mcp.channels.telegram.bot.settings import Patience, TelegramSettings
from bridge_mcp.channels.telegram.channel import TelegramChannel
from bridge_mcp.core.errors import ConfigError, StoreError
from bridge_mcp.testing import ManualClock
from tests.fakes.telegram_bots import bot_on
from tests.integration.telegram_receiving import Box, becomes, channel_on, receiving, settings_on
from tests.servers.telegram import Fault, Refusal, TelegramServer, conflict


async def polled(server: TelegramServer, count: int) -> None:
    """Wait until so many polls have been answered well and another one waits."""
    await server.until(lambda: sum(c.status == 200 for c in server.calls("getUpdates")) >= count and server.polling)


async def acknowledged(server: TelegramServer) -> None:
    await server.until(lambda: server.pending == 0 and server.polling, "everything acknowledged")


async def test_what_came_while_nobody_listened_is_heard_in_order() -> None:
    async with TelegramServer() as server:
        ann, box = server.user("Ann"), Box()
        for number in range(120):
            await ann.sends(ann.dm, f"{number}")
        async with receiving(channel_on(server), box):
            heard = await box.hears(120)
            await acknowledged(server)
        assert [each.text for each in heard] == [f"{number}" for number in range(120)]
        assert [each.offset for each in heard] == list(range(heard[0].offset or 0, (heard[0].offset or 0) + 120))
        assert len(server.calls("getUpdates")) == 3, "a page of 100, the rest, and the poll that waits"


@pytest.mark.shows("chats.stored-first")
async def test_nothing_is_acknowledged_before_it_is_stored() -> None:
    async with TelegramServer() as server:
        ann, box, gate = server.user("Ann"), Box(), anyio.Event()
        box.gate = lambda arrival: gate
        await ann.sends(ann.dm, "one")
        async with receiving(channel_on(server), box):
            await box.until(lambda: box.waiting)
            assert server.pending == 1
            assert len(server.calls("getUpdates")) == 1
            gate.set()
            await acknowledged(server)
        assert box.texts == ["one"]


@pytest.mark.shows("chats.stored-first")
async def test_a_crash_before_it_is_stored_brings_it_again() -> None:
    async with TelegramServer() as server:
        ann, box, never = server.user("Ann"), Box(), anyio.Event()
        box.gate = lambda arrival: never if getattr(arrival, "text", "") == "two" else None
        for text in ("one", "two", "three"):
            await ann.sends(ann.dm, text)
        async with receiving(channel_on(server), box):
            await box.until(lambda: box.waiting)
        assert box.texts == ["one"]
        box.gate = lambda arrival: None
        async with receiving(channel_on(server), box):
            await acknowledged(server)
        assert box.texts == ["one", "two", "three"]


@pytest.mark.shows("chats.stored-first")
async def test_a_crash_after_it_was_stored_does_not_bring_it_again() -> None:
    async with TelegramServer() as server:
        ann, box = server.user("Ann"), Box()
        await ann.sends(ann.dm, "one")
        async with receiving(channel_on(server), box):
            await box.hears(1)
        assert server.pending == 1, "stored, and not acknowledged"
        await ann.sends(ann.dm, "two")
        async with receiving(channel_on(server), box):
            await acknowledged(server)
        assert box.texts == ["one", "two"]


async def test_a_place_that_was_forgotten_brings_the_same_again_under_the_same_key() -> None:
    async with TelegramServer() as server:
        ann, box = server.user("Ann"), Box()
        await ann.sends(ann.dm, "one")
        for time in (1, 2):
            box.place = None
            async with receiving(channel_on(server), box):
                await box.hears(time)
        first, second = box.heard
        assert first == second


async def test_a_store_that_fails_holds_everything_back_until_it_works() -> None:
    async with TelegramServer() as server:
        ann, box = server.user("Ann"), Box()
        box.fails = [StoreError("the disk is full") for _ in range(3)]
        for text in ("one", "two"):
            await ann.sends(ann.dm, text)
        channel = channel_on(server)
        seen: list[str] = []
        box.gate = lambda arrival: seen.append(channel.health().error)
        async with receiving(channel, box):
            await acknowledged(server)
            assert channel.health().state == "ready"
        assert box.texts == ["one", "two"]
        assert "the disk is full" in seen[-2]


TROUBLES = {
    "a bad gateway": Fault.gateway(),
    "an internal error": Fault.gateway(500),
    "a connection lost before": Fault.lost_before(),
    "an answer lost": Fault.lost_after(),
    "an answer cut": Fault.cut(),
    "a refusal": Fault.bad("something is off"),
    "another poller": Fault.refused(conflict("terminated by other getUpdates request")),
    "a slow answer": Fault.slow(after_s=0.1),
}


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_after_trouble_it_goes_on_and_hears_everything_once(trouble: str) -> None:
    async with TelegramServer() as server:
        ann, box = server.user("Ann"), Box()
        await ann.sends(ann.dm, "one")
        server.fault(TROUBLES[trouble], "getUpdates", times=2)
        async with receiving(channel_on(server), box) as channel:
            await box.hears(1)
            await ann.sends(ann.dm, "two")
            await acknowledged(server)
            assert (channel.health().state, channel.health().error) == ("ready", "")
        assert box.texts == ["one", "two"]


async def test_a_server_that_is_away_is_waited_for_and_told_of() -> None:
    async with TelegramServer() as server:
        ann, box = server.user("Ann"), Box()
        async with receiving(channel_on(server), box) as channel:
            await polled(server, 1)
            async with server.refusing():
                await degraded(channel)
                assert f"{server.url} cannot be reached" in channel.health().error
            await ann.sends(ann.dm, "back")
            await box.hears(1)


async def degraded(channel: TelegramChannel) -> None:
    """Wait until the channel says that it does not work."""
    await becomes(lambda: channel.health().state == "degraded")


async def test_a_poll_that_hangs_is_cut_and_begun_anew() -> None:
    async with TelegramServer() as server:
        ann, box = server.user("Ann"), Box()
        await ann.sends(ann.dm, "one")
        server.fault(Fault.hanging(), "getUpdates", times=2)
        began = anyio.current_time()
        async with receiving(channel_on(server, patience=Patience(slack=0.1, first=0.01)), box) as channel:
            await degraded(channel)
            assert "does not answer" in channel.health().error
            await box.hears(1)
        assert 0.2 <= anyio.current_time() - began < 5


async def test_flood_control_is_waited_for_as_long_as_it_says() -> None:
    async with TelegramServer() as server:
        ann, box = server.user("Ann"), Box()
        await ann.sends(ann.dm, "one")
        server.fault(Fault.flood(1), "getUpdates")
        async with receiving(channel_on(server), box):
            await box.hears(1)
        first, second = server.calls("getUpdates")[:2]
        assert first.status == 429
        assert second.at - first.at >= 1


@pytest.mark.shows("chats.one-reader")
async def test_another_poller_is_told_of_and_not_fought() -> None:
    async with TelegramServer() as server, bot_on(server) as other:
        ann, box = server.user("Ann"), Box()
        patience = Patience(first_conflict=0.1, most_conflict=0.4)
        async with receiving(channel_on(server, patience=patience), box) as channel:
            await polled(server, 1)
            for wait in (0.1, 0.2, 0.4, 0.4):
                before, began = len(server.calls("getUpdates")), anyio.current_time()
                await other.get_updates(timeout=0)
                await degraded(channel)
                assert "Another program polls with this bot's token" in channel.health().error
                assert "/revoke" in channel.health().error
                await server.until(lambda count=before: len(server.calls("getUpdates")) == count + 3 and server.polling)
                assert anyio.current_time() - began >= wait * 0.75
                assert channel.health().state == "ready"
            await ann.sends(ann.dm, "one")
            await box.hears(1)


async def test_a_webhook_in_the_way_is_removed_and_what_waited_for_it_is_heard() -> None:
    async with TelegramServer() as server, bot_on(server) as other:
        ann, box = server.user("Ann"), Box()
        await other.set_webhook("https://user:pass@old.example/secret-path")
        await ann.sends(ann.dm, "one")
        async with receiving(channel_on(server), box) as channel:
            await box.hears(1)
            (hint,) = channel.health().hints
        assert not server.webhook.url
        assert "https://old.example " in hint
        assert "secret-path" not in hint
        assert "pass" not in hint


async def test_a_webhook_that_comes_later_is_told_of_and_not_fought() -> None:
    async with TelegramServer() as server, bot_on(server) as other:
        ann, box = server.user("Ann"), Box()
        async with receiving(channel_on(server), box) as channel:
            await polled(server, 1)
            await other.set_webhook("https://other.example/in")
            await degraded(channel)
            assert "Another program set a webhook" in channel.health().error
            assert len(server.calls("deleteWebhook")) == 0
            await other.delete_webhook()
            await ann.sends(ann.dm, "one")
            await box.hears(1)


@pytest.mark.parametrize("token", ["7000000001:another", "1:x"])
async def test_a_wrong_token_ends_it_at_once_with_a_fix(token: str) -> None:
    async with TelegramServer() as server:
        channel = channel_on(server, TelegramSettings("family", token, server.url))
        with pytest.raises(ConfigError) as error:
            await channel.run(Box())
        assert "channels.family" in str(error.value)
        assert "@BotFather" in error.value.fix
        assert "api_base_url" in error.value.fix
        assert token not in str(error.value)
        assert channel.health().state == "stopped"
        assert channel.health().error == str(error.value)


async def test_a_token_that_is_revoked_later_ends_it_too() -> None:
    async with TelegramServer() as server:
        channel = channel_on(server)
        server.fault(Fault.refused(Refusal(401, "Unauthorized")), "getUpdates", skip=1)
        with pytest.raises(ConfigError, match="does not know this token"):
            await channel.run(Box())
        assert len(server.calls("getUpdates")) == 2


async def test_what_cannot_be_read_holds_nothing_up(caplog: pytest.LogCaptureFixture) -> None:
    async with TelegramServer() as server:
        ann, box = server.user("Ann"), Box()
        await ann.sends(ann.dm, "one")
        broken = server.world.queue.push("message", {"message_id": 9, "text": "neither chat nor date"})
        await ann.sends(ann.dm, "two")
        async with receiving(channel_on(server), box):
            await acknowledged(server)
        assert box.texts == ["one", "two"]
        assert [each.offset for each in box.ignored] == [broken]
        assert f"update {broken} cannot be read" in caplog.text


async def test_what_concerns_nobody_moves_the_place() -> None:
    async with TelegramServer() as server:
        ann, box = server.user("Ann"), Box()
        await ann.sends(ann.dm, "one")
        await ann.blocks()
        async with receiving(channel_on(server), box):
            await acknowledged(server)
        assert box.texts == ["one"]
        assert box.place == (box.heard[0].offset or 0) + 1


async def test_after_a_quiet_week_lower_numbers_are_heard_too() -> None:
    clock = ManualClock()
    async with TelegramServer(clock=clock) as server:
        ann, box = server.user("Ann"), Box()
        box.place = 2_100_000_000
        for text in ("one", "two"):
            await ann.sends(ann.dm, text)
        async with receiving(channel_on(server), box):
            await acknowledged(server)
        assert box.texts == ["one", "two"]


async def test_health_tells_the_account_and_the_last_good_poll() -> None:
    clock = ManualClock()
    async with TelegramServer(clock=clock) as server:
        ann, box, channel = server.user("Ann"), Box(), channel_on(server)
        assert channel.health().state == "starting"
        async with receiving(channel, box):
            await polled(server, 1)
            first = channel.health()
            clock.advance(60)
            await ann.sends(ann.dm, "one")
            await box.hears(1)
            await acknowledged(server)
            assert (first.state, first.account) == ("ready", "@loopback_test_bot")
            assert channel.health().last_ok == first.last_ok + 60
        assert channel.health().state == "stopped"
        assert server.commands() == [("status", "how it is")]


@pytest.mark.parametrize(("privacy", "hears_all", "hinted"), [(True, True, 1), (True, False, 0), (False, True, 0)])
async def test_privacy_mode_is_hinted_at_where_it_hides_what_is_wanted(
    privacy: bool, hears_all: bool, hinted: int
) -> None:
    async with TelegramServer(privacy=privacy) as server:
        settings = TelegramSettings("family", server.token, server.url, poll_timeout_s=20, hears_all=hears_all)
        async with receiving(channel_on(server, settings), Box()) as channel:
            await polled(server, 1)
            assert len(channel.health().hints) == hinted
            assert all("/setprivacy" in hint for hint in channel.health().hints)


async def test_replies_that_hang_take_no_connection_from_polls() -> None:
    async with TelegramServer() as server:
        ann, box = server.user("Ann"), Box()
        server.fault(Fault.hanging(), "getMe", times=None)
        line = BotConnections(settings_on(server))
        async with line.open(), anyio.create_task_group() as tasks:
            for _ in range(80):
                tasks.start_soon(line.bot.get_me)
            await server.until(lambda: len(server.calls("getMe")) >= 64)
            await ann.sends(ann.dm, "one")
            with anyio.fail_after(5):
                assert await line.poller.do_api_request("getupdates")
            tasks.cancel_scope.cancel()
        assert not box.stored
