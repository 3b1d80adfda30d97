"""`Access` and `Grants`: who was let in, standing verdicts."""

from __future__ import annotations

from msgspec.structs import replace

from bridge_mcp.core.grants import MAX_ALIKE, Grant
from bridge_mcp.ports import Pairing, PairingRequest, Store

ANN = Pairing("family", "7", "user", name="Ann", by="owner", at=1000.0)
BOB = Pairing("family", "8", "approver", name="Bob", by="owner", at=900.0)


def request(code: str, subject: str, at: float = 1000.0, channel: str = "family") -> PairingRequest:
    return PairingRequest(code, channel, subject, name=f"name of {subject}", at=at, expires_at=at + 100)


# -- pairings ------------------------------------------------------------------------------------------------


async def test_pairings_are_listed_by_channel_the_oldest_first(store: Store) -> None:
    work = Pairing("work", "7")
    for pairing in (ANN, BOB, work):
        await store.access.pair(pairing)
    assert await store.access.pairings() == (BOB, ANN, work)
    assert await store.access.pairings("family") == (BOB, ANN)
    assert await store.access.pairings("nowhere") == ()


async def test_those_of_some_subjects_that_were_let_in(store: Store) -> None:
    for pairing in (ANN, BOB, Pairing("work", "9")):
        await store.access.pair(pairing)
    assert await store.access.find("family", "7") == (ANN,)
    assert set(await store.access.find("family", "8", "9", "7", "8")) == {ANN, BOB}
    assert len(await store.access.find("family", "8", "8")) == 1
    assert await store.access.find("family", "9") == ()
    assert await store.access.find("family") == ()


async def test_pairing_again_changes_the_role(store: Store) -> None:
    await store.access.pair(ANN)
    changed = Pairing("family", "7", "approver", name="Ann A.", by="cli", at=2000.0)
    await store.access.pair(changed)
    assert await store.access.pairings() == (changed,)


async def test_unpairing_says_whether_it_had_been_paired(store: Store) -> None:
    await store.access.pair(ANN)
    assert not await store.access.unpair("work", "7")
    assert await store.access.unpair("family", "7")
    assert not await store.access.unpair("family", "7")
    assert await store.access.pairings() == ()


# -- requests ------------------------------------------------------------------------------------------------


async def test_requests_are_open_until_they_expire_the_oldest_first(store: Store) -> None:
    newer, older = request("B", "2", at=1010.0), request("A", "1", at=1000.0)
    assert await store.access.request(newer, 3) == newer
    assert await store.access.request(older, 3) == older
    assert await store.access.requests(1020.0) == (older, newer)
    assert await store.access.requests(1099.9) == (older, newer)
    assert await store.access.requests(1100.0) == (newer,)
    assert await store.access.requests(2000.0) == ()


async def test_a_subject_gets_its_own_open_request_again(store: Store) -> None:
    first = request("A", "1")
    await store.access.request(first, 3)
    assert await store.access.request(request("B", "1", at=1050.0), 3) == first
    assert await store.access.request(request("C", "1", at=1050.0), 1) == first, "its own does not count"
    assert await store.access.requests(1050.0) == (first,)
    again = request("D", "1", at=1100.0)
    assert await store.access.request(again, 3) == again, "the first one has expired"


async def test_no_more_than_so_many_are_open_on_a_channel(store: Store) -> None:
    for n in range(2):
        assert await store.access.request(request(f"A{n}", str(n)), 2) is not None
    assert await store.access.request(request("B", "9"), 2) is None
    assert await store.access.request(request("C", "9", channel="work"), 2) is not None
    assert await store.access.request(request("D", "9", at=1100.0), 2) is not None, "the others have expired"
    assert await store.access.request(request("E", "10", at=1100.0), 0) is None


async def test_a_full_list_gives_way_at_its_oldest_end(store: Store) -> None:
    for n in range(3):
        await store.access.request(request(f"A{n}", str(n), at=1000.0 + n), 3)
    assert await store.access.request(request("B", "9", at=1050.0), 3, 60.0) is None, "they may still be used"
    newcomer = request("C", "9", at=1061.0)
    assert await store.access.request(newcomer, 3, 60.0) == newcomer
    assert [each.code for each in await store.access.requests(1061.0)] == ["A1", "A2", "C"]


async def test_being_let_in_closes_the_requests(store: Store) -> None:
    for channel in ("family", "work"):
        await store.access.request(request(f"{channel} code", "7", channel=channel), 3)
    await store.access.request(request("A", "8"), 3)
    await store.access.pair(ANN)
    assert [r.code for r in await store.access.requests(1000.0)] == ["A", "work code"]


# -- grants --------------------------------------------------------------------------------------------------


async def test_grants_hold_until_they_expire_or_are_revoked(store: Store) -> None:
    forever = await store.grants.add(
        Grant(
            0,
            "files__*",
            "family/1",
            arguments=(("path", "/tmp/*"), ("n", "1")),
            expires_at=0.0,
            by="ann",
            created_at=5.0,
        )
    )
    brief = await store.grants.add(Grant(0, "mail__send", expires_at=1100.0))
    assert forever == Grant(
        forever.id,
        "files__*",
        "family/1",
        arguments=(("path", "/tmp/*"), ("n", "1")),
        expires_at=0.0,
        by="ann",
        created_at=5.0,
    )
    assert 0 < forever.id != brief.id
    assert await store.grants.active(1099.0) == (forever, brief)
    assert await store.grants.active(1100.0) == (forever,)
    assert await store.grants.revoke(forever.id)
    assert not await store.grants.revoke(forever.id)
    assert not await store.grants.revoke(999)
    assert await store.grants.active(1000.0) == (brief,)


async def test_the_same_grant_again_renews_the_one_there_is(store: Store) -> None:
    brief = Grant(
        0, "a__b", "family/1", arguments=(("path", "notes/*"),), expires_at=1100.0, by="ann", created_at=1000.0
    )
    first = await store.grants.add(brief)
    longer = await store.grants.add(replace(brief, created_at=1050.0, expires_at=1200.0))
    assert (longer.id, longer.expires_at) == (first.id, 1200.0)
    shorter = await store.grants.add(replace(brief, created_at=1060.0, expires_at=1070.0))
    assert (shorter.id, shorter.expires_at) == (first.id, 1200.0), "the longer one was given, and holds"
    for_ever = await store.grants.add(replace(brief, created_at=1080.0, expires_at=0.0))
    assert await store.grants.active(9e9) == (for_ever,)
    assert (await store.grants.add(replace(brief, created_at=1090.0))).expires_at == 0.0
    other = await store.grants.add(replace(brief, by="bob"))
    assert other.id != first.id, "whoever revokes theirs ends nobody else's"


async def test_grants_that_have_ended_are_deleted(store: Store) -> None:
    brief = await store.grants.add(Grant(0, "a__b", expires_at=1100.0, created_at=1000.0))
    assert await store.grants.prune(1099.0) == 0
    assert await store.grants.prune(1100.0) == 1
    assert not await store.grants.revoke(brief.id)
    again = await store.grants.add(Grant(0, "a__b", expires_at=1300.0, created_at=1200.0))
    await store.grants.add(Grant(0, "c__d", created_at=1400.0))
    assert not await store.grants.revoke(again.id), "a new one tidies up what ended before it"


async def test_grants_are_found_by_the_calls_they_may_cover(store: Store) -> None:
    everywhere = await store.grants.add(Grant(0, "a__b"))
    channel = await store.grants.add(Grant(0, "a__b", "family"))
    chat = await store.grants.add(Grant(0, "a__b", "family/1"))
    client = await store.grants.add(Grant(0, "a__b", "calls/agent"))
    for other in (Grant(0, "a__c"), Grant(0, "a__b", "family/2"), Grant(0, "a__b", expires_at=900.0)):
        await store.grants.add(other)
    assert await store.grants.concerning(("a__b",), "family/1", 1000.0) == (everywhere, channel, chat)
    assert await store.grants.concerning(("a__b", "x"), "calls/agent.7", 1000.0) == (everywhere, client)
    assert await store.grants.concerning((), "family/1", 1000.0) == ()


async def test_of_too_many_grants_for_one_tool_and_place_the_oldest_goes_and_is_told(store: Store) -> None:
    for number in range(MAX_ALIKE + 2):
        await store.grants.add(
            Grant(0, "a__b", "family/1", arguments=(("path", f"{number}"),), created_at=1000.0 + number)
        )
    await store.grants.add(Grant(0, "a__b", "family/2"))
    left = await store.grants.concerning(("a__b",), "family/1", 5000.0)
    assert [each.arguments[0][1] for each in left] == [f"{number}" for number in range(2, MAX_ALIKE + 2)]
    told = (await store.feed.read(0, 10, types=("grant.revoked",))).events
    assert [(each.body["grant"], each.body["by"]) for each in told] == [(1, "bridge"), (2, "bridge")]


async def test_the_id_of_a_grant_is_never_used_again(store: Store) -> None:
    first = await store.grants.add(Grant(0, "a__b"))
    await store.grants.revoke(first.id)
    assert (await store.grants.add(Grant(0, "a__b"))).id != first.id
