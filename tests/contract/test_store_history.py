"""`History`: conversations, messages and words, for people and lists."""

from __future__ import annotations

from typing import Any

import pytest

from bridge_mcp.core.entries import (
    Attachment,
    Button,
    Configured,
    Delivered,
    Failed,
    Posted,
    Question,
    Requested,
    Sender,
    Started,
)
from bridge_mcp.core.errors import BadInput
from bridge_mcp.core.projections import Conversation, Message
from bridge_mcp.ports import Store
from tests.contract.store_kit import ANN, HOST, Place, heard, posted, replied, say, turn

HERE = "family/1"


async def known(store: Store, conversation: str = HERE) -> Conversation:
    found = await store.history.conversation(conversation)
    assert found is not None
    return found


# -- one conversation ----------------------------------------------------------------------------------------


async def test_a_conversation_as_lists_show_it(place: Place, store: Store) -> None:
    await store.log.record(HERE, heard("hi", title="Family"))
    place.clock.time = 1010.0
    await store.log.record(HERE, posted("hello"), Started("model"))
    assert await known(store) == Conversation(
        HERE, "family", "Family", responder=None, messages=2, last_at=1010.0, last_text="hello", head=3
    )


async def test_the_time_of_a_conversation_is_that_of_its_last_message(place: Place, store: Store) -> None:
    await store.log.record(HERE, Configured("ann", "off"))
    assert (await known(store)).last_at == 1000.0, "before there is a message, that of its beginning"
    place.clock.time = 1010.0
    await say(store, HERE, "hi")
    place.clock.time = 1020.0
    await store.log.record(HERE, Delivered(0))
    assert (await known(store)).last_at == 1010.0


async def test_a_chat_is_called_what_the_platform_says_or_as_who_wrote_first(store: Store) -> None:
    await store.log.record(HERE, heard("one", sender=HOST), posted("two"))
    assert (await known(store)).title == ""
    for text, sender in (("three", Sender("8", "Bob")), ("four", ANN)):
        await store.log.record(HERE, heard(text, sender=sender))
        assert (await known(store)).title == "Bob"
    for title, shown in (("Family", "Family"), ("", "Family"), ("The family", "The family")):
        await store.log.record(HERE, heard(f"in {title!r}", title=title))
        assert (await known(store)).title == shown


async def test_the_responder_is_the_one_last_set(store: Store) -> None:
    await say(store, HERE, "hi")
    for responder in ("off", "relay", None, "assistant"):
        await store.log.record(HERE, Configured("ann", responder))
        assert (await known(store)).responder == responder


async def test_the_latest_question_that_nobody_answered(store: Store) -> None:
    await store.log.record(HERE, posted("no question"), posted("a?", question=Question()))
    assert (await known(store)).question == 1
    await store.log.record(HERE, posted("b?", question=Question(("x",), 5.0)))
    assert (await known(store)).question == 2
    await store.log.record(HERE, heard("x", answers=2))
    assert (await known(store)).question == 1
    await store.log.record(HERE, heard("yes", answers=1), heard("by the way"))
    assert (await known(store)).question is None
    assert [each.question for each in (await store.history.conversations())[0]] == [None]


async def test_a_long_last_text_is_cut_for_the_list_and_whole_in_the_message(store: Store) -> None:
    await say(store, HERE, "x" * 100_000)
    assert 100 <= len((await known(store)).last_text) <= 1000
    (message,) = await store.history.messages(HERE)
    assert len(message.text) == 100_000


# -- many conversations --------------------------------------------------------------------------------------


async def listed(store: Store, **where: Any) -> list[str]:
    """All ids, over as many pages as it takes."""
    found: list[str] = []
    cursor = ""
    while True:
        page, cursor = await store.history.conversations(cursor=cursor, **where)
        found += [each.id for each in page]
        if not cursor:
            return found


async def some(place: Place, store: Store) -> None:
    for n, conversation in enumerate(["local/main", "family/1", "work/x", "family/2", "local/b"]):
        place.clock.time = 1000.0 + n // 2
        await store.log.record(conversation, heard("hi", sender=Sender(str(n), f"Übung {n}")))


@pytest.mark.parametrize("limit", [1, 2, 3, 50, 1000])
async def test_the_most_recent_come_first_over_pages(place: Place, store: Store, limit: int) -> None:
    await some(place, store)
    place.clock.time = 1010.0
    await say(store, "family/1", "again")
    found = await listed(store, limit=limit)
    assert found[0] == "family/1"
    assert set(found[2:4]) == {"work/x", "family/2"}
    assert len(found) == len(set(found)) == 5
    times = [(await known(store, each)).last_at for each in found]
    assert times == sorted(times, reverse=True)


async def test_conversations_of_some_channels(place: Place, store: Store) -> None:
    await some(place, store)
    assert await listed(store, within=frozenset({"family"}), limit=1) == ["family/2", "family/1"]
    assert set(await listed(store, within=frozenset({"family", "work"}))) == {"family/1", "family/2", "work/x"}
    assert await listed(store, within=frozenset({"nowhere"})) == []


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("mily/", ["family/2", "family/1"]),
        ("FAMILY/2", ["family/2"]),
        ("übung 2", ["work/x"]),
        ("ÜBUNG 4", ["local/b"]),
        ("%", []),
        ("_", []),
        ("'\"\\", []),
    ],
)
async def test_a_query_is_a_part_of_id_or_title(place: Place, store: Store, query: str, found: list[str]) -> None:
    await some(place, store)
    assert await listed(store, query=query, limit=1) == found
    assert await listed(store, query=query, within=frozenset({"work"})) == [f for f in found if f == "work/x"]


async def test_the_calls_of_clients_are_no_chats(store: Store) -> None:
    await store.log.intend("calls/host.1", 0, Requested((), "host"))
    await say(store, "local/main", "hi")
    assert await listed(store) == ["local/main"]
    assert await listed(store, query="host") == []
    assert await listed(store, within=frozenset({"calls"})) == []
    assert (await known(store, "calls/host.1")).head == 1


@pytest.mark.parametrize("cursor", ["x", "1", "1:", ":1", "a:b", "nan:x"])
async def test_a_cursor_of_nobody_is_refused(store: Store, cursor: str) -> None:
    await say(store, HERE, "hi")
    with pytest.raises(BadInput, match="cursor"):
        await store.history.conversations(cursor=cursor)


# -- messages ------------------------------------------------------------------------------------------------


async def test_the_last_messages_oldest_first_and_further_back(store: Store) -> None:
    for n in range(4):
        await turn(store, HERE, f"ask {n}", f"answer {n}")

    async def texts(before: int | None = None, limit: int = 50) -> list[str]:
        return [message.text for message in await store.history.messages(HERE, before=before, limit=limit)]

    everything = [f"{what} {n}" for n in range(4) for what in ("ask", "answer")]
    assert await texts() == everything
    assert await texts(limit=3) == everything[-3:]
    assert await texts(before=9, limit=2) == ["ask 2", "answer 2"]
    assert await texts(before=0) == []
    assert await texts(limit=0) == []
    assert await texts(limit=1000) == everything
    assert await store.history.messages("family/nobody") == ()


async def test_a_message_is_whole(store: Store) -> None:
    file = Attachment("f1", "image", "image/png", name="a.png", size=12)
    question = Question(("a", "b"), 5.0)
    entry = Posted(
        "pick", HOST, "k", files=(file,), buttons=(Button("A", "a"),), reply_to="42", silent=True, question=question
    )
    await store.log.record(HERE, entry, heard("hi", attachments=(file,), reply_to="9"))
    sent, got = await store.history.messages(HERE)
    assert sent == Message(
        HERE,
        0,
        1000.0,
        direction="out",
        author=HOST,
        text="pick",
        status="queued",
        attachments=(file,),
        buttons=(Button("A", "a"),),
        reply_to="42",
        silent=True,
        question=question,
        asks=True,
    )
    assert got == Message(
        HERE, 1, 1000.0, direction="in", author=ANN, text="hi", status="received", attachments=(file,), reply_to="9"
    )
    assert await store.history.message(HERE, 0) == sent
    assert await store.history.message(HERE, 2) is None
    assert await store.history.message("family/nobody", 0) is None


async def test_an_entry_that_is_no_message_is_none(store: Store) -> None:
    await store.log.record(HERE, Started("model"), replied(""))
    assert await store.history.message(HERE, 0) is None
    assert await store.history.message(HERE, 1) is None


async def test_a_seq_beyond_all_numbers_is_refused_or_not_there(store: Store) -> None:
    await say(store, HERE, "hi")
    with pytest.raises(BadInput):
        await store.history.message(HERE, 10**30)


async def test_a_message_goes_out_or_not_by_what_the_log_says(store: Store) -> None:
    async def standing(seq: int) -> tuple[str, str, tuple[str, ...]]:
        message = await store.history.message(HERE, seq)
        assert message is not None
        return message.status, message.reason, message.platform_ids

    await store.log.record(HERE, *(posted(f"text {n}") for n in range(4)), heard("hi"))
    await store.log.record(
        HERE,
        Delivered(0, "sent", ("11", "12")),
        Delivered(1, "uncertain"),
        Failed("deliver", 2, "blocked by the user"),
        Failed("deliver", 3, "slow down", retry_at=5.0),
        Delivered(4, "sent", ("13",)),
    )
    assert await standing(0) == ("sent", "", ("11", "12"))
    assert await standing(1) == ("uncertain", "", ())
    assert await standing(2) == ("failed", "blocked by the user", ())
    assert await standing(3) == ("queued", "slow down", ())
    assert await standing(4) == ("received", "", ()), "it came in"
    await store.log.record(HERE, Delivered(1, "sent", ("14",)), Delivered(2))
    assert await standing(1) == ("uncertain", "", ()), "the first outcome holds"
    assert await standing(2) == ("failed", "blocked by the user", ())


async def test_what_is_delivered_by_commit_is_sent(store: Store) -> None:
    await store.log.record("local/main", posted())
    message = await store.history.message("local/main", 0)
    assert message is not None
    assert message.status == "sent"


# -- search --------------------------------------------------------------------------------------------------


async def found(store: Store, query: str, **where: Any) -> list[str]:
    return [message.text for message in await store.history.search(query, **where)]


async def test_every_word_must_be_there_and_the_newest_comes_first(store: Store) -> None:
    await say(store, "local/a", "red apples", "green apples")
    await say(store, "family/1", "Apples, red and green.")
    await turn(store, "local/a", "which apples?", "The red ones.")
    assert await found(store, "apples") == ["which apples?", "Apples, red and green.", "green apples", "red apples"]
    assert await found(store, "green apples") == ["Apples, red and green.", "green apples"]
    assert await found(store, "RED") == ["The red ones.", "Apples, red and green.", "red apples"]
    assert await found(store, "apples", limit=2) == ["which apples?", "Apples, red and green."]
    assert await found(store, "apple") == []
    assert await found(store, "red blue") == []


async def test_search_within_a_conversation_or_channels(store: Store) -> None:
    for conversation in ("local/a", "local/b", "family/1", "familybusiness/1"):
        await say(store, conversation, f"apples in {conversation}")
    assert await found(store, "apples", conversation="local/b") == ["apples in local/b"]
    assert await found(store, "apples", within=frozenset({"local"})) == ["apples in local/b", "apples in local/a"]
    assert await found(store, "apples", within=frozenset({"family"})) == ["apples in family/1"]
    both = {"conversation": "local/a", "within": frozenset({"family"})}
    assert await found(store, "apples", **both) == []
    assert await found(store, "apples", conversation="local/nobody") == []
    assert await found(store, "c1") == [], "places are no words"


async def test_a_message_is_found_as_soon_as_it_is_there(place: Place, store: Store) -> None:
    other = await place.open()
    for n in range(150):
        await say(store if n % 2 else other, "local/a", f"needle{n} in the hay")
        if n % 10 == 0 or n > 140:
            assert await found(store, f"needle{n}") == [f"needle{n} in the hay"]
    assert len(await found(store, "hay", limit=1000)) == 150


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("Ärger mit Größe", "arger"),
        ("café au lait", "CAFÉ"),
        ("Привет, мир", "привет"),
        ("naïve coöperation", "cooperation naive"),
        ("price: 3.50 EUR", "3.50"),
        ("call foo-bar now", "foo-bar"),
        ("see a/b.txt", "a/b.txt"),
        ("it's fine", "it's"),
        ("NEAR AND OR NOT", "not or and near"),
        ("column text: here", "text: here"),
        ("十二月 party", "party 十二月"),
        ("before\0after", "after"),
    ],
)
async def test_words_are_words(store: Store, text: str, query: str) -> None:
    await say(store, "local/a", "something else", text)
    assert await found(store, query) == [text]


@pytest.mark.parametrize(
    "query",
    [
        '"',
        '"""',
        'say "hi',
        "a AND",
        "AND",
        "NOT x",
        "NEAR(a b, 3)",
        "a*",
        "^a",
        "text:",
        "text : a",
        "{text place} : a",
        "- a",
        "(a",
        "a)",
        "a + b",
        "a\0b",
        "\0",
        "",
        "   ",
        "!!! ??? …",
        "🎉",
        "a;b--c",
        "' OR 1=1 --",
        "x" * 10_000,
        "word " * 2_000,
        " ".join(f"w{n}" for n in range(500)),
    ],
)
async def test_no_query_is_syntax(store: Store, query: str) -> None:
    await say(store, "local/a", "xyzzy")
    assert await found(store, query) == []
    assert await found(store, f"xyzzy {query}", conversation="local/a") in ([], ["xyzzy"])


async def test_what_holds_no_letter_is_passed_over(store: Store) -> None:
    await say(store, "local/a", "hello world")
    assert await found(store, "hello !!! - … 🎉 world") == ["hello world"]
