"""What `bridge-mcp check` says of a bot: each finding with its fix, and never a poll that would disturb a bridge."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from bridge_mcp.channels.plug import Found
from bridge_mcp.channels.telegram.bot.probe import probe
from bridge_mcp.channels.telegram.bot.settings import TelegramSettings, Webhook
from bridge_mcp.ports import Clock
from bridge_mcp.testing import ManualClock
from tests.fakes.telegram_bots import bot_on
from tests.integration.telegram_receiving import becomes, settings_on
from tests.servers.telegram import Fault, SystemClock, TelegramServer


async def looked(settings: TelegramSettings, clock: Clock | None = None) -> list[Found]:
    return [found async for found in probe(settings, clock or SystemClock())]


def bad(found: list[Found]) -> list[str]:
    return [each.told for each in found if not each.fine]


async def test_a_bot_that_is_set_up_well() -> None:
    async with TelegramServer() as server:
        found = await looked(settings_on(server))
        assert bad(found) == []
        assert found[0].told == "@loopback_test_bot, 0 updates wait"
        assert "privacy mode is on" in found[1].told
        assert not server.calls("getUpdates")


@pytest.mark.parametrize("token", ["1:x", "7000000001:another"])
async def test_a_wrong_token(token: str) -> None:
    async with TelegramServer() as server:
        (wrong,) = bad(await looked(TelegramSettings("family", token, server.url)))
    assert "does not know this token" in wrong
    assert "@BotFather" in wrong
    assert token not in wrong


async def test_a_server_that_is_not_there() -> None:
    async with TelegramServer() as server:
        settings = settings_on(server)
        async with server.refusing():
            (wrong,) = bad(await looked(settings))
    assert "cannot be reached" in wrong


async def test_a_bot_that_nobody_can_connect_to_an_account() -> None:
    async with TelegramServer() as server:
        settings = replace(settings_on(server), business=True)
        assert bad(await looked(settings)) == []
        server.world.connectable = False
        (wrong,) = bad(await looked(settings))
    assert "@BotFather" in wrong


async def test_privacy_mode_that_hides_what_is_wanted() -> None:
    async with TelegramServer() as server:
        (wrong,) = bad(await looked(replace(settings_on(server), hears_all=True)))
    assert "/setprivacy" in wrong
    async with TelegramServer(privacy=False) as server:
        found = await looked(replace(settings_on(server), hears_all=True))
    assert bad(found) == []
    assert "every message of its groups" in found[1].told


async def test_a_foreign_webhook() -> None:
    async with TelegramServer() as server, bot_on(server) as other:
        await other.set_webhook("https://other.example/secret-path")
        (wrong,) = bad(await looked(settings_on(server)))
        ours = Webhook("https://ours.example/in", "127.0.0.1", 1)
        (taken,) = bad(await looked(replace(settings_on(server), webhook=ours)))
        assert server.webhook.url.startswith("https://other.example"), "it only looks"
    assert "A webhook at https://other.example is set" in wrong
    assert "removes it, and polls" in wrong
    assert "puts its own there" in taken
    assert "secret-path" not in wrong + taken


async def test_our_webhook() -> None:
    async with TelegramServer() as server, bot_on(server) as bot:
        settings = replace(settings_on(server), webhook=Webhook("http://127.0.0.1:9/in", "127.0.0.1", 9))
        assert "set when the bridge starts" in (await looked(settings))[-1].told
        await bot.set_webhook("http://127.0.0.1:9/in")
        assert bad(await looked(settings)) == []
        ann = server.user("Ann")
        await ann.sends(ann.dm, "hello")
        await becomes(lambda: server.webhook.last_error)
        (wrong,) = bad(await looked(settings))
    assert "Connection refused" in wrong
    assert "certificate" in wrong


async def test_a_clock_that_is_wrong() -> None:
    async with TelegramServer() as server:
        clock = ManualClock()
        (wrong,) = bad(await looked(settings_on(server), clock))
        assert "NTP" in wrong
        assert "behind the server's" in wrong


async def test_a_server_in_trouble() -> None:
    async with TelegramServer() as server:
        server.fault(Fault.gateway(), "getMe")
        (wrong,) = bad(await looked(settings_on(server)))
    assert "Bad Gateway" in wrong
