"""Topics, whatever the platform: their fate over crashes, their names, and what is refused at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge_mcp.core.capabilities import Capabilities
from bridge_mcp.core.errors import BadInput, Unsupported
from tests.integration.setup import HOST, OWNER, WallClock, world

CAN = Capabilities(topics=("make", "name"), threads=True)
CHAT = "family/42"


@pytest.mark.shows("tools.topics")
async def test_a_topic_that_a_dead_engine_was_making_is_uncertain_and_not_made_again(tmp_path: Path) -> None:
    async with world(tmp_path, engine=False, can=CAN) as it:
        await it.bridge.pair_chat(OWNER, channel="family", chat="42")
        asked = await it.bridge.create_topic(HOST, CHAT, "Plans", idempotency_key="k", wait_s=0)
        assert (asked.status, asked.conversation) == ("queued", "")
        (queued,) = await it.store.outbox.due(WallClock().now(), 10)
        assert await it.store.outbox.begin(queued.conversation, queued.seq) is not None
    async with world(tmp_path, can=CAN) as it:
        await it.events("message.uncertain")
        again = await it.bridge.create_topic(HOST, CHAT, "Plans", idempotency_key="k")
        assert (again.status, again.conversation, again.repeated) == ("uncertain", "", True)
        assert it.family.topics == []


async def test_what_cannot_be_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    async with world(tmp_path, can=CAN) as it:
        await it.bridge.pair_chat(OWNER, channel="family", chat="42")
        made = await it.bridge.create_topic(HOST, CHAT, "Plans  of \n May")
        assert it.family.topics[-1].topic.name == "Plans of May"
        with pytest.raises(BadInput, match="a topic itself"):
            await it.bridge.create_topic(HOST, made.conversation, "Deeper")
        with pytest.raises(BadInput, match="not a topic of one"):
            await it.bridge.edit_topic(HOST, CHAT, name="x")
        with pytest.raises(BadInput, match="no name"):
            await it.bridge.create_topic(HOST, CHAT, " ")
        with pytest.raises(BadInput, match="Nothing is to be changed"):
            await it.bridge.edit_topic(HOST, made.conversation)
        with pytest.raises(Unsupported, match="have an icon"):
            await it.bridge.create_topic(HOST, CHAT, "x", icon="🔥")
        with pytest.raises(Unsupported, match="be closed"):
            await it.bridge.edit_topic(HOST, made.conversation, closed=True)
        with pytest.raises(Unsupported, match="makes no topics"):
            await it.bridge.create_topic(HOST, "local/main", "x")
        assert len(it.family.topics) == 1
        await it.bridge.send_message(HOST, made.conversation, "the first of it")
        titles = {each.id: each.title for each in (await it.bridge.list_conversations(OWNER)).conversations}
        assert made.conversation in titles
