"""What those who may only speak cannot bring about."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge_mcp.core.entries import Sender
from bridge_mcp.operations.inbox import Intake
from bridge_mcp.ports import ChannelTraits, Incoming
from bridge_mcp.testing import ManualClock
from tests.integration.setup import open_store, rules_for


@pytest.mark.shows("chats.accounts")
async def test_a_guests_name_is_not_shown_for_the_account_that_would_be_let_in(tmp_path: Path) -> None:
    clock = ManualClock()
    store = await open_store(tmp_path, clock)
    try:
        inbox = Intake(store, rules_for(), {"family": ChannelTraits("family", "telegram")}, clock)
        said = Incoming(
            "family",
            "business-66/7",
            "1",
            sender=Sender("7", "Your daughter"),
            text="hello",
            at=clock.now(),
            title="Your daughter",
            outsider="guest",
        )
        assert not await inbox.put(said)
        (asked,) = await store.access.requests(clock.now())
        assert (asked.subject, asked.name) == ("business-66", "business-66")
    finally:
        await store.close()
