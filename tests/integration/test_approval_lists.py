"""Lists of approvals do not cut off silently: they come in pages and are counted, also those that one may decide."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge_mcp.core.entries import Asked
from bridge_mcp.core.errors import BadInput
from bridge_mcp.core.policy import Principal
from tests.integration.setup import OWNER, SUPERVISOR, World, world

pytestmark = pytest.mark.either_store


async def ask(it: World, conversation: str, count: int, *, by: str = "assistant", quorum: int = 1) -> None:
    """Have so many calls wait in a conversation, in which no engine looks at them."""
    head = len(await it.store.log.load(conversation))
    calls = [
        Asked(f"{head}.{n}", "s", "s__t", arguments="{}", digest="", requested_by=by, quorum=quorum)
        for n in range(count)
    ]
    await it.store.log.intend(conversation, head, *calls, wake=None)


async def test_more_than_a_page_is_counted_whole_and_read_page_by_page(tmp_path: Path) -> None:
    async with world(tmp_path, engine=False) as it:
        await ask(it, "local/main", 700)
        assert (await it.bridge.get_status(OWNER)).waiting_approvals == 700
        seen: list[str] = []
        cursor = ""
        while True:
            page = await it.bridge.page_approvals(OWNER, cursor=cursor, limit=300)
            assert page.count == 700
            seen += [each.call for each in page.approvals]
            cursor = page.cursor
            if not cursor:
                break
        assert seen == [f"0.{n}" for n in reversed(range(700))], "the newest first, and none twice"
        newest = await it.bridge.list_approvals(OWNER, limit=2)
        assert [each.call for each in newest] == ["0.699", "0.698"]


async def test_those_one_may_decide_can_be_asked_for(tmp_path: Path) -> None:
    async with world(tmp_path, engine=False) as it:
        await ask(it, "calls/supervisor.1", 3, by="supervisor")
        await ask(it, "local/main", 5)
        await ask(it, "calls/other.1", 2, by="other")
        mine = await it.bridge.page_approvals(SUPERVISOR, mine=True, limit=3)
        rest = await it.bridge.page_approvals(SUPERVISOR, mine=True, limit=10, cursor=mine.cursor)
        assert (mine.count, rest.count, rest.cursor) == (7, 7, "")
        found = [each.conversation for each in (*mine.approvals, *rest.approvals)]
        assert found == ["calls/other.1"] * 2 + ["local/main"] * 5
        reader = Principal("reader", "client", frozenset({"read"}))
        assert (await it.bridge.page_approvals(reader, mine=True)).approvals == ()
        limited = Principal("limited", "client", frozenset({"read", "approve"}), channels=frozenset({"local"}))
        assert (await it.bridge.page_approvals(limited, mine=True)).count == 5


async def test_a_cursor_of_nothing_and_deciding_on_what_is_decided_are_bad_input(tmp_path: Path) -> None:
    async with world(tmp_path, engine=False) as it:
        with pytest.raises(BadInput, match="cursor"):
            await it.bridge.page_approvals(OWNER, cursor="ap_0000000000000000")
        with pytest.raises(BadInput, match="waiting"):
            await it.bridge.page_approvals(OWNER, status="any", mine=True)
