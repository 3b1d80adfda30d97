"""What goes wrong when a test says so: refusals, limits, slow and broken connections, before and after the effect."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import httpx
import pytest
from telegram import Bot, InputMediaPhoto
from telegram.error import BadRequest, Forbidden, NetworkError, RetryAfter, TelegramError, TimedOut

from bridge_mcp.core.errors import BridgeError
from bridge_mcp.testing import ManualClock
from tests.fakes.telegram_bots import bot_on, received, refused
from tests.servers.telegram import Fault, Hold, Limits, TelegramServer, User, bad_request, png

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _durations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it the library warns at every 429 that seconds will be durations one day."""
    monkeypatch.setenv("PTB_TIMEDELTA", "true")


@pytest.fixture
async def alice(server: TelegramServer, bot: Bot) -> User:
    made = server.user("Alice")
    await made.sends(made.dm, "/start")
    await received(bot)
    return made


def texts(alice: User) -> list[str]:
    return [one.text for one in alice.dm.bot_messages]


async def test_429_says_how_long_to_wait(server: TelegramServer, bot: Bot, alice: User) -> None:
    """https://core.telegram.org/bots/api#responseparameters."""
    server.fault(Fault.flood(3), "sendMessage", times=2)
    for _ in range(2):
        with pytest.raises(RetryAfter) as problem:
            await bot.send_message(alice.id, "hello")
        assert problem.value.retry_after == timedelta(seconds=3)
    assert server.requests[-1].description == "Too Many Requests: retry after 3"
    await bot.send_message(alice.id, "hello")
    assert texts(alice) == ["hello"]


async def test_429_has_the_header_too(server: TelegramServer) -> None:
    server.fault(Fault.flood(7))
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"{server.base_url}{server.token}/getMe")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    assert answer.json()["parameters"] == {"retry_after": 7}


@pytest.mark.parametrize(
    ("fault", "kind", "text"),
    [
        (Fault.blocked(), Forbidden, "Forbidden: bot was blocked by the user"),
        (Fault.kicked(), Forbidden, "Forbidden: bot was kicked from the group chat"),
        (Fault.deactivated(), Forbidden, "Forbidden: user is deactivated"),
        (Fault.bad("chat not found"), BadRequest, "Bad Request: chat not found"),
        (Fault.refused(bad_request("message is too long")), BadRequest, "Bad Request: message is too long"),
    ],
)
async def test_refusals_can_be_scripted(
    server: TelegramServer, bot: Bot, alice: User, fault: Fault, kind: type[TelegramError], text: str
) -> None:
    server.fault(fault, "sendMessage")
    with refused(server, text, kind):
        await bot.send_message(alice.id, "hello")
    assert texts(alice) == []


async def test_a_rule_strikes_one_method_one_chat_and_so_many_requests(
    server: TelegramServer, bot: Bot, alice: User
) -> None:
    bob = server.user("Bob")
    await bob.sends(bob.dm, "/start")
    rule = server.fault(Fault.flood(1), "sendMessage", chat=alice.dm, times=None, skip=1)
    await bot.send_message(alice.id, "skipped")
    await bot.send_chat_action(alice.id, "typing")
    await bot.send_message(bob.id, "another chat")
    for _ in range(3):
        with pytest.raises(RetryAfter):
            await bot.send_message(alice.id, "hello")
    assert rule.hits == 3
    rule.lift()
    await bot.send_message(alice.id, "lifted")
    assert texts(alice) == ["skipped", "lifted"]


@pytest.mark.parametrize("effect", [False, True])
async def test_a_page_of_html_instead_of_an_answer(server: TelegramServer, bot: Bot, alice: User, effect: bool) -> None:
    server.fault(Fault.gateway(502, effect=effect), "sendMessage")
    with pytest.raises(NetworkError, match="Bad Gateway"):
        await bot.send_message(alice.id, "hello")
    assert texts(alice) == (["hello"] if effect else [])


@pytest.mark.parametrize(
    ("fault", "arrives"), [(Fault.lost_before(), False), (Fault.lost_after(), True), (Fault.cut(), True)]
)
async def test_a_connection_breaks_before_or_after_the_effect(
    server: TelegramServer, bot: Bot, alice: User, fault: Fault, arrives: bool
) -> None:
    server.fault(fault, "sendMessage")
    with pytest.raises(NetworkError, match=r"RemoteProtocolError|ReadError"):
        await bot.send_message(alice.id, "hello")
    assert texts(alice) == (["hello"] if arrives else [])
    await bot.send_message(alice.id, "and on")
    assert texts(alice)[-1] == "and on"


async def test_nobody_listens_for_a_while(server: TelegramServer, bot: Bot, alice: User) -> None:
    """The one failure of which a sender knows that nothing arrived."""
    async with server.refusing():
        with pytest.raises(NetworkError, match="ConnectError"):
            await bot.send_message(alice.id, "hello")
    await bot.send_message(alice.id, "back")
    assert texts(alice) == ["back"]


async def test_that_works_from_another_loop_too() -> None:
    with TelegramServer() as server:
        async with bot_on(server) as bot:
            async with server.refusing():
                with pytest.raises(NetworkError, match="ConnectError"):
                    await bot.get_me()
            assert (await bot.get_me()).id == bot.id


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_request_that_takes_too_long_takes_effect_all_the_same(
    server: TelegramServer, bot: Bot, alice: User, when: str
) -> None:
    hold = Hold()
    server.fault(Fault.held(**{when: hold}), "sendMessage")
    with pytest.raises(TimedOut):
        await bot.send_message(alice.id, "hello", read_timeout=0.05)
    await hold.reached()
    assert texts(alice) == ([] if when == "before" else ["hello"])
    hold.release()
    (message,) = await alice.dm.bot_says()
    assert message.text == "hello"


async def test_slow_is_slow(server: TelegramServer, bot: Bot, alice: User) -> None:
    server.fault(Fault.slow(before_s=0.05, after_s=0.05), "sendMessage")
    before = asyncio.get_running_loop().time()
    await bot.send_message(alice.id, "hello")
    assert asyncio.get_running_loop().time() - before >= 0.1


async def test_a_poll_that_hangs_for_ever(server: TelegramServer, bot: Bot, alice: User) -> None:
    """As on a connection that is half open: neither an answer nor an end."""
    rule = server.fault(Fault.hanging(), "getUpdates", times=None)
    await alice.sends(alice.dm, "hello")
    with pytest.raises(TimedOut):
        await bot.get_updates(timeout=0, read_timeout=0.05)
    rule.lift()
    (update,) = await bot.get_updates(timeout=5)
    assert update.message
    assert update.message.text == "hello"


async def test_a_download_breaks_as_well(server: TelegramServer, bot: Bot, alice: User) -> None:
    await alice.sends_file(alice.dm, "document", b"0123456789")
    (update,) = await received(bot)
    assert update.message
    assert update.message.document
    file = await update.message.document.get_file()
    server.fault(Fault.cut(), "file")
    with pytest.raises(NetworkError, match="RemoteProtocolError"):
        await file.download_as_bytearray()
    assert await file.download_as_bytearray() == b"0123456789"


async def test_waiting_for_what_never_happens_says_what_did(server: TelegramServer, bot: Bot) -> None:
    with pytest.raises(BridgeError, match=r"the moon did not happen within 0\.0 s\. Last requests: getMe 200"):
        await server.until(lambda: False, "the moon", timeout_s=0.0)


async def test_the_limits_are_telegram_s() -> None:
    """30 a second in all, one a second per chat after a small burst, 20 a minute per group: the FAQ of bots."""
    clock = ManualClock()
    async with TelegramServer(clock=clock, limits=Limits()) as server, bot_on(server) as bot:
        people = [server.user(f"P{number}") for number in range(40)]
        for one in people:
            await one.sends(one.dm, "/start")
        for one in people[:30]:
            await bot.send_message(one.id, "x")
        with refused(server, "Too Many Requests: retry after 1", RetryAfter):
            await bot.send_message(people[30].id, "x")
        clock.advance(1)
        for _ in range(3):
            await bot.send_message(people[30].id, "x")
        with refused(server, "Too Many Requests: retry after 1", RetryAfter):
            await bot.send_message(people[30].id, "x")
        clock.advance(1)
        await bot.send_message(people[30].id, "x")


async def test_a_group_takes_20_a_minute_and_edits_and_albums_count() -> None:
    clock = ManualClock()
    async with TelegramServer(clock=clock, limits=Limits()) as server, bot_on(server) as bot:
        group = server.group("Family", [server.user("Alice")])
        sent = await bot.send_message(group.id, "0")
        for number in range(1, 10):
            clock.advance(2)
            await bot.edit_message_text(str(number), group.id, sent.message_id)
        clock.advance(3)
        await bot.send_media_group(group.id, [InputMediaPhoto(png()) for _ in range(10)])
        clock.advance(20)
        with refused(server, "Too Many Requests: retry after 19", RetryAfter):
            await bot.send_message(group.id, "one too many")
        clock.advance(19)
        await bot.send_message(group.id, "now")


async def test_without_limits_there_are_none(server: TelegramServer, bot: Bot, alice: User) -> None:
    for _ in range(40):
        await bot.send_message(alice.id, "x")
    assert len(texts(alice)) == 40
    server.limit(Limits(chat_burst=1))
    await bot.send_message(alice.id, "x")
    with pytest.raises(RetryAfter):
        await bot.send_message(alice.id, "x")
