"""Updates by webhook: stored before they are answered with 200, and taken from nobody but Telegram."""

from __future__ import annotations

import socket

import anyio
import httpx
import pytest
from msgspec.structs import replace

from bridge_mcp.channels.telegram.bot.settings import TelegramSettings, Webhook
from bridge_mcp.core.errors import ConfigError, StoreError
from tests.fakes.telegram_bots import bot_on
from tests.integration.telegram_receiving import QUICK, Box, becomes, channel_on, receiving, settings_on
from tests.servers.telegram import Fault, TelegramServer, bad_request

SECRET = "planted-webhook-secret"
HEADER = "X-Telegram-Bot-Api-Secret-Token"


def hooked(server: TelegramServer, secret: str = SECRET) -> TelegramSettings:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    webhook = Webhook(f"http://127.0.0.1:{port}/in/secret-path", "127.0.0.1", port, secret=secret)
    return replace(settings_on(server), webhook=webhook)


def url_of(settings: TelegramSettings) -> str:
    assert settings.webhook is not None
    return settings.webhook.url


async def set_up(server: TelegramServer) -> None:
    await server.until(lambda: any(call.status == 200 for call in server.calls("setWebhook")))


async def test_what_waited_and_what_comes_is_heard_and_confirmed() -> None:
    async with TelegramServer() as server:
        ann, box = server.user("Ann"), Box()
        await ann.sends(ann.dm, "one")
        settings = hooked(server)
        async with receiving(channel_on(server, settings), box) as channel:
            await ann.sends(ann.dm, "two")
            await box.hears(2)
            await server.until(lambda: server.pending == 0)
            assert (channel.health().state, channel.health().account) == ("ready", "@loopback_test_bot")
        assert box.texts == ["one", "two"]
        assert box.place is None, "only Telegram knows where the stream stands"
        assert server.webhook.url == url_of(settings), "it stays: what comes meanwhile waits for it"
        assert server.webhook.secret == SECRET
        assert not server.calls("getUpdates")


async def test_without_a_secret_one_is_drawn_at_each_start() -> None:
    async with TelegramServer() as server:
        ann, box, settings = server.user("Ann"), Box(), hooked(server, secret="")
        drawn: set[str] = set()
        for count in (1, 2):
            async with receiving(channel_on(server, settings), box):
                await set_up(server)
                await ann.sends(ann.dm, "hello")
                await box.hears(count)
                drawn.add(server.webhook.secret)
        assert len(drawn) == 2
        assert all(len(secret) >= 32 for secret in drawn)


@pytest.mark.shows("chats.webhook")
async def test_what_could_not_be_stored_is_posted_again() -> None:
    async with TelegramServer() as server:
        ann, box = server.user("Ann"), Box()
        box.fails = [StoreError("the disk is full"), StoreError("the disk is full")]
        async with receiving(channel_on(server, hooked(server)), box) as channel:
            await ann.sends(ann.dm, "one")
            await becomes(lambda: "the disk is full" in channel.health().error)
            assert server.pending == 1
            await box.hears(1)
            await server.until(lambda: server.pending == 0)
            assert channel.health().state == "ready"
        assert box.texts == ["one"]
        assert "503" in server.webhook.last_error


async def test_a_crash_before_it_is_stored_brings_it_again() -> None:
    async with TelegramServer() as server:
        ann, box, settings = server.user("Ann"), Box(), hooked(server)
        box.gate = lambda arrival: anyio.Event()
        await ann.sends(ann.dm, "one")
        async with receiving(channel_on(server, settings), box):
            await box.until(lambda: box.waiting)
        assert server.pending == 1
        box.gate = lambda arrival: None
        async with receiving(channel_on(server, settings), box):
            await box.hears(1)
            await server.until(lambda: server.pending == 0)


async def test_a_post_that_comes_by_the_byte_is_not_waited_for() -> None:
    async with TelegramServer() as server:
        settings = hooked(server)
        assert settings.webhook is not None
        hurried = replace(QUICK, webhook_body=0.2)
        async with receiving(channel_on(server, settings, patience=hurried), Box()):
            await set_up(server)
            async with await anyio.connect_tcp("127.0.0.1", settings.webhook.port) as stream:
                head = f"POST /in HTTP/1.1\r\nhost: x\r\n{HEADER}: {SECRET}\r\ncontent-length: 9\r\n\r\n{{"
                await stream.send(head.encode())
                with anyio.fail_after(20):
                    assert (await stream.receive()).startswith(b"HTTP/1.1 408")


@pytest.mark.shows("chats.webhook")
async def test_nobody_but_telegram_is_let_in() -> None:
    async with TelegramServer() as server:
        box, settings = Box(), hooked(server)
        forged = {"update_id": 1, "message": {"message_id": 1, "date": 1, "chat": {"id": 1, "type": "private"}}}
        right = {HEADER: SECRET}
        async with receiving(channel_on(server, settings), box), httpx.AsyncClient() as client:
            await set_up(server)
            statuses = {
                "no secret": await client.post(url_of(settings), json=forged),
                "a wrong secret": await client.post(url_of(settings), json=forged, headers={HEADER: SECRET[:-1]}),
                "no post": await client.get(url_of(settings), headers=right),
                "no JSON": await client.post(url_of(settings), content=b"{", headers=right),
                "no update": await client.post(url_of(settings), json=[1], headers=right),
                "no number": await client.post(url_of(settings), json={"update_id": "x"}, headers=right),
                "too much": await client.post(url_of(settings), content=b"x" * 1_100_000, headers=right),
            }
        assert {what: answer.status_code for what, answer in statuses.items()} == {
            "no secret": 403, "a wrong secret": 403, "no post": 405, "no JSON": 400, "no update": 400,
            "no number": 400, "too much": 413,
        }  # fmt: skip
        assert not box.stored


async def test_the_same_update_twice_is_put_twice_and_taken() -> None:
    async with TelegramServer() as server:
        box, settings = Box(), hooked(server)
        ann = {"id": 5, "is_bot": False, "first_name": "Ann"}
        message = {"message_id": 1, "date": 1, "chat": {"id": 5, "type": "private"}, "from": ann, "text": "hi"}
        async with receiving(channel_on(server, settings), box), httpx.AsyncClient(headers={HEADER: SECRET}) as client:
            await set_up(server)
            for _ in range(2):
                answer = await client.post(url_of(settings), json={"update_id": 9, "message": message})
                assert answer.status_code == 200
        first, second = box.heard
        assert first == second


async def test_another_webhook_is_told_of_and_not_fought() -> None:
    async with TelegramServer() as server, bot_on(server) as other:
        settings = hooked(server)
        patience = replace(QUICK, webhook_look=0.02)
        async with receiving(channel_on(server, settings, patience), Box()) as channel:
            await set_up(server)
            await other.set_webhook("https://thief.example/secret-path")
            await becomes(lambda: "another one, at https://thief.example, in place" in channel.health().error)
            assert server.webhook.url.startswith("https://thief.example")
            await other.set_webhook(url_of(settings), secret_token=SECRET)
            await becomes(lambda: channel.health().state == "ready")


async def test_posts_that_do_not_arrive_are_told_of() -> None:
    async with TelegramServer() as server:
        ann, settings = server.user("Ann"), hooked(server)
        assert settings.webhook is not None
        nowhere = replace(settings.webhook, url="http://127.0.0.1:9/in")
        patience = replace(QUICK, webhook_look=0.02)
        channel = channel_on(server, replace(settings, webhook=nowhere), patience)
        async with receiving(channel, Box()):
            await set_up(server)
            await ann.sends(ann.dm, "one")
            await becomes(lambda: "Connection refused" in channel.health().error)
            assert "Mind what stands in front of 127.0.0.1" in channel.health().error


async def test_trouble_while_it_is_announced_is_waited_out() -> None:
    async with TelegramServer() as server:
        ann, box = server.user("Ann"), Box()
        server.fault(Fault.gateway(), "setWebhook", times=2)
        async with receiving(channel_on(server, hooked(server)), box):
            await ann.sends(ann.dm, "one")
            await box.hears(1)


async def test_a_webhook_that_telegram_refuses_ends_it_with_a_fix() -> None:
    async with TelegramServer() as server:
        server.fault(Fault.refused(bad_request("bad webhook: Failed to resolve host")), "setWebhook")
        channel = channel_on(server, hooked(server))
        with pytest.raises(ConfigError, match=r"webhook_url: Telegram does not take it: .*resolve host"):
            await channel.run(Box())
        assert channel.health().state == "stopped"


async def test_an_address_that_is_taken_ends_it_with_a_fix() -> None:
    async with TelegramServer() as server:
        settings = hooked(server)
        assert settings.webhook is not None
        with socket.socket() as taken:
            taken.bind((settings.webhook.host, settings.webhook.port))
            taken.listen()
            with pytest.raises(ConfigError, match="webhook_listen"):
                await channel_on(server, settings).run(Box())


async def test_from_a_webhook_back_to_polls_nothing_is_lost() -> None:
    async with TelegramServer() as server:
        ann, box = server.user("Ann"), Box()
        async with receiving(channel_on(server, hooked(server)), box):
            await ann.sends(ann.dm, "one")
            await box.hears(1)
            await server.until(lambda: server.pending == 0)
        await ann.sends(ann.dm, "two")
        async with receiving(channel_on(server), box):
            await box.hears(2)
        assert box.texts == ["one", "two"]
