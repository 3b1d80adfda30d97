"""Claims of conversations: one of several agents writes, the others are told who does, and until when."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from bridge_mcp.core.errors import BadInput, Denied
from bridge_mcp.core.events import Event
from bridge_mcp.service import Bridge
from bridge_mcp.testing.clock import ManualClock
from tests.integration.setup import HOST, OWNER, open_store, world

pytestmark = pytest.mark.either_store

CHAT = "local/main"
ANN, BOB = replace(HOST, name="ann"), replace(HOST, name="bob")


@pytest.mark.shows("tools.claims")
async def test_nobody_else_writes_until_the_claim_ends_by_itself_or_is_given_back(tmp_path: Path) -> None:
    clock = ManualClock()
    async with world(tmp_path, engine=False, clock=clock) as it:
        other_store = await open_store(tmp_path, clock)
        try:
            other = Bridge(other_store, it.rules, it.bridge.traits, clock=clock, check=it.toolbox.check)
            held = await it.bridge.claim_conversation(ANN, CHAT, 60)
            assert held is not None
            assert (held.client, held.until) == ("ann", clock.now() + 60)
            for refused in (
                other.send_message(BOB, CHAT, "me too"),
                other.ask_user(BOB, CHAT, "May I?"),
                other.run_turn(BOB, CHAT, "go"),
                other.claim_conversation(BOB, CHAT, 5),
            ):
                with pytest.raises(Denied, match=r"ann has claimed local/main until .*Z, for another 60 s"):
                    await refused
            assert (await it.bridge.send_message(ANN, CHAT, "I am on it.")).status == "sent"
            assert (await other.send_message(OWNER, CHAT, "Thanks.")).status == "sent", "the owner is no relay"
            assert (await other.send_message(BOB, "local/other", "hi")).status == "sent"

            clock.advance(40)
            assert await it.bridge.claim_conversation(ANN, CHAT, 60), "who holds it goes on"
            clock.advance(40)
            with pytest.raises(Denied):
                await other.send_message(BOB, CHAT, "now?")
            clock.advance(21)
            assert (await other.send_message(BOB, CHAT, "now.")).status == "sent"

            assert await other.claim_conversation(BOB, CHAT, 60)
            assert await it.bridge.claim_conversation(ANN, CHAT, 0) is None, (
                "giving back what is another's does nothing"
            )
            with pytest.raises(Denied, match="bob has claimed"):
                await it.bridge.send_message(ANN, CHAT, "again")
            assert await other.claim_conversation(BOB, CHAT, 0) is None
            assert (await it.bridge.send_message(ANN, CHAT, "again")).status == "sent"

            told = [(each.type, each.body["by"]) for each in await claims_told(it.bridge)]
            claimed, released = "conversation.claimed", "conversation.released"
            assert told == [(claimed, "ann"), (claimed, "ann"), (claimed, "bob"), (released, "bob")]
            for seconds in (-1, 3601, float("nan")):
                with pytest.raises(BadInput):
                    await it.bridge.claim_conversation(ANN, CHAT, seconds)
        finally:
            await other_store.close()


async def claims_told(bridge: Bridge) -> tuple[Event, ...]:
    page = await bridge.store.feed.read(0, 20, types=("conversation.claimed", "conversation.released"))
    return page.events


async def test_a_client_that_is_revoked_holds_nothing(tmp_path: Path) -> None:
    async with world(tmp_path, engine=False) as it:
        stored, _ = await it.bridge.add_client(OWNER, "carl", scopes=("send",))
        assert await it.bridge.claim_conversation(stored.principal, CHAT, 60)
        await it.bridge.revoke_client(OWNER, "carl")
        assert (await it.bridge.send_message(BOB, CHAT, "hi")).status == "sent"


async def test_claims_of_one_client_have_an_end(tmp_path: Path) -> None:
    async with world(tmp_path, engine=False) as it:
        for number in range(100):
            assert await it.bridge.claim_conversation(ANN, f"local/{number}", 60)
        with pytest.raises(Exception, match="ann has claimed 100 conversations"):
            await it.bridge.claim_conversation(ANN, "local/more", 60)
        assert await it.bridge.claim_conversation(ANN, "local/5", 90)
