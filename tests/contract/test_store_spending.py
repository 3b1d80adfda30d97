"""`Spending`: what models took, by day, of a conversation, of its channel and of the bridge."""

from __future__ import annotations

from bridge_mcp.core.entries import Replied, Started, Summarised, Usage
from bridge_mcp.core.spending import DAY_S, Spent, Taken
from bridge_mcp.ports import Store
from tests.contract.store_kit import Place, heard, say

PRICED = Usage(100, 20, 50, cost_usd=0.0123, latency_s=1.5)
UNKNOWN = Usage(10, 2, 0, cost_usd=None, latency_s=0.25)


async def call(store: Store, conversation: str, usage: Usage, *, summary: bool = False, model: str = "m") -> None:
    """One call of a model, with what it took."""
    (came,) = await store.log.record(
        conversation, heard("hi", key=f"{conversation} {await count(store, conversation)}")
    )
    effect = "summary" if summary else "model"
    (begun,) = await store.log.intend(conversation, came.seq + 1, Started(effect, turn=came.seq))
    reply = Replied("ok", (), begun.seq, turn=came.seq, model=model, usage=usage)
    entry = Summarised("in short", came.seq, begun.seq, model=model, usage=usage) if summary else reply
    assert await store.log.answer(conversation, begun.seq, entry, wake=None) is not None


async def count(store: Store, conversation: str) -> int:
    return len(await store.log.load(conversation))


async def test_nothing_was_taken_before_the_first_call(store: Store) -> None:
    await say(store, "family/1", "hi")
    assert await store.spending.on(0, "", "family", "family/1") == (Spent(), Spent(), Spent())
    assert await store.spending.ever("family/1") == Spent()


async def test_calls_are_summed_by_conversation_by_channel_and_for_the_bridge(store: Store) -> None:
    await call(store, "family/1", PRICED)
    await call(store, "family/1", PRICED, summary=True)
    await call(store, "family/2", UNKNOWN)
    await call(store, "local/main", PRICED)
    one = Spent(1, 100, 20, cached_tokens=50, nano_usd=12_300_000, unpriced=0, latency_ms=1500)
    other = Spent(1, 10, 2, cached_tokens=0, nano_usd=0, unpriced=1, latency_ms=250)
    assert await store.spending.on(0, "family/1", "family/2", "family", "local", "") == (
        one + one,
        other,
        one + one + other,
        one,
        one + one + one + other,
    )
    assert (one + one).cost_usd == 0.0246
    assert (one + other).cost_usd is None
    assert str(one + other).endswith("1.8 s, $0.0123 and 1 calls of unknown price")


async def test_each_model_has_its_own_sum_of_each_day(place: Place) -> None:
    store = await place.open()
    await call(store, "family/1", PRICED, model="large")
    await call(store, "family/1", UNKNOWN, model="small")
    await call(store, "local/main", PRICED, model="small", summary=True)
    place.clock.time += DAY_S
    await call(store, "family/1", PRICED, model="small")
    await call(store, "family/1", PRICED, model="")
    one = Spent(1, 100, 20, cached_tokens=50, nano_usd=12_300_000, unpriced=0, latency_ms=1500)
    other = Spent(1, 10, 2, cached_tokens=0, nano_usd=0, unpriced=1, latency_ms=250)
    assert await store.spending.between(0, 1, "family") == (
        Taken(0, "large", one),
        Taken(0, "small", other),
        Taken(1, "", one),
        Taken(1, "small", one),
    )
    assert await store.spending.between(0, 0, "") == (Taken(0, "large", one), Taken(0, "small", other + one))
    assert await store.spending.between(0, 0, "family/1", "local") == (
        Taken(0, "large", one),
        Taken(0, "small", other),
        Taken(0, "small", one),
    )
    assert await store.spending.between(1, 0, "") == await store.spending.between(2, 9, "") == ()
    assert await store.spending.on(0, "", "family") == (one + other + one, one + other)
    assert await store.verify() == ()


async def test_each_day_has_its_own_sum_and_a_scope_all_of_them(place: Place) -> None:
    store = await place.open()
    await call(store, "family/1", PRICED)
    place.clock.time += DAY_S
    await call(store, "family/1", UNKNOWN)
    (first,), (second,) = await store.spending.on(0, "family/1"), await store.spending.on(1, "family/1")
    assert (first.calls, first.unpriced, second.calls, second.unpriced) == (1, 0, 1, 1)
    assert await store.spending.ever("family/1") == first + second
    assert await store.spending.ever("") == first + second
    assert await store.spending.ever("family/10") == Spent()


async def test_a_cut_without_a_model_and_a_reply_that_came_too_late_take_nothing(store: Store) -> None:
    await call(store, "family/1", PRICED)
    await store.log.record("family/1", Summarised("", 0))
    (begun,) = await store.log.intend("family/1", 4, Started("model", turn=0))
    await store.log.intend("family/1", 5, Started("model", turn=0))
    assert (
        await store.log.answer("family/1", begun.seq, Replied("late", (), begun.seq, turn=0, model="m", usage=PRICED))
        is None
    )
    assert (await store.spending.ever("family/1")).calls == 1
