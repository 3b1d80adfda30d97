"""A log as spans: one trace for each turn, whoever reads the log, and nothing that a crash cut off is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from msgspec.structs import replace

from bridge_mcp.core.codec import decode, encode
from bridge_mcp.core.entries import (
    LOGGED_TRIES,
    Asked,
    Delivered,
    Failed,
    Heard,
    Judged,
    Logged,
    Replied,
    Requested,
    Started,
    Stopped,
    Summarised,
    TraceContext,
    Usage,
)
from bridge_mcp.core.spans import Span, spans_of
from bridge_mcp.core.trace_context import call_trace, parse_trace
from tests.unit.logs import asked, finished, heard, judged, log, model_started, replied, tool_started
from tests.unit.test_core_properties import logs

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CHAT = "local/main"


def named(spans: tuple[Span, ...]) -> dict[str, Span]:
    return {span.name: span for span in spans}


def turn_with_call(trace: TraceContext | None = None) -> list[Logged]:
    """A turn with one call that people approve."""
    answer = structs.replace(replied("", "files__delete"), model="gpt", usage=Usage(7, 3))
    return log(
        structs.replace(heard("secret words"), trace=trace),
        model_started(),
        answer,
        asked("1.0"),
        judged("1.0"),
        tool_started("1.0", "files__delete"),
        finished("1.0", "secret result"),
        model_started(),
        Replied("Done.", upto=7, turn=0),
        Delivered(8),
    )


def test_a_cut_of_the_past_is_a_step_of_its_turn_with_a_summary_or_without() -> None:
    entries = log(
        heard(), model_started(), replied("Before."),
        heard(), Started("summary", turn=3), Summarised("in short", 3, 4, model="small", usage=Usage(9, 1)),
        Summarised("", 3), model_started(turn=3), replied("Done.", turn=3),
        Summarised("", 8),
    )  # fmt: skip
    spans = spans_of(CHAT, entries)
    turn = next(span for span in spans if span.name == "invoke_agent" and span.closed_by == 8)
    below = [(each.name, each.attributes.get("bridge.step"), each.parent) for each in spans if each.trace == turn.trace]
    assert ("chat small", "Summarise", turn.id) in below
    (cut,) = [each for each in spans if each.name == "cut"]
    assert (cut.parent, cut.attributes["bridge.before"], cut.start) == (turn.id, 3, cut.end)
    # The last one stands in no turn: there is nothing that it would be a step of.


def test_a_name_that_a_model_made_up_is_bounded_in_spans() -> None:
    name = "x" * 1_000_000
    entries = log(heard(), model_started(), replied("", name), finished("1.0", "There is no such tool."))
    (call,) = [span for span in spans_of(CHAT, entries) if span.name.startswith("execute_tool")]
    assert len(str(call)) < 5_000


@pytest.mark.shows("telemetry.spans")
def test_a_turn_is_one_trace_below_its_clients_span() -> None:
    spans = spans_of(CHAT, turn_with_call(TraceContext(PARENT)))
    assert {span.trace for span in spans} == {PARENT[3:35]}
    by = named(spans)
    assert by["invoke_agent"].parent == PARENT[36:52]
    assert (by["invoke_agent"].start, by["invoke_agent"].end) == (1000.0, 1008.0)
    others = [span for span in spans if span.name != "invoke_agent"]
    assert {span.parent for span in others} == {by["invoke_agent"].id, by["send local"].id}
    assert by["try local"].parent == by["send local"].id
    assert [span.name for span in others] == [
        "chat gpt", "approval files__delete", "execute_tool files__delete", "chat", "try local", "send local",
    ]  # fmt: skip
    call = by["execute_tool files__delete"]
    assert (call.start, call.end, call.error, call.attributes["bridge.outcome"]) == (1005.0, 1006.0, "", "ok")
    assert by["chat gpt"].attributes["gen_ai.usage.input_tokens"] == 7
    assert "secret" not in str(spans)
    told = str(spans_of(CHAT, turn_with_call(), contents=True))
    assert "secret words" in told
    assert "secret result" in told


def test_a_nested_server_is_told_the_span_of_its_call() -> None:
    entries = turn_with_call(TraceContext(PARENT, "vendor=1"))
    (call,) = [span for span in spans_of(CHAT, entries) if span.name.startswith("execute_tool")]
    told = call_trace(CHAT, entries[:5], "1.0", traced=True)
    assert told == TraceContext(f"00-{call.trace}-{call.id}-01", "vendor=1")
    assert call_trace(CHAT, entries[:5], "1.0", traced=False) == TraceContext(PARENT, "vendor=1"), "as it came"
    assert call_trace(CHAT, turn_with_call()[:5], "1.0", traced=False) is None
    assert call_trace(CHAT, entries[2:5], "1.0", traced=True) is None, "its turn began where nobody looked"


def test_what_a_crash_cut_off_ends_where_the_next_engine_found_it() -> None:
    entries = log(heard(), model_started(), model_started(), Replied("Hi.", upto=2, turn=0))
    cut, whole, turn = spans_of(CHAT, entries)
    assert (cut.name, cut.error, cut.start, cut.end) == ("chat", "interrupted", 1001.0, 1002.0)
    assert (whole.error, turn.error) == ("", "")
    assert cut.id != whole.id


@pytest.mark.parametrize(
    ("end", "outcome"), [(Delivered(2, "uncertain"), "uncertain"), (Failed("deliver", 2, "x"), "failed")]
)
def test_tries_beyond_those_that_are_logged_have_no_number(end: Delivered | Failed, outcome: str) -> None:
    again = [Failed("deliver", 2, "flood", retry_at=1003.5 + number) for number in range(LOGGED_TRIES)]
    spans = spans_of(CHAT, log(heard(), model_started(), replied("Hi."), *again, end))
    *tries, last, send = [each for each in spans if each.name in ("try local", "send local")]
    assert [each.attributes["bridge.try"] for each in tries] == list(range(1, LOGGED_TRIES + 1))
    assert {each.attributes["bridge.retry_after_s"] for each in tries} == {0.5}
    assert [(each.start, each.end) for each in tries[:2]] == [(1002.0, 1003.0), (1003.5, 1004.0)]
    assert "bridge.try" not in last.attributes
    assert (last.error, last.attributes["bridge.outcome"], send.error) == (outcome, outcome, outcome)


@pytest.mark.parametrize("end", [Stopped("enough", 9), Failed("model", 1, "no key")])
def test_failures_and_stops_are_errors(end: Stopped | Failed) -> None:
    spans = named(spans_of(CHAT, log(heard(), model_started(), end)))
    assert spans["chat"].error in ("stopped", "failed")
    assert ("invoke_agent" in spans) == isinstance(end, Stopped)


def test_a_clients_own_call_and_a_verdict_of_another_trace() -> None:
    other = PARENT.replace("0af7", "1111")
    calls = replied("", "files__delete", started=0).calls
    requested = Requested(calls, "host", trace=TraceContext(PARENT))
    verdict = structs.replace(judged("0.0"), trace=TraceContext(other))
    entries = log(requested, asked("0.0"), verdict, tool_started("0.0", "files__delete"), finished("0.0"))
    spans = named(spans_of("calls/host.1", entries))
    assert spans["invoke_agent"].parent == PARENT[36:52]
    assert spans["approval files__delete"].links == ((other[3:35], other[36:52]),)


@given(logs())
def test_whatever_stands_in_a_log_spans_are_sound_and_the_same_for_every_reader(entries: list[Logged]) -> None:
    spans = spans_of(CHAT, entries)
    assert spans == spans_of(CHAT, entries)
    assert len({span.id for span in spans}) == len(spans)
    assert all(span.start <= span.end and span.id != span.parent for span in spans)
    for cut in range(len(entries) + 1):
        early = spans_of(CHAT, entries[:cut])
        assert early == tuple(span for span in spans if span.closed_by < cut), "what has ended stays as it is"


@given(logs(), st.floats(0, 1e6))
def test_ids_do_not_depend_on_when_a_log_is_read(entries: list[Logged], later: float) -> None:
    moved = [replace(each, at=each.at + later) for each in entries]
    assert [span.id for span in spans_of(CHAT, moved)] == [span.id for span in spans_of(CHAT, entries)]


BAD = [
    None, 7, "", "00-x", PARENT.upper(), PARENT + "-00", f"00-{'0' * 32}-b7ad6b7169203331-01",
    PARENT.replace("b7ad6b7169203331", "0" * 16), f"ff{PARENT[2:]}", PARENT + "\n",
]  # fmt: skip


@pytest.mark.parametrize("parent", BAD)
def test_a_trace_context_that_is_none_is_passed_over(parent: object) -> None:
    assert parse_trace({"traceparent": parent}) is None


def test_a_state_that_nobody_should_pass_on_is_left_out() -> None:
    for state in (7, "x" * 513, "a=\u202eb", "a=b\nc"):
        assert parse_trace({"traceparent": PARENT, "tracestate": state}) == TraceContext(PARENT)
    assert parse_trace({"traceparent": PARENT, "tracestate": "a=b"}) == TraceContext(PARENT, "a=b")


def test_entries_carry_it_and_those_of_earlier_versions_have_none() -> None:
    for entry in (
        Heard("hi", heard().sender, "k", trace=TraceContext(PARENT)),
        structs.replace(judged("0.0"), trace=TraceContext(PARENT, "a=b")),
    ):
        assert decode(encode(entry)) == entry
        plain = structs.replace(entry, trace=None)
        assert "trace" not in encode(plain)
        old = decode(encode(plain))
        assert isinstance(old, Heard | Judged)
        assert old.trace is None
    assert isinstance(decode(encode(Started("model"))), Started)
    assert isinstance(decode(encode(asked("0.0"))), Asked)
