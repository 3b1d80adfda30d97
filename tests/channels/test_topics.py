"""Topics (threads) that an agent makes and changes, on every platform."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge_mcp.core.errors import KeyUsed, NotPaired, Unsupported
from bridge_mcp.service import OWNER
from tests.channels.platforms import Platform
from tests.channels.stage import staged


@pytest.mark.shows("tools.topics")
async def test_a_topic_is_made_once_named_and_closed_and_takes_messages(platform: Platform, tmp_path: Path) -> None:
    platform.needs("topics")
    async with staged(tmp_path, platform) as it, it.up() as bridge:
        ann = platform.human("Ann")
        forum = platform.forum(ann)
        chat = f"family/{forum.chat}"
        with pytest.raises(NotPaired):
            await bridge.create_topic(OWNER, chat, "Plans")
        await it.let_in(forum)
        made = await bridge.create_topic(OWNER, chat, "Plans", idempotency_key="k", wait_s=20)
        assert made.status == "sent"
        assert made.conversation.startswith(f"{chat}/")
        again = await bridge.create_topic(OWNER, chat, "Plans", idempotency_key="k", wait_s=20)
        assert (again.conversation, again.repeated) == (made.conversation, True)
        with pytest.raises(KeyUsed):
            await bridge.create_topic(OWNER, chat, "Other plans", idempotency_key="k")
        assert list(platform.topics(forum)) == ["Plans"]

        sent = await bridge.send_message(OWNER, made.conversation, "the first of it", wait_s=20)
        assert sent.status == "sent"
        named = await bridge.edit_topic(OWNER, made.conversation, name="Trip", wait_s=20)
        assert (named.status, named.conversation) == ("sent", made.conversation)
        assert list(platform.topics(forum)) == ["Trip"]
        if "close" in bridge.traits["family"].can.topics:
            for closed in (True, True, False):
                await bridge.edit_topic(OWNER, made.conversation, closed=closed, wait_s=20)
                assert platform.topics(forum) == {"Trip": closed}
        else:
            with pytest.raises(Unsupported, match="cannot be closed"):
                await bridge.edit_topic(OWNER, made.conversation, closed=True)


@pytest.mark.shows("tools.topics")
async def test_a_topic_whose_answer_is_lost_is_uncertain_or_known_and_never_made_twice(
    platform: Platform, tmp_path: Path
) -> None:
    platform.needs("topics")
    async with staged(tmp_path, platform) as it, it.up() as bridge:
        forum = platform.forum(platform.human("Ann"))
        await it.let_in(forum)
        platform.loses_topic()
        made = await bridge.create_topic(OWNER, f"family/{forum.chat}", "Plans", idempotency_key="k", wait_s=20)
        if platform.name == "slack":  # a thread's first message is found again by its key
            assert made.status == "sent"
        else:
            assert (made.status, made.conversation) == ("uncertain", "")
        await bridge.create_topic(OWNER, f"family/{forum.chat}", "Plans", idempotency_key="k", wait_s=20)
        assert list(platform.topics(forum)) == ["Plans"]
