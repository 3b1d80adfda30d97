"""Answers of Telegram (or of what stands in front of it) that are none: paced, told, and nothing goes out twice."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from telegram.error import TelegramError

from bridge_mcp.channels.telegram.bot.responses import MAX_ANSWER, BotRequest
from bridge_mcp.core.errors import SendFailed, SendUncertain
from bridge_mcp.ports import Edit, Outgoing, Upload
from tests.integration.telegram_chats import Rig, rig
from tests.integration.telegram_receiving import QUICK, Box, becomes, channel_on, receiving
from tests.servers.telegram import Fault, Page, TelegramServer, png

pytestmark = pytest.mark.anyio

ODD = {
    "no result": '{"ok":true}',
    "an empty object": "{}",
    "nothing": "",
    "a page": "<html><body>Welcome to our network</body></html>",
    "half a text": '{"ok":true,"result":{"message_id":1',
    "a list": "[]",
    "null": "null",
    "true": '{"ok":true,"result":true}',
    "no message": '{"ok":true,"result":{}}',
    "a text for a number": '{"ok":true,"result":{"message_id":"x","date":0,"chat":{"id":1,"type":"private"}}}',
    "null for a number": '{"ok":true,"result":{"message_id":null,"date":0,"chat":{"id":1,"type":"private"}}}',
    "a list for a message": '{"ok":true,"result":[]}',
    "a text": '{"ok":true,"result":"done"}',
    "refused with 200": '{"ok":false,"error_code":400,"description":["chat not found"]}',
    "deep": '{"ok":true,"result":' + "[" * 100_000 + "]" * 100_000 + "}",
    "NaN": '{"ok":true,"result":{"message_id":NaN,"date":0,"chat":{"id":1,"type":"private"}}}',
    "a huge number": '{"ok":true,"result":{"message_id":1e999,"date":1e999,"chat":{"id":1,"type":"private"}}}',
}

AS_EDITED = frozenset({"true", "a text for a number", "null for a number", "NaN"})
"""What can be read as saying that a message was edited."""


def answering(body: str, *, effect: bool = False) -> Fault:
    return Fault(answer=Page(200, body, "application/json"), effect=effect)


@pytest.fixture(autouse=True)
def _durations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PTB_TIMEDELTA", "true")


@pytest.fixture
async def chats() -> AsyncGenerator[Rig]:
    async with TelegramServer() as server, rig(server) as made:
        yield made


@pytest.mark.parametrize("body", ODD.values(), ids=ODD.keys())
async def test_what_is_sent_may_have_gone_out(chats: Rig, body: str, caplog: pytest.LogCaptureFixture) -> None:
    album = (Upload("image", "a.png", data=png()), Upload("image", "b.png", data=png()))
    sends = {
        "sendMessage": Outgoing(chats.dm, "hello"),
        "sendPhoto": Outgoing(chats.dm, "", album[:1]),
        "sendMediaGroup": Outgoing(chats.dm, "", album),
    }
    for method, action in sends.items():
        chats.server.fault(answering(body), method)
        with pytest.raises(SendUncertain) as problem:
            await chats.send(action)
        assert problem.value.fix
        assert chats.bot.token not in f"{problem.value}{problem.value.__cause__}"
        assert len(chats.server.calls(method)) == 1, "nothing is sent twice"
        await chats.send(action)
    assert not [each for each in caplog.records if each.levelno >= logging.ERROR]


@pytest.mark.parametrize("name", sorted(ODD.keys() - AS_EDITED))
async def test_an_edit_is_tried_again(chats: Rig, name: str) -> None:
    sent = await chats.send(Outgoing(chats.dm, "before"))
    edit = Edit(chats.dm, tuple(sent), "after")
    chats.server.fault(answering(ODD[name]), "editMessageText")
    with pytest.raises(SendFailed) as problem:
        await chats.send(edit)
    assert type(problem.value) is SendFailed, "twice is once"
    assert problem.value.retry_after_s == 0.0
    await chats.send(edit)
    assert chats.texts == ["after"]


@pytest.mark.parametrize("status", [400, 403, 409, 429, 500])
@pytest.mark.parametrize("parameters", ["[]", '"x"', '{"retry_after":"soon"}', '{"retry_after":1e12}', "1"])
async def test_refusals_with_odd_parameters_are_refusals(chats: Rig, status: int, parameters: str) -> None:
    body = f'{{"ok":false,"error_code":{status},"description":7,"parameters":{parameters}}}'
    chats.server.fault(Fault(answer=Page(status, body, "application/json"), effect=False), "sendMessage")
    with pytest.raises(SendFailed):
        await chats.send(Outgoing(chats.dm, "hello"))
    await chats.send(Outgoing(chats.dm, "hello"))


async def test_no_answer_has_the_channel_wait_for_years(chats: Rig) -> None:
    chats.server.fault(Fault.flood(10**12), "sendMessage")
    with pytest.raises(SendFailed) as problem:
        await chats.send(Outgoing(chats.dm, "hello"))
    assert problem.value.retry_after_s == 86_400


async def test_an_answer_that_is_too_long_is_not_read(chats: Rig) -> None:
    message = {"message_id": 1, "date": 0, "chat": {"id": 1, "type": "private"}, "text": "x" * MAX_ANSWER}
    chats.server.fault(answering(json.dumps({"ok": True, "result": message})), "sendMessage")
    with pytest.raises(SendUncertain):
        await chats.send(Outgoing(chats.dm, "hello"))
    await chats.send(Outgoing(chats.dm, "hello"))
    assert chats.texts == ["hello"]


@pytest.mark.parametrize("name", sorted(ODD.keys() - {"a list for a message"}))
async def test_an_odd_answer_to_a_poll_is_told_and_paced_and_nothing_is_lost(name: str) -> None:
    async with TelegramServer() as server:
        ann, box = server.user("Ann"), Box()
        await ann.sends(ann.dm, "one")
        rule = server.fault(answering(ODD[name]), "getUpdates", times=None)
        slow = replace(QUICK, first=0.2, most=0.2)
        async with receiving(channel_on(server, patience=slow), box) as channel:
            await becomes(lambda: channel.health().state == "degraded")
            assert "cannot be used" in channel.health().error
            await anyio.sleep(0.5)
            assert rule.hits <= 7, "it asks again after a pause"
            rule.lift()
            await box.hears(1)
            await becomes(lambda: channel.health().state == "ready")
        assert box.texts == ["one"]


@pytest.mark.parametrize("method", ["getMe", "getWebhookInfo"])
@pytest.mark.parametrize("name", ["a list", "true", "no message", "a text", "a list for a message", "deep"])
async def test_an_odd_answer_at_the_beginning_is_told_and_asked_again(method: str, name: str) -> None:
    async with TelegramServer() as server:
        ann, box = server.user("Ann"), Box()
        await ann.sends(ann.dm, "one")
        rule = server.fault(answering(ODD[name]), method, times=2)
        async with receiving(channel_on(server), box) as channel:
            await box.hears(1)
            await becomes(lambda: channel.health().state == "ready")
        assert rule.hits == 2


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["ok", "result", "x"]), inner),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=80) | JSONS.map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass")))
def test_every_answer_is_an_object_or_an_error(payload: bytes) -> None:
    try:
        found = BotRequest.parse_json_payload(payload)
        _ = found["result"]
    except TelegramError:
        return
    assert isinstance(found, dict)


async def test_polls_that_are_answered_at_once_with_nothing_are_paced() -> None:
    async with TelegramServer() as server:
        ann, box = server.user("Ann"), Box()
        rule = server.fault(answering(ODD["a list for a message"]), "getUpdates", times=None)
        slow = replace(QUICK, first=0.2, most=0.2)
        async with receiving(channel_on(server, patience=slow), box):
            await anyio.sleep(1.0)
            assert 1 < rule.hits <= 8, "it does not ask as fast as it can"
            rule.lift()
            await ann.sends(ann.dm, "one")
            await box.hears(1)
