"""`ChannelState`, `ToolPins`, `Secrets` and `EngineStatus`: what is kept beside the logs, and shared by processes."""

from __future__ import annotations

import anyio
import pytest
from msgspec.structs import replace

from bridge_mcp.core.tools import JSON
from bridge_mcp.ports import ChannelOffset, FirstMessage, Store
from tests.contract.store_kit import Place

# -- channels ------------------------------------------------------------------------------------------------


async def test_an_offset_is_the_one_that_was_set_last_higher_or_lower(place: Place, store: Store) -> None:
    state, other = store.channel_state, (await place.open()).channel_state
    assert await state.offset("family") is None
    for offset in (7, 9, 9, 3, 2**40):
        await state.set_offset(ChannelOffset("family", offset))
        assert await other.offset("family") == offset
    assert await other.offset("work") is None


async def test_a_chat_that_moved_is_known_by_its_first_id_and_reached_by_its_current_one(
    place: Place, store: Store
) -> None:
    state, other = store.channel_state, (await place.open()).channel_state
    assert await state.first_chat_id("family", "7") == await state.current_chat_id("family", "7") == "7"
    await state.move_chat("family", "7", "-100")
    await state.move_chat("family", "7", "-100")
    await other.move_chat("family", "-100", "-200")
    assert await state.first_chat_id("family", "-200") == "7"
    assert await state.current_chat_id("family", "7") == "-200"
    assert await state.first_chat_id("work", "-200") == "-200"
    await state.move_chat("family", "-200", "7")
    assert await state.current_chat_id("family", "7") == "-200", "nothing moves to where it began"


async def test_titles_of_topics_are_kept_for_as_many_as_may_be(store: Store) -> None:
    state = store.channel_state
    assert await state.topic_title("family", "7/1") == ""
    for number in (1, 2, 3, 1):
        await state.set_topic_title("family", f"7/{number}", f"topic {number} ü", at_most=3)
    await state.set_topic_title("work", "7/1", "another", at_most=3)
    await state.set_topic_title("family", "7/1", "renamed", at_most=3)
    await state.set_topic_title("family", "7/4", "topic 4", at_most=3)
    titles = [await state.topic_title("family", f"7/{number}") for number in (1, 2, 3, 4)]
    assert titles == ["renamed", "", "topic 3 ü", "topic 4"], "the one that was set longest ago is forgotten"
    assert await state.topic_title("work", "7/1") == "another"


async def test_the_first_words_of_strangers_are_kept_until_they_are_forgotten(place: Place, store: Store) -> None:
    state, other = store.channel_state, (await place.open()).channel_state
    first = FirstMessage("family", "7", "7/1", at=1000.5, bare="hello", topic="garden", heard='{"text":"hello"}')
    assert await state.first_message("family", "7") is None
    await state.forget_first_message("family", "7")
    await state.keep_first_message(first, at_most=2)
    await state.keep_first_message(replace(first, channel="work", heard=""), at_most=2)
    await state.keep_first_message(replace(first, subject="8"), at_most=2)
    await state.keep_first_message(replace(first, bare="again"), at_most=2)
    await state.keep_first_message(replace(first, subject="9"), at_most=2)
    assert await other.first_message("family", "7") == replace(first, bare="again")
    assert await other.first_message("family", "8") is None, "of too many, the one that wrote longest ago goes"
    assert await other.first_message("work", "7") == replace(first, channel="work", heard="")
    await other.forget_first_message("family", "7")
    assert await state.first_message("family", "7") is None


async def test_what_was_not_delivered_is_told_until_something_is(place: Place, store: Store) -> None:
    state, other = store.channel_state, (await place.open()).channel_state
    for name in ("family/1", "family/2", "family/1", "work/3"):
        await state.set_undelivered(name, f"{name} is blocked", at_most=2)
    assert list((await other.undelivered()).items()) == [
        ("family/1", "family/1 is blocked"),
        ("work/3", "work/3 is blocked"),
    ]
    await other.clear_undelivered("family/1")
    await other.clear_undelivered("nowhere/1")
    assert list(await state.undelivered()) == ["work/3"]


# -- tools ---------------------------------------------------------------------------------------------------


async def test_pins_are_what_was_kept_last_of_each_subject(place: Place, store: Store) -> None:
    other = await place.open()
    assert await store.tool_pins.load("files") == {}
    pinned: dict[str, JSON] = {"tools": {"read": {"digest": "sha256:00", "said": "Reads ü."}}, "place": None}
    await store.tool_pins.keep("files", {"tools": {}})
    await store.tool_pins.keep("files", pinned)
    await store.tool_pins.keep("files:listed", {"tools": []})
    assert await other.tool_pins.load("files") == pinned
    assert await other.tool_pins.load("files:listed") == {"tools": []}


async def test_a_change_of_a_tool_is_accepted_in_any_process(place: Place, store: Store) -> None:
    other = await place.open()
    assert await store.tool_pins.accepted("files__read") is None
    await other.tool_pins.accept("files__read", "sha256:00", "owner")
    await other.tool_pins.accept("files__read", "sha256:01", "ann")
    assert await store.tool_pins.accepted("files__read") == ("sha256:01", "ann")
    assert await store.tool_pins.accepted("files") is None


# -- secrets and status --------------------------------------------------------------------------------------


async def test_a_secret_is_made_once_for_all_processes(place: Place, store: Store) -> None:
    other = await place.open()
    found = list[str]()

    async def ask(store: Store) -> None:
        found.append(await store.secrets.get_or_create("handles"))

    async with anyio.create_task_group() as tasks:
        for each in (store, other, store):
            tasks.start_soon(ask, each)
    assert len(set(found)) == 1
    assert len(bytes.fromhex(found[0])) == 32
    assert await store.secrets.get_or_create("others") != found[0]


@pytest.mark.parametrize(
    "body", [None, True, 0, 1.5, "ü", [], {}, {"pid": 1, "servers": [{"name": "files", "state": None}]}]
)
async def test_a_status_is_what_was_put_last(place: Place, store: Store, body: JSON) -> None:
    other = await place.open()
    await store.status.put("engine", {"pid": 0})
    await store.status.put("engine", body)
    await store.status.put("channels", "others are left alone")
    assert await other.status.get("engine") == body
    found = await other.status.several("engine", "channels", "reload")
    assert found == {"engine": body, "channels": "others are left alone"}


async def test_a_status_that_nobody_put_up_is_none(store: Store) -> None:
    assert await store.status.get("engine") is None
