"""`Restoring` and `Forgetting` on every kind of store: what is held back, what goes, and what the chain covers."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge_mcp.core.entries import Button, Forgot, Heard, Posted, Sender
from bridge_mcp.core.forgetting import FORGOTTEN
from bridge_mcp.core.grants import Grant
from bridge_mcp.core.hash_chain import digest_left
from bridge_mcp.operations.forgetting import Keepers, forget
from bridge_mcp.ports import HeldBack, Pairing, Store, ToForget
from tests.contract.store_kit import Place, heard

ZOE = Sender("7", "Zoe")
PAIRED = Pairing("family", "7", "approver", name="Zoe", by="family:8", at=900.0)
OTHER = Pairing("family", "8", "user", name="Bob", by="family:7", at=950.0)


async def granted(store: Store, *, by: str, where: str = "") -> Grant:
    return await store.grants.add(
        Grant(0, "files__read", where, arguments=(("path", "secret/*"),), by=by, created_at=1000.0)
    )


async def test_what_was_let_in_is_held_back_until_it_is_confirmed(store: Store) -> None:
    for pairing in (PAIRED, OTHER):
        await store.access.pair(pairing)
    grant = await granted(store, by="owner")
    await store.restoring.begin_anew(5_000)
    assert (await store.access.pairings(), await store.grants.active(1001.0)) == ((), ())
    held = await store.restoring.held_back()
    assert held == HeldBack(grants=(grant,), pairings=(PAIRED, OTHER))
    anew = Pairing("family", "8", "approver", name="Bob, as he is now", by="owner", at=1010.0)
    await store.access.pair(anew)
    assert await store.restoring.let_in() == held
    assert await store.access.pairings() == (PAIRED, anew)
    assert [each.tool for each in await store.grants.active(1001.0)] == ["files__read"]
    assert not await store.restoring.held_back()


async def test_a_person_is_forgotten_among_what_is_held_back_too(store: Store) -> None:
    for pairing in (PAIRED, OTHER):
        await store.access.pair(pairing)
    await granted(store, by="family:7")
    await store.restoring.begin_anew(5_000)
    await store.forgetting.person("family", "7", "family:7")
    assert await store.restoring.held_back() == HeldBack(
        pairings=(Pairing("family", "8", "user", name="Bob", by="", at=950.0),)
    )
    await store.log.record("family/8", heard("hi"))
    await store.forgetting.beside("family/8")
    assert [each.name for each in (await store.restoring.held_back()).pairings] == [""]


async def test_the_feed_forgets_grants_with_the_person_or_the_chat_that_they_are_of(store: Store) -> None:
    await store.log.record("family/7", heard("hi"))
    await granted(store, by="family:7")
    await granted(store, by="owner", where="family/7")
    kept = await granted(store, by="owner")
    await store.forgetting.person("family", "7", "family:7")
    await store.forgetting.beside("family/7")
    told = (await store.feed.read(0, 10, types=("grant.made",))).events
    assert [each.body["grant"] for each in told] == [kept.id]


async def test_the_feed_tells_nobody_which_arguments_need_no_verdict(store: Store) -> None:
    await granted(store, by="owner")
    (told,) = (await store.feed.read(0, 10, types=("grant.made",))).events
    assert told.body["tool"] == "files__read"
    assert "secret" not in str(told.body)


async def test_an_entry_says_what_is_left_of_all_that_is_forgotten(store: Store) -> None:
    for text in ("one", "two"):
        await store.log.record("family/7", Heard(text, ZOE, text, to="off"))
    await store.forgetting.entries("family/7", {0}, by="owner", why="person")
    await store.forgetting.entries("family/7", None, by="owner", why="conversation")
    log = await store.log.load("family/7")
    texts = [each.entry.text for each in log if isinstance(each.entry, Heard)]
    first, last = [each.entry for each in log if isinstance(each.entry, Forgot)]
    assert texts == [FORGOTTEN, FORGOTTEN]
    assert first.spans == ((0, 0),)
    assert last.spans == ((1, 1),)
    assert first.left != last.left
    assert len(last.left) == len(digest_left(())) == 64
    assert await store.verify("family/7") == ()


@pytest.mark.shows("keep.forget")
async def test_nothing_of_a_forgotten_chat_stands_in_any_row(place: Place, tmp_path: Path) -> None:
    store = await place.open()
    await store.log.record("family/7", Heard("secretword", ZOE, "m1", title="secretword", quote="secretword"))
    await store.log.record("family/7", Posted("secretword", ZOE, "k", buttons=(Button("secretword", "secretword"),)))
    await store.log.record("family/8", Heard("another's", Sender("8", "Bob"), "m1"))
    await store.access.pair(Pairing("family", "7", name="secretword"))
    await granted(store, by="owner", where="family/7")
    await store.channel_state.set_topic_title("family", "7", "secretword", at_most=10)
    keepers = Keepers(store, None, None, clock=place.clock)
    assert await forget(keepers, ToForget("conversation", "family/7", "owner"))
    assert await store.history.search("secretword") == ()
    assert "secretword" not in repr(place.rows())
    assert "secret/*" not in repr(place.rows())
    assert await forget(keepers, ToForget("person", "family/7", "owner"))
    assert [each.id for each in (await store.history.conversations())[0]] == ["family/8", "family/7"]
    assert [m.text for m in await store.history.messages("family/8")] == ["another's"]
