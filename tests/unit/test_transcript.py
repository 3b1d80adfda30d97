"""What the model sees of a log."""

from __future__ import annotations

from bridge_mcp.core.entries import Cleared, Heard, Posted, Sender, Stopped
from bridge_mcp.core.transcript import transcript
from tests.unit.logs import ANN, finished, heard, log, model_started, replied


def shape(*messages: object) -> list[tuple[str, str]]:
    return [(m.role, m.told) for m in messages]  # pyright: ignore


def test_results_stand_behind_their_calls_and_later_messages_behind_those() -> None:
    entries = log(
        heard("tidy up"),
        model_started(),
        replied("Looking.", "files__read", "files__read"),
        heard("and hurry", "m2"),
        finished("1.1", "second"),
        finished("1.0", "first"),
    )
    assert shape(*transcript(entries)) == [
        ("user", "tidy up"),
        ("assistant", "Looking."),
        ("tool", "first"),
        ("tool", "second"),
        ("user", "and hurry"),
    ]


def test_a_message_the_model_had_not_read_comes_after_its_answer() -> None:
    entries = log(heard("one"), model_started(), heard("two", "m2"), replied("about one"))
    assert [text for _, text in shape(*transcript(entries))] == ["one", "about one", "two"]


def test_a_call_that_never_ran_is_answered_all_the_same() -> None:
    entries = log(
        heard(), model_started(), replied("", "files__delete"), Stopped("by request", 4), heard("go on", "m2")
    )
    found = transcript(entries)
    assert [m.role for m in found] == ["user", "assistant", "tool", "user"]
    assert "stopped" in found[2].text


def test_clearing_takes_the_past_out_of_view() -> None:
    entries = log(heard("old"), model_started(), replied("old answer"), Cleared("ann"), heard("new", "m2"))
    assert shape(*transcript(entries, system="be kind")) == [("system", "be kind"), ("user", "new")]


def test_a_result_that_comes_in_after_clearing_is_not_seen() -> None:
    entries = log(
        heard(), model_started(), replied("", "files__read"), Cleared("ann"), finished("1.0"), heard("x", "m2")
    )
    assert shape(*transcript(entries)) == [("user", "x")]


def test_several_people_are_told_apart() -> None:
    entries = log(Heard("hi", ANN, "1"), Heard("hello", Sender("8", "Bob"), "2"))
    assert shape(*transcript(entries)) == [
        ("user", '[from "Ann" (id 7)]\nhi'),
        ("user", '[from "Bob" (id 8)]\nhello'),
    ]


def test_what_others_posted_is_part_of_the_conversation() -> None:
    entries = log(Posted("The shop closes at six.", Sender("host", "host", "client"), "p"), heard("when?"))
    assert shape(*transcript(entries)) == [("assistant", "The shop closes at six."), ("user", "when?")]
