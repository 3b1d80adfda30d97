"""A token that was planted comes out nowhere: not in logs of any level, not in errors, not in what a crash prints."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Generator

import pytest

from bridge_mcp.channels.telegram.bot.connections import BotConnections
from bridge_mcp.channels.telegram.bot.settings import TelegramSettings, Webhook
from bridge_mcp.channels.telegram.channel import TelegramChannel
from bridge_mcp.core.entries import Attachment
from bridge_mcp.core.errors import BridgeError
from tests.integration.telegram_receiving import Box, becomes, channel_on, receiving
from tests.servers.telegram import Fault, Refusal, SystemClock, TelegramServer

PLANTED = "7000000001:AAH-planted-telegram-token-0123456789"
WORDS = PLANTED.partition(":")[2]


class Lines(logging.Handler):
    """Every line of every logger, as a program without any clean log of its own would print it."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture(params=["DEBUG", "INFO", "WARNING"])
def lines(request: pytest.FixtureRequest) -> Generator[list[str]]:
    handler, root = Lines(), logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(request.param)
    yield handler.lines
    root.removeHandler(handler)
    root.setLevel(before)


async def test_no_log_line_has_it_whatever_happens(lines: list[str]) -> None:
    async with TelegramServer(PLANTED) as server:
        ann, box = server.user("Ann"), Box()
        box.says = lambda arrival: "Who are you?"
        for fault in (Fault.gateway(), Fault.lost_before(), Fault.cut(), Fault.bad(f"no /bot{PLANTED}/getUpdates")):
            server.fault(fault, "getUpdates")
        server.fault(Fault.bad(f"no /bot{PLANTED}/sendMessage"), "sendMessage")
        await ann.sends(ann.dm, "hello")
        async with receiving(channel_on(server), box):
            await box.hears(1)
            await server.until(lambda: bool(server.calls("sendMessage")))
            await server.until(lambda: server.pending == 0 and server.polling)
    assert lines
    assert not [line for line in lines if WORDS in line]


async def test_no_error_has_it_nor_what_it_came_of(lines: list[str]) -> None:
    errors: list[BaseException] = []
    async with TelegramServer(PLANTED) as server:
        channel = channel_on(server)
        for fault, method in (
            (Fault.lost_before(), "getFile"),
            (Fault.refused(Refusal(401, "Unauthorized")), "getFile"),
            (Fault.bad(f"no /bot{PLANTED}"), "getFile"),
        ):
            server.fault(fault, method)
            errors.append(await failing(channel, "F"))
        server.fault(Fault.refused(Refusal(404, "Not Found")), "getMe")
        with pytest.raises(BridgeError) as error:
            await channel.run(Box())
        errors.append(error.value)
        healths = repr(channel.health())
    for each in errors:
        logging.getLogger("somebody").error("it failed", exc_info=each)
    printed = [line for each in errors for line in traceback.format_exception(each)]
    assert not [line for line in [*printed, *lines, healths] if WORDS in line]


async def failing(channel: TelegramChannel, ref: str) -> BridgeError:
    with pytest.raises(BridgeError) as error:
        await channel.fetch(Attachment(ref), 100)
    return error.value


async def test_what_is_printed_of_its_parts_has_no_secret() -> None:
    settings = TelegramSettings(
        "family", PLANTED, "http://127.0.0.1:9", webhook=Webhook("https://h", "h", 1, secret="planted")
    )
    line = BotConnections(settings)
    told = f"{settings!r} {line!r} {line.bot!r} {line.poller!r}"
    assert WORDS not in told
    assert "planted" not in told


async def test_an_address_that_nobody_listens_on(lines: list[str]) -> None:
    channel = TelegramChannel(TelegramSettings("family", PLANTED, "http://127.0.0.1:9"), SystemClock())
    async with receiving(channel, Box()):
        await becomes(lambda: channel.health().state == "degraded")
    assert "127.0.0.1:9 cannot be reached" in channel.health().error
    assert not [line for line in [*lines, channel.health().error] if WORDS in line]
