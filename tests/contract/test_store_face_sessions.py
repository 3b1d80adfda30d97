"""`FaceSessions`: sessions that every process on a store serves, and what the processes tell each other."""

from __future__ import annotations

import asyncio
from contextlib import closing

from msgspec.structs import replace

from bridge_mcp.ports import FaceNote, FaceSession, Store
from tests.contract.store_kit import SOON_S, Place

ONE = FaceSession("one", "mcp", "ann", '{"a": "secret"}', begun=1000.0, used=1000.0)


async def test_a_session_is_known_to_every_process_until_one_ends_it(place: Place, store: Store) -> None:
    kept, other = store.face_sessions, (await place.open()).face_sessions
    assert await other.get("one") is None
    await kept.put(ONE, at_most=9)
    assert await other.get("one") == ONE
    assert "secret" not in repr(ONE)
    await other.used("one", 1100.0)
    await other.used("one", 1050.0)
    assert await kept.get("one") == replace(ONE, used=1100.0)
    assert await kept.subscribe(FaceNote("one", "me"), "bridge://status", 1100.0, at_most=9)
    assert await other.end("one", None, 1100.0)
    assert not await other.end("one", None, 1100.0)
    assert await kept.get("one") is None
    await kept.put(ONE, at_most=9)
    assert await kept.subscriptions("one") == frozenset(), "a new session has none of an earlier one's"


async def test_a_client_has_so_many_of_a_kind_and_the_old_ones_go(store: Store) -> None:
    kept = store.face_sessions
    for number in range(4):
        await kept.put(replace(ONE, id=f"{number}", used=1000.0 + number), at_most=3)
    await kept.put(replace(ONE, id="web", kind="console"), at_most=3)
    await kept.put(replace(ONE, id="bob", client="bob"), at_most=3)

    async def left() -> list[str]:
        return [id for id in ("0", "1", "2", "3", "web", "bob") if await kept.get(id) is not None]

    assert await left() == ["1", "2", "3", "web", "bob"]
    await kept.end_old("mcp", idle_since=1002.0, begun_before=0)
    assert await left() == ["2", "3", "web"]
    await kept.end_old("console", idle_since=0, begun_before=1001.0)
    assert await left() == ["2", "3"]


async def test_subscriptions_are_few_and_every_change_is_told(place: Place, store: Store) -> None:
    kept, other = store.face_sessions, (await place.open()).face_sessions
    note = FaceNote("one", "me")
    await kept.put(ONE, at_most=9)
    assert await kept.subscribe(note, "a", 1000.0, at_most=2)
    assert await kept.subscribe(note, "a", 1000.0, at_most=2)
    assert await other.subscribe(note, "b", 1000.0, at_most=2)
    assert not await other.subscribe(note, "c", 1000.0, at_most=2)
    assert await kept.subscriptions("one") == {"a", "b"}
    await kept.unsubscribe(note, "a", 1001.0)
    assert await other.subscriptions("one") == {"b"}
    assert [(each.session, each.by, each.body) for each in await other.notes(1000.0)] == [("one", "me", "")] * 4


async def test_notes_wake_the_others_and_are_forgotten_after_a_minute(place: Place, store: Store) -> None:
    other = await place.open()
    with closing(other.agenda.watch(conversations=False)) as changes:
        await store.face_sessions.tell(FaceNote("one", "me", "first"), 1000.0)
        async with asyncio.timeout(SOON_S):
            await changes.wait()
    assert [each.body for each in await other.face_sessions.notes(999.0)] == ["first"]
    await store.face_sessions.tell(FaceNote("two", "me", "second"), 1059.0)
    assert await store.face_sessions.end("one", FaceNote("one", "me"), 1059.0) is False
    first, second = await other.face_sessions.notes(0)
    assert (first.body, second.body, first.number != second.number) == ("first", "second", True)
    assert [each.body for each in await other.face_sessions.notes(1001.0)] == ["second"]
    assert await other.face_sessions.notes(0, by="me") == ()
    assert await other.face_sessions.notes(0, by="other", seen={first.number}) == (second,)
    await store.face_sessions.tell(FaceNote("two", "me", "third"), 1061.0)
    assert [each.body for each in await other.face_sessions.notes(0)] == ["second", "third"]
