"""A thousand messages over two hundred chats, with refusals thrown in: the engine's outbox, the store and Telegram."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from bridge_mcp.channels.telegram.bot.settings import TelegramSettings
from bridge_mcp.channels.telegram.channel import TelegramChannel
from bridge_mcp.channels.telegram.send.rate_limit import Rates
from bridge_mcp.engine.outbound.outbox import OutboxWorker
from bridge_mcp.ports import ChannelRules, Rules
from bridge_mcp.service import OWNER, Bridge
from bridge_mcp.stores.sqlite import open_store
from bridge_mcp.testing import FakeToolbox
from tests.integration.setup import WallClock
from tests.servers.telegram import Chat, Fault, Limits, TelegramServer

pytestmark = pytest.mark.anyio

PEOPLE, GROUPS, EACH = 180, 20, 5
REFUSED = 40
QUICKER = 8
"""Telegram's limits and our pace, so many times as quick: else this would take most of a minute."""
LIMITS = Limits(
    # A message and a fifth more than ours: on a busy machine requests arrive less evenly than at a tenth of the pace.
    per_second=36 * QUICKER,
    chat_per_second=QUICKER,
    chat_burst=4,
    group_per_minute=20 * QUICKER,
)
RATES = Rates(in_all_s=1.1 / QUICKER, chat_s=1.05 / QUICKER, group_s=61.0 / QUICKER)


async def everywhere(server: TelegramServer) -> list[Chat]:
    """All chats, each of which the bot may write to."""
    people = [server.user(f"P{number}") for number in range(PEOPLE)]
    for person in people:
        await person.sends(person.dm, "/start")
    return [person.dm for person in people] + [server.group(f"G{number}", [people[number]]) for number in range(GROUPS)]


@pytest.mark.shows("chats.order")
@pytest.mark.slow
async def test_none_is_lost_the_order_stays_and_the_limits_are_kept(tmp_path: Path) -> None:
    clock = WallClock()
    async with TelegramServer() as server:
        chats = await everywhere(server)
        server.limit(LIMITS)
        for number in range(REFUSED):
            server.fault(Fault.flood(1), "sendMessage", skip=number * 20)
        channel = TelegramChannel(TelegramSettings("family", server.token, server.url), clock, rates=RATES)
        store = await open_store(tmp_path / "bridge.db", clock=clock)
        rules = Rules({"family": ChannelRules("family", "relay")})
        traits = {"family": channel.traits}
        bridge = Bridge(store, rules, traits, clock=clock, check=FakeToolbox().check)
        for chat in chats:
            await bridge.pair_chat(OWNER, channel="family", chat=str(chat.id))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(OutboxWorker(store, {"family": channel}, clock).run)
            async with anyio.create_task_group() as writers:
                for chat in chats:
                    writers.start_soon(write, bridge, chat)
            for chat in chats:
                await recorded(bridge, chat)
            tasks.cancel_scope.cancel()
        await store.close()
        expected = [f"message {number}" for number in range(EACH)]
        assert {chat.id: [message.text for message in chat.bot_messages] for chat in chats} == {
            chat.id: expected for chat in chats
        }
        refused = [call for call in server.calls("sendMessage") if call.status != 200]
        assert [call.status for call in refused] == [429] * REFUSED, "none but those that were thrown in"


async def write(bridge: Bridge, chat: Chat) -> None:
    for number in range(EACH):
        await bridge.send_message(OWNER, f"family/{chat.id}", f"message {number}", wait_s=0)


async def recorded(bridge: Bridge, chat: Chat) -> None:
    """Wait until every message of a chat is known as sent, under the id it has on Telegram."""
    with anyio.fail_after(90):
        while True:
            page = await bridge.read_messages(OWNER, f"family/{chat.id}")
            if all(message.status == "sent" for message in page.messages):
                break
            await anyio.sleep(0.05)
    ids = [message.platform_ids for message in page.messages]
    assert ids == [(str(message.message_id),) for message in chat.bot_messages]
