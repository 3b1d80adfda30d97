"""`Outbox`: messages on their way out, in order within a conversation."""

from __future__ import annotations

import pytest

from bridge_mcp.core.entries import Delivered, Failed
from bridge_mcp.ports import Store
from tests.contract.store_kit import Place, heard, posted, turn

HERE, THERE = "family/1", "family/2"


async def post(store: Store, conversation: str, *texts: str) -> None:
    await store.log.record(conversation, *(posted(text) for text in texts))


async def due(store: Store, now: float = 1000.0, limit: int = 10, skip: frozenset[str] = frozenset()) -> list[str]:
    return [message.id for message in await store.outbox.due(now, limit, skip)]


async def test_the_first_message_of_each_conversation_is_due(store: Store) -> None:
    assert await due(store) == []
    await post(store, HERE, "one", "two")
    await post(store, THERE, "three")
    await store.log.record(HERE, heard("hi"))
    assert await due(store) == ["family/1#0", "family/2#0"]
    assert await due(store, limit=1) == ["family/1#0"]
    assert await due(store, limit=0) == []
    (first, _) = await store.outbox.due(0.0, 10)
    assert (first.text, first.status, first.attempts) == ("one", "queued", 0)


async def test_a_reply_goes_out_too(store: Store) -> None:
    seq = await turn(store, HERE)
    assert await due(store) == [f"{HERE}#{seq}"]


async def test_what_is_delivered_by_commit_never_goes_out(store: Store) -> None:
    await turn(store, "local/main")
    await post(store, "local/main", "one")
    assert await due(store) == []
    assert await store.outbox.begin("local/main", 4) is None


async def test_conversations_can_be_skipped(store: Store) -> None:
    await post(store, HERE, "one")
    await post(store, THERE, "two")
    assert await due(store, limit=1, skip=frozenset({HERE})) == ["family/2#0"]
    assert await due(store, skip=frozenset({HERE, THERE, "family/3"})) == []


async def test_what_is_being_sent_holds_back_those_behind_it(store: Store) -> None:
    await post(store, HERE, "one", "two")
    begun = await store.outbox.begin(HERE, 0)
    assert begun is not None
    assert (begun.id, begun.text, begun.status, begun.attempts) == ("family/1#0", "one", "sending", 1)
    assert await due(store) == []
    assert await store.outbox.begin(HERE, 0) is None, "it is no longer queued"
    await store.log.record(HERE, Delivered(0))
    assert await due(store) == ["family/1#1"]
    assert await store.outbox.begin(HERE, 0) is None


@pytest.mark.parametrize("outcome", [Delivered(0), Delivered(0, "uncertain"), Failed("deliver", 0, "gone")])
async def test_every_outcome_lets_the_next_one_go(store: Store, outcome: Delivered | Failed) -> None:
    await post(store, HERE, "one", "two")
    await store.outbox.begin(HERE, 0)
    await store.log.record(HERE, outcome)
    assert await due(store) == ["family/1#1"]


async def test_what_is_postponed_waits_and_holds_back_those_behind_it(store: Store) -> None:
    await post(store, HERE, "one", "two")
    await post(store, THERE, "three")
    await store.outbox.begin(HERE, 0)
    await store.outbox.postpone(HERE, 0, 1100.0, "slow down")
    message = await store.history.message(HERE, 0)
    assert message is not None
    assert (message.status, message.reason, message.attempts) == ("queued", "slow down", 1)
    assert await due(store, 1099.0) == ["family/2#0"]
    assert set(await due(store, 1100.0)) == {"family/1#0", "family/2#0"}
    begun = await store.outbox.begin(HERE, 0)
    assert begun is not None
    assert begun.attempts == 2
    told = await store.feed.head()
    await store.log.record(HERE, Failed("deliver", 0, "flood", retry_at=1200.0))
    message = await store.history.message(HERE, 0)
    assert message is not None
    assert (message.status, message.reason, message.attempts) == ("queued", "flood", 2)
    assert await due(store, 1199.0) == ["family/2#0"]
    assert set(await due(store, 1200.0)) == {"family/1#0", "family/2#0"}
    assert await store.feed.head() == told, "it has not failed yet"


async def test_what_has_its_outcome_is_not_postponed(store: Store) -> None:
    await post(store, HERE, "one")
    await store.log.record(HERE, Delivered(0, "sent", ("9",)))
    await store.outbox.postpone(HERE, 0, 1100.0, "slow down")
    message = await store.history.message(HERE, 0)
    assert message is not None
    assert (message.status, message.reason) == ("sent", "")


async def test_what_is_on_its_way_out_is_counted(store: Store) -> None:
    assert await store.outbox.pending() == 0
    await post(store, "local/main", "delivered by commit")
    await post(store, HERE, "one", "two", "three")
    await store.log.record(HERE, heard("hi"))
    assert await store.outbox.pending() == 3
    await store.outbox.begin(HERE, 0)
    assert await store.outbox.pending() == 3
    await store.log.record(HERE, Delivered(0), Failed("deliver", 1, "gone"))
    assert await store.outbox.pending() == 1


async def test_what_is_not_there_can_be_neither_begun_nor_postponed(store: Store) -> None:
    await store.log.record(HERE, heard("hi"))
    for conversation, seq in ((HERE, 0), (HERE, 5), ("family/nobody", 0)):
        assert await store.outbox.begin(conversation, seq) is None
        await store.outbox.postpone(conversation, seq, 1100.0, "slow down")
    assert await due(store, float("inf")) == []


async def test_only_one_process_begins_a_message(place: Place, store: Store) -> None:
    other = await place.open()
    await post(store, HERE, "one")
    begun = [await each.outbox.begin(HERE, 0) for each in (store, other)]
    assert [message is not None for message in begun] == [True, False]


async def test_what_a_dead_process_was_sending_is_stranded(place: Place, store: Store) -> None:
    await post(store, HERE, "one", "two")
    await post(store, THERE, "three")
    for conversation in (HERE, THERE):
        await store.outbox.begin(conversation, 0)
    await store.close()
    following = await place.open()
    assert [message.id for message in await following.outbox.stranded()] == ["family/1#0", "family/2#0"]
    await following.log.record(HERE, Delivered(0, "uncertain"))
    assert [message.id for message in await following.outbox.stranded()] == ["family/2#0"]
    assert await due(following) == ["family/1#1"]
