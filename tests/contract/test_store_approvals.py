"""`Approvals`: a view of the logs; and the grants that verdicts make."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from bridge_mcp.core.entries import Verdict, approval_id
from bridge_mcp.core.grants import Grant
from bridge_mcp.core.projections import Approval
from bridge_mcp.ports import Store
from tests.contract.store_kit import Place, asked, judged, say

HERE = "family/1"


async def ask(store: Store, conversation: str, *calls: str, tool: str = "files__delete") -> None:
    """Ask for verdicts, and rest until somebody gives them."""
    head = len(await store.log.load(conversation))
    await store.log.intend(conversation, head, *(asked(call, tool) for call in calls), wake=None)


async def calls(store: Store, **where: Any) -> list[str]:
    return [f"{a.conversation} {a.call}" for a in await store.approvals.find(**where)]


async def test_an_approval_is_whole_and_waits(store: Store) -> None:
    await store.log.intend(HERE, 0, asked(expires_at=1600.0))
    expected = Approval(
        id=approval_id(HERE, "1.0"),
        conversation=HERE,
        call="1.0",
        server="files",
        tool="files__delete",
        arguments='{"path":"a"}',
        digest="sha256:00",
        reason="files asks for everything",
        requested_by="assistant",
        asked_at=1000.0,
        expires_at=1600.0,
    )
    assert await store.approvals.get(expected.id) == expected
    assert await store.approvals.find() == (expected,)
    assert await store.approvals.get("ap_0000000000000000") is None


@pytest.mark.parametrize("verdict", ["approved", "rejected", "expired", "cancelled"])
async def test_the_first_verdict_is_shown(place: Place, store: Store, verdict: Verdict) -> None:
    await ask(store, HERE, "1.0")
    place.clock.time = 1010.0
    await store.log.record(HERE, judged("1.0", verdict, "ann", note="because"))
    await store.log.record(HERE, judged("1.0", "approved", "bob"))
    (found,) = await store.approvals.find()
    assert (found.status, found.decided_by, found.decided_at, found.note) == (verdict, "ann", 1010.0, "because")


async def test_they_are_found_by_status_conversation_and_channel_newest_first(store: Store) -> None:
    await ask(store, "family/1", "1.0", "1.1")
    await ask(store, "local/main", "1.0")
    await ask(store, "family/2", "1.0")
    await store.log.record("family/1", judged("1.1", "rejected"))
    everything = ["family/2 1.0", "local/main 1.0", "family/1 1.1", "family/1 1.0"]
    family = frozenset({"family"})
    assert await calls(store) == everything
    assert await calls(store, limit=2) == everything[:2]
    assert await calls(store, status="waiting") == ["family/2 1.0", "local/main 1.0", "family/1 1.0"]
    assert await calls(store, status="rejected") == ["family/1 1.1"]
    assert await calls(store, status="approved") == []
    assert await calls(store, conversation="family/1") == everything[2:]
    assert await calls(store, conversation="family/1", status="waiting") == ["family/1 1.0"]
    assert await calls(store, conversation="family/1", within=frozenset({"local"})) == []
    assert await calls(store, within=family) == [everything[0], everything[2], everything[3]]
    assert await calls(store, within=family, status="waiting", limit=1) == ["family/2 1.0"]
    assert await calls(store, conversation="nowhere/1") == []


async def test_they_come_in_pages_and_are_counted(store: Store) -> None:
    for n in range(7):
        await ask(store, f"family/{n % 2}", f"{n}.0")
    await ask(store, "local/main", "1.0")
    await store.log.record("family/0", judged("2.0", "rejected"))
    family = frozenset({"family"})
    filters: tuple[dict[str, Any], ...] = (
        {},
        {"status": "waiting"},
        {"within": family},
        {"within": family, "status": "waiting"},
        {"conversation": "family/0"},
        {"conversation": "family/0", "status": "waiting"},
        {"conversation": "family/0", "status": "rejected"},
        {"conversation": "local/main", "within": family},
    )
    for where in filters:
        whole = await store.approvals.find(**where)
        assert await store.approvals.count(**where) == len(whole), where
        pages: list[Approval] = []
        before = ""
        while page := await store.approvals.find(**where, limit=2, before=before):
            pages += page
            before = page[-1].id
        assert tuple(pages) == whole, where


async def test_a_verdict_on_what_was_never_asked_makes_no_approval(store: Store) -> None:
    await store.log.record(HERE, judged(remember="always"))
    assert await store.approvals.find() == ()
    assert await store.grants.active(0.0) == ()


# -- remembered verdicts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("remember", "where"), [("conversation", HERE), ("always", "")])
async def test_a_remembered_verdict_makes_its_grant(
    store: Store, remember: Literal["conversation", "always"], where: str
) -> None:
    await ask(store, HERE, "1.0")
    await store.log.record(HERE, judged(by="ann", remember=remember))
    (grant,) = await store.grants.active(0.0)
    assert grant == Grant(grant.id, "files__delete", where, by="ann", created_at=1000.0)
    await store.log.record(HERE, judged(by="bob", remember="always"))
    assert await store.grants.active(0.0) == (grant,), "the second verdict is none"


@pytest.mark.parametrize(
    ("verdict", "remember"), [("approved", "once"), ("rejected", "always"), ("expired", "conversation")]
)
async def test_other_verdicts_make_none(
    store: Store, verdict: Verdict, remember: Literal["once", "conversation", "always"]
) -> None:
    await ask(store, HERE, "1.0")
    await store.log.record(HERE, judged("1.0", verdict, remember=remember))
    assert await store.grants.active(0.0) == ()


async def test_a_grant_wakes_all_in_which_a_call_of_that_tool_waits(place: Place, store: Store) -> None:
    await ask(store, "family/1", "1.0", "1.1")
    await ask(store, "family/2", "1.0")
    await ask(store, "family/3", "1.0", tool="files__put")
    await ask(store, "family/4", "1.0")
    await store.log.record("family/4", judged("1.0", "rejected"))
    await store.agenda.rest("family/4", 2, None)
    await say(store, "family/5", "hi")
    await store.agenda.rest("family/5", 1, None)
    other = await place.open()
    assert await store.agenda.due(float("inf"), 10) == ()
    await other.log.record("family/1", judged("1.0", remember="always"))
    assert set(await store.agenda.due(0.0, 10)) == {"family/1", "family/2"}


async def test_a_grant_wakes_its_own_conversation_though_the_append_says_otherwise(store: Store) -> None:
    await store.log.intend(HERE, 0, asked("1.0"), asked("1.1"), wake=1600.0)
    await store.log.intend(HERE, 2, judged("1.0", remember="conversation"), wake=None)
    assert await store.agenda.due(0.0, 10) == (HERE,)


async def test_a_grant_leaves_what_is_due_its_place_in_the_line(place: Place, store: Store) -> None:
    for n, conversation in enumerate(("family/1", "family/2", "family/3")):
        place.clock.time = 1000.0 + n
        await ask(store, conversation, "1.0")
    await say(store, "family/2", "hi")
    place.clock.time = 1010.0
    await say(store, "family/4", "hi")
    place.clock.time = 1020.0
    await store.log.record("family/1", judged("1.0", remember="always"))
    due = await store.agenda.due(0.0, 10)
    assert due[:2] == ("family/2", "family/4")
    assert set(due[2:]) == {"family/1", "family/3"}
