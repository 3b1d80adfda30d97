"""`EventSubscriptions`: what clients want posted, and the callbacks that agreed; shared by processes."""

from __future__ import annotations

from msgspec.structs import replace

from bridge_mcp.core.policy import Scope
from bridge_mcp.ports import EventSubscription, Store, StoredClient, SubscriptionLimits
from tests.contract.store_kit import Place

READ: frozenset[Scope] = frozenset({"read"})
HOOK = "https://hooks.example.org/1"
ONE = EventSubscription(
    "sub_1",
    "ann",
    frozenset({"read", "send"}),
    event="message.received",
    channel="",
    conversation="local/main",
    url=HOOK,
    host="hooks.example.org",
    secret="whsec_first",
    secret_at=1000.0,
    position=7,
    expires_at=2000.0,
)
PLENTY = SubscriptionLimits(100, 100, 100)


async def test_a_subscription_is_kept_and_renewed_where_it_stands(place: Place, store: Store) -> None:
    subscriptions, other = store.subscriptions, (await place.open()).subscriptions
    assert await subscriptions.get("sub_1") is None
    assert await subscriptions.put(ONE, PLENTY) == ""
    assert await other.get("sub_1") == ONE
    assert await other.ids() == {"sub_1"}
    await subscriptions.delivered("sub_1", 9, 1100.0)
    await subscriptions.passed("sub_1", 8)
    await subscriptions.failed("sub_1", "timeout", 1201.0, 1200.0)
    await subscriptions.failed("sub_1", "http_5xx", 1212.0, 1210.0)
    stands = replace(ONE, position=9, failures=2, due_at=1212.0, last_error="http_5xx", failed_since=1200.0)
    assert await other.get("sub_1") == replace(stands, delivered_at=1100.0)
    renewed = replace(ONE, scopes=READ, secret="whsec_second", secret_at=1300.0, position=0, expires_at=3000.0)
    assert await other.put(renewed, PLENTY) == ""
    again = replace(renewed, old_secret="whsec_first", position=9, last_error="http_5xx", failed_since=1200.0)
    assert await subscriptions.get("sub_1") == replace(again, delivered_at=1100.0)
    await subscriptions.delivered("sub_1", 10, 1400.0)
    assert await other.get("sub_1") == replace(again, position=10, last_error="", failed_since=0, delivered_at=1400.0)
    assert "whsec" not in repr(await other.get("sub_1"))


async def test_those_that_fail_are_found_by_client_the_longest_first(place: Place, store: Store) -> None:
    subscriptions, other = store.subscriptions, (await place.open()).subscriptions
    for name, client in (("sub_1", "ann"), ("sub_2", "bob"), ("sub_3", "ann"), ("sub_4", "ann")):
        await subscriptions.put(replace(ONE, id=name, client=client), PLENTY)
    assert await other.failing("", 9) == ((), 0)
    for name, at in (("sub_1", 1200.0), ("sub_3", 1100.0), ("sub_2", 1000.0)):
        await subscriptions.failed(name, "timeout", at + 1, at)
    found, count = await other.failing("", 2)
    assert ([each.id for each in found], count) == (["sub_2", "sub_3"], 3)
    found, count = await other.failing("ann", 9)
    assert ([each.id for each in found], count) == (["sub_3", "sub_1"], 2)
    await subscriptions.delivered("sub_3", 9, 1300.0)
    assert (await other.failing("ann", 9))[1] == 1


async def test_there_are_so_many_in_all_of_a_client_and_at_a_host(store: Store) -> None:
    subscriptions = store.subscriptions
    await subscriptions.put(ONE, PLENTY)
    two = replace(ONE, id="sub_2")
    assert await subscriptions.put(two, SubscriptionLimits(1, 9, 9)) == "subscriptions"
    assert await subscriptions.put(two, SubscriptionLimits(9, 1, 9)) == "subscriptions_of_client"
    assert await subscriptions.put(two, SubscriptionLimits(9, 9, 1)) == "subscriptions_at_host"
    assert await subscriptions.put(replace(two, client="bob", host="other"), SubscriptionLimits(9, 1, 1)) == ""
    assert await subscriptions.put(ONE, SubscriptionLimits(2, 1, 1)) == "", "one that is there is no new one"


async def test_they_end_with_their_time_and_with_their_client(place: Place, store: Store) -> None:
    subscriptions = store.subscriptions
    await store.clients.add(StoredClient("ann", "hash", READ))
    for each in (ONE, replace(ONE, id="sub_2", expires_at=9000.0), replace(ONE, id="sub_3", client="bob")):
        await subscriptions.put(replace(each), PLENTY)
    await subscriptions.remove_expired(2000.0)
    assert await subscriptions.ids() == {"sub_2"}
    await subscriptions.put(replace(ONE, id="sub_3", client="bob", expires_at=9000.0), PLENTY)
    assert await subscriptions.ask("ann", HOOK, ONE.host, 1000.0, at_most=5, again_s=5) == "ask"
    await subscriptions.verified("ann", HOOK)
    assert await store.clients.revoke("ann")
    assert await (await place.open()).subscriptions.ids() == {"sub_3"}
    assert await subscriptions.ask("ann", HOOK, ONE.host, 1100.0, at_most=5, again_s=5) == "ask"
    assert await subscriptions.remove("sub_3")
    assert not await subscriptions.remove("sub_3")


async def test_callbacks_are_asked_until_they_agree_and_not_too_often(place: Place, store: Store) -> None:
    subscriptions, other = store.subscriptions, (await place.open()).subscriptions

    async def ask(client: str, url: str, host: str, now: float) -> str:
        return await subscriptions.ask(client, url, host, now, at_most=3, again_s=5)

    assert await ask("ann", HOOK, "h1", 1000.0) == "ask"
    assert await other.ask("ann", HOOK, "h1", 1001.0, at_most=3, again_s=5) == "later", "not at once again"
    assert await ask("ann", HOOK, "h1", 1006.0) == "ask"
    await subscriptions.verified("ann", HOOK)
    assert await ask("ann", HOOK, "h1", 1006.0) == "verified"
    assert await ask("bob", HOOK, "h1", 1006.0) == "ask", "what one client proved proves nothing for another"
    assert await ask("cid", HOOK, "h1", 1006.0) == "ask"
    assert await ask("dan", HOOK, "h1", 1006.0) == "later", "a host is asked so often in a minute"
    assert await ask("ann", f"{HOOK}/2", "h2", 1007.0) == "ask"
    assert await ask("ann", f"{HOOK}/3", "h3", 1007.0) == "ask"
    assert await ask("ann", f"{HOOK}/4", "h4", 1007.0) == "later", "and so many are asked for one client"
    assert await ask("ann", f"{HOOK}/4", "h4", 1100.0) == "ask"
    await subscriptions.remove_expired(1_000_000.0)
    assert await ask("ann", HOOK, "h1", 1_000_000.0) == "ask", "what nobody subscribes with is forgotten"
