"""What becomes of messages where a platform fails, on every platform."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from bridge_mcp.service import OWNER
from tests.channels.platforms import Platform
from tests.channels.stage import staged


@pytest.mark.shows("chats.platforms")
async def test_a_message_whose_answer_was_lost_is_there_once(platform: Platform, tmp_path: Path) -> None:
    """Where the platform can be asked, it is known to be sent; elsewhere it is uncertain, and nothing is repeated."""
    platform.sends()
    async with staged(tmp_path, platform) as it, it.up() as bridge:
        ann = platform.human("Ann")
        await it.let_in(ann)
        await ann.says(ann.dm, "hi")
        await ann.dm.says(1)
        platform.loses_answer()
        sent = await bridge.send_message(OWNER, f"family/{ann.id}", "once", wait_s=20)
        assert sent.status == ("sent" if platform.can.settles_s else "uncertain")
        await bridge.send_message(OWNER, f"family/{ann.id}", "the next", wait_s=20)
        assert [each.text for each in ann.dm.all()[1:]] == ["once", "the next"]


@pytest.mark.shows("chats.platforms")
async def test_a_platform_that_asks_to_wait_is_waited_for(platform: Platform, tmp_path: Path) -> None:
    platform.sends()
    async with staged(tmp_path, platform) as it, it.up() as bridge:
        ann = platform.human("Ann")
        await it.let_in(ann)
        await ann.says(ann.dm, "hi")
        await ann.dm.says(1)
        platform.asks_to_wait(1)
        began = time.monotonic()
        sent = await bridge.send_message(OWNER, f"family/{ann.id}", "patient", wait_s=20)
        assert sent.status == "sent"
        assert time.monotonic() - began >= 1
        assert [each.text for each in ann.dm.all()[1:]] == ["patient"]
