"""What goes wrong between the real python-telegram-bot and the loopback Telegram, and what is said about it."""

from __future__ import annotations

import logging
import traceback
from collections.abc import AsyncGenerator

import anyio
import pytest
from telegram import Bot
from telegram.request import HTTPXRequest

from bridge_mcp.channels.telegram.send.rate_limit import Rates
from bridge_mcp.channels.telegram.send.sender import Sender
from bridge_mcp.core.entries import Button
from bridge_mcp.core.errors import SendFailed, SendUncertain
from bridge_mcp.ports import Edit, Outgoing, Reaction, Upload
from bridge_mcp.testing import ManualClock
from tests.integration.telegram_chats import Rig, rig
from tests.servers.telegram import Fault, Hold, TelegramServer, bad_request

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _durations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it the library warns at every 429 that seconds will be durations one day."""
    monkeypatch.setenv("PTB_TIMEDELTA", "true")


@pytest.fixture
async def chats() -> AsyncGenerator[Rig]:
    async with TelegramServer() as server, rig(server, read_timeout=1.0) as made:
        yield made


async def failed(chats: Rig, text: str = "hello", chat: str = "") -> SendFailed:
    with pytest.raises(SendFailed) as problem:
        await chats.send(Outgoing(chat or chats.dm, text))
    return problem.value


@pytest.mark.shows("chats.429")
async def test_429_waits_exactly_and_keeps_the_chat_quiet(chats: Rig) -> None:
    chats.server.fault(Fault.flood(17), "sendMessage")
    problem = await failed(chats)
    assert type(problem) is SendFailed
    assert problem.retry_after_s == 17.0
    assert "17 s" in str(problem)
    asked = len(chats.server.requests)
    assert (await failed(chats)).retry_after_s == pytest.approx(17.0)
    assert len(chats.server.requests) == asked
    await chats.send(Outgoing(str(chats.group.id), "others are served"))
    chats.clock.advance(17)
    await chats.send(Outgoing(chats.dm, "hello"))
    assert chats.texts == ["hello"]


async def test_429_with_the_library_as_it_is_by_default(chats: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PTB_TIMEDELTA")
    chats.server.fault(Fault.flood(3), "sendMessage")
    with pytest.warns(DeprecationWarning, match="retry_after"):
        problem = await failed(chats)
    assert problem.retry_after_s == 3.0


async def test_nobody_listens(chats: Rig) -> None:
    async with chats.server.refusing():
        problem = await failed(chats)
    assert type(problem) is SendFailed
    assert problem.retry_after_s == 0.0
    assert problem.fix


async def test_a_name_that_leads_nowhere() -> None:
    bot = Bot(
        "1:abc", base_url="http://telegram.invalid/bot", request=HTTPXRequest(), get_updates_request=HTTPXRequest()
    )
    sender = Sender(bot, ManualClock(), "family")
    (part,) = sender.parts(Outgoing("1", "x"))
    async with bot._request[1]:  # pyright: ignore[reportPrivateUsage] # to open it without asking for the bot's name
        with pytest.raises(SendFailed, match="ConnectError") as problem:
            await sender.send(part)
    assert problem.value.retry_after_s == 0.0
    with pytest.raises(SendFailed, match="cannot be reached") as problem:
        await sender.send(part)
    assert problem.value.retry_after_s == 0.0


async def test_no_connection_is_free() -> None:
    hold = Hold()
    async with TelegramServer() as server, rig(server, read_timeout=60) as chats:
        server.fault(Fault.held(before=hold), "sendMessage", times=16)
        async with anyio.create_task_group() as tasks:
            for _ in range(16):
                tasks.start_soon(chats.send, Outgoing(chats.dm, "held"))
            await hold.reached(16, timeout_s=30)
            problem = await failed(chats)
            assert type(problem) is SendFailed
            assert "PoolTimeout" in str(problem)
            assert problem.retry_after_s == 0.0
            hold.release()
        assert len(chats.texts) == 16


@pytest.mark.shows("chats.fates")
@pytest.mark.parametrize(
    ("fault", "arrived"),
    [
        (Fault.lost_before(), False),
        (Fault.lost_after(), True),
        (Fault.cut(), True),
        (Fault.hanging(), False),
        (Fault.hanging(effect=True), True),
        (Fault.gateway(502), False),
        (Fault.gateway(502, effect=True), True),
        (Fault.gateway(504, effect=True), True),
        (Fault.gateway(500), False),
        (Fault.gateway(200, effect=True), True),
    ],
)
async def test_what_may_have_gone_out_is_uncertain(chats: Rig, fault: Fault, arrived: bool) -> None:
    chats.server.fault(fault, "sendMessage")
    problem = await failed(chats)
    assert type(problem) is SendUncertain
    assert problem.fix
    assert chats.texts == (["hello"] if arrived else [])
    assert len(chats.server.calls("sendMessage")) == 1, "nothing is sent twice"


@pytest.mark.parametrize("fault", [Fault.lost_after(), Fault.gateway(502), Fault.hanging()])
async def test_what_does_no_harm_twice_is_tried_again(chats: Rig, fault: Fault) -> None:
    sent = await chats.send(Outgoing(chats.dm, "before"))
    heard = await chats.alice.sends(chats.alice.dm, "x")
    for method, action in (
        ("editMessageText", Edit(chats.dm, tuple(sent), "after")),
        ("setMessageReaction", Reaction(chats.dm, str(heard.message_id), "👍")),
    ):
        chats.server.fault(fault, method)
        with pytest.raises(SendFailed) as problem:
            await chats.send(action)
        assert type(problem.value) is SendFailed
        assert problem.value.retry_after_s == 0.0
        await chats.send(action)
    assert chats.texts == ["after"]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault.blocked(), "blocked the bot"),
        (Fault.kicked(), "removed from the chat"),
        (Fault.deactivated(), "account is gone"),
        (Fault.bad("chat not found"), "no such chat"),
        (Fault.bad("TOPIC_CLOSED"), "topic is closed"),
        (Fault.bad("not enough rights to send text messages to the chat"), "may not write"),
        (Fault.bad("something new"), "omething new"),
    ],
)
async def test_what_never_works_is_told_with_the_reason(chats: Rig, fault: Fault, reason: str) -> None:
    chats.server.fault(fault, "sendMessage")
    problem = await failed(chats)
    assert type(problem) is SendFailed
    assert problem.retry_after_s is None
    assert reason in str(problem)
    assert "family/" in str(problem)


async def test_a_group_that_became_a_supergroup_is_named(chats: Rig) -> None:
    new = await chats.group.migrates(chats.alice)
    problem = await failed(chats, chat=str(chats.group.id))
    assert problem.retry_after_s is None
    assert str(new.id) in str(problem)
    chats.server.fault(Fault.refused(bad_request("group chat was upgraded", migrate_to_chat_id=new.id)), "sendMessage")
    assert str(new.id) in str(await failed(chats))


async def test_a_token_that_is_not_accepted_may_be_put_right(chats: Rig) -> None:
    chats.server.token = chats.server._web.token = "7:other"  # pyright: ignore[reportPrivateUsage]
    problem = await failed(chats)
    assert problem.retry_after_s == 60.0
    assert "token_env" in problem.fix


async def test_a_file_that_a_gateway_finds_too_large(chats: Rig) -> None:
    chats.server.fault(Fault.gateway(413), "sendDocument")
    (part,) = chats.sender.parts(Outgoing(chats.dm, "", (Upload("file", "x.bin", data=b"x"),)))
    with pytest.raises(SendFailed, match="too large") as problem:
        await chats.sender.send(part)
    assert problem.value.retry_after_s is None


async def test_half_of_a_part_is_never_sent_twice(chats: Rig) -> None:
    """Plain text of a refused one may need two messages: when the second fails, the first is out."""
    source = "[words](https://example.com/" + "x" * 300 + ") " + "word " * 800
    chats.server.fault(Fault.bad("can't parse entities: x"), "sendMessage")
    chats.server.fault(Fault.flood(5), "sendMessage", skip=1)
    problem = await failed(chats, source)
    assert type(problem) is SendUncertain
    assert "Only a part" in str(problem)
    assert len(chats.texts) == 1


async def test_an_edit_that_goes_on_below_may_be_repeated_until_something_new_went_out(chats: Rig) -> None:
    upload = Upload("file", "n.txt", data=b"x")
    sent = await chats.send(Outgoing(chats.dm, "short", (upload,)))
    edit = Edit(chats.dm, tuple(sent), "word " * 400, buttons=(Button("Yes", "y"),))
    chats.server.fault(Fault.flood(5), "sendMessage")
    with pytest.raises(SendFailed) as problem:
        await chats.send(edit)
    assert problem.value.retry_after_s == 5.0
    chats.clock.advance(5)
    chats.server.fault(Fault.lost_after(), "sendMessage")
    with pytest.raises(SendUncertain):
        await chats.send(edit)


async def test_more_than_telegram_takes_is_told_with_the_time() -> None:
    async with TelegramServer() as server, rig(server, rates=Rates()) as chats:
        group = str(chats.group.id)
        for number in range(20):
            await chats.send(Outgoing(group, str(number)))
            chats.clock.advance(1.05)
        with pytest.raises(SendFailed, match="next in") as problem:
            await chats.send(Outgoing(group, "one more"))
        assert problem.value.retry_after_s == pytest.approx(61.0 - 20 * 1.05)
        assert len(chats.group.bot_messages) == 20


async def test_the_time_of_the_last_good_request(chats: Rig) -> None:
    await chats.send(Outgoing(chats.dm, "x"))
    assert chats.sender.last_ok == chats.clock.now()
    chats.clock.advance(5)
    chats.server.fault(Fault.blocked(), "sendMessage")
    await failed(chats)
    assert chats.sender.last_ok == chats.clock.now() - 5


async def test_the_token_never_comes_out(chats: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """Not in a message, a cause, a context, a traceback, or a line of our own log."""
    caplog.set_level(logging.DEBUG)
    token = chats.server.token
    faults = [
        Fault.lost_before(),
        Fault.gateway(502),
        Fault.hanging(),
        Fault.flood(1),
        Fault.blocked(),
        Fault.bad(f"strange: {token}"),
        Fault.bad(f"can't parse entities: {token}"),
    ]
    problems: list[SendFailed] = []
    for fault in faults:
        chats.server.fault(fault, "sendMessage", times=2)
        problems.append(await failed(chats, "**x**"))
        for rule in chats.server._faults.rules:  # pyright: ignore[reportPrivateUsage]
            rule.lift()
        chats.clock.advance(5)
    async with chats.server.refusing():
        problems.append(await failed(chats))
    for problem in problems:
        assert problem.__context__ is None
        assert problem.__cause__ is None
        assert token not in "".join(traceback.format_exception(problem))
        assert token not in repr(problem)
    ours = [record for record in caplog.records if record.name.startswith("bridge_mcp")]
    assert not any(token in record.getMessage() for record in ours)
