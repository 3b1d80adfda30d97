"""What holds for every log, also for those that no run of ours would write."""

from __future__ import annotations

from typing import get_args

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bridge_mcp.core.decide import decide
from bridge_mcp.core.entries import (
    Attachment,
    Call,
    Cleared,
    Edited,
    Entry,
    Failed,
    Finished,
    Heard,
    Judged,
    Logged,
    Posted,
    Replied,
    Sender,
    Started,
    Stopped,
    Summarised,
    Verdict,
    Withdrawn,
    call_id,
)
from bridge_mcp.core.policy import Policy
from bridge_mcp.core.state import open_calls, reaches_back_to, unsettled_after
from bridge_mcp.core.steps import CallModel, Cut, Idle, Run, Summarise, Wait
from bridge_mcp.core.tools import tool_name, tool_names
from bridge_mcp.core.transcript import Annotations, ChatMessage, TranscriptBuilder, past, transcript
from tests.unit.logs import ANN, TOOLS, asked

POLICY = Policy("local/main", TOOLS)
NAMES = st.sampled_from([*TOOLS, "no__such"])
PICTURE = Attachment("ref", "image", "image/png", name="a.png", size=7)


@st.composite
def logs(draw: st.DrawFn) -> list[Logged]:
    """Any order of plausible entries: seqs and times grow, references point backwards (mostly)."""
    entries: list[Entry] = []
    for seq in range(draw(st.integers(0, 25))):
        back = draw(st.integers(0, seq))
        call = call_id(draw(st.integers(0, seq)), draw(st.integers(0, 1)))
        entries.append(draw(one_entry(seq, back, call)))
    return [Logged(n, 1000.0 + n, entry) for n, entry in enumerate(entries)]


def one_entry(seq: int, back: int, call: str) -> st.SearchStrategy[Entry]:
    replies = st.lists(NAMES, max_size=2).map(
        lambda tools: Replied(
            "text",
            tuple(Call(call_id(back, n), tool, "{}") for n, tool in enumerate(tools)),
            back,
            turn=max(0, back - 1),
        )
    )
    verdicts: st.SearchStrategy[Verdict] = st.sampled_from(get_args(Verdict))
    return st.one_of(
        st.just(Heard("hi", ANN, f"m{seq}")),
        st.sampled_from(
            [
                Heard("hi", Sender("8", "Bob"), f"m{seq}"),
                Heard("look", ANN, f"m{seq}", attachments=(PICTURE,)),
                Heard("hi all", ANN, f"m{seq}", group=True),
                Edited(back, "ho", f"e{seq}"),
            ]
        ),
        st.just(Started("model", turn=back)),
        replies,
        st.just(asked(call, expires_at=1500.0)),
        verdicts.map(lambda verdict: Judged(call, verdict, "ann")),
        st.booleans().map(lambda again: Started("tool", call=call, repeatable=again)),
        st.just(Finished(call, "ok", "done")),
        st.just(Failed("model", back, "busy", retry_at=1200.0)),
        st.just(Stopped("enough", back)),
        st.just(Withdrawn(back, "host")),
        st.just(Started("summary", turn=back)),
        st.just(Failed("summary", back, "busy")),
        st.just(Summarised("before that, ...", back, back)),
        st.just(Cleared("ann")),
        st.just(Posted("note", ANN, f"p{seq}")),
    )


@given(logs(), st.floats(900, 3000))
def test_deciding_is_total_and_pure(log: list[Logged], now: float) -> None:
    assert decide(log, POLICY, now) == decide(list(log), POLICY, now)


POLICIES = st.builds(
    replace,
    st.just(POLICY),
    while_busy=st.sampled_from(["join", "queue", "interrupt"]),
    cut=st.none() | st.integers(0, 25),
    summarise=st.booleans(),
    spent=st.sampled_from(["", "the day's budget is spent"]),
)


@given(logs(), POLICIES, st.floats(900, 3000), st.integers(0, 25), st.none() | st.integers(0, 25))
def test_a_tail_that_reaches_back_far_enough_gives_the_same_step(
    log: list[Logged], policy: Policy, now: float, cut: int, calling: int | None
) -> None:
    tail = log[cut:]
    if tail and tail[0].seq <= reaches_back_to(tail):
        assert decide(tail, policy, now, calling=calling) == decide(log, policy, now, calling=calling)


@given(logs(), POLICIES, st.floats(900, 3000), st.integers(0, 25), st.none() | st.integers(0, 25))
def test_a_tail_that_begins_at_what_is_unsettled_gives_the_same_step(
    log: list[Logged], policy: Policy, now: float, more: int, calling: int | None
) -> None:
    """Kept entry by entry, it is as good as the whole log; and so is any longer tail."""
    unsettled, heard = None, -1
    for logged in log:
        unsettled = unsettled_after(unsettled, heard, logged)
        if isinstance(logged.entry, Heard):
            heard = logged.seq
    first = min(len(log) if unsettled is None else unsettled, len(log))
    tail = log[max(0, first - more) :]
    whole = decide(log, policy, now, calling=calling)
    assert decide(tail, policy, now, calling=calling) == whole or not tail
    assert tail or isinstance(whole, Idle | Wait)


@given(logs(), POLICIES, st.floats(900, 3000))
def test_where_a_past_was_cut_it_is_not_cut_there_again(log: list[Logged], policy: Policy, now: float) -> None:
    step = decide(log, policy, now)
    if isinstance(step, Summarise | Cut):
        after = [*log, Logged(len(log), now, Summarised("", step.upto))]
        assert isinstance(decide(after, policy, now), CallModel)


@given(logs(), POLICIES, st.floats(900, 3000))
def test_no_model_is_asked_where_the_budget_is_spent(log: list[Logged], policy: Policy, now: float) -> None:
    if policy.spent:
        assert not isinstance(decide(log, policy, now), CallModel | Summarise)


@given(logs(), st.floats(900, 3000))
def test_nothing_that_needs_a_verdict_runs_without_one(log: list[Logged], now: float) -> None:
    step = decide(log, POLICY, now)
    if isinstance(step, Run):
        approved = {e.entry.call for e in log if isinstance(e.entry, Judged) and e.entry.verdict == "approved"}
        again = {e.entry.call for e in log if isinstance(e.entry, Started) and e.entry.repeatable}
        for call, _, _ in step.calls:
            assert call.id in approved | again or TOOLS[call.tool].read_only


@given(logs(), st.floats(900, 3000))
def test_the_model_is_called_only_when_no_call_is_open(log: list[Logged], now: float) -> None:
    if isinstance(decide(log, POLICY, now), CallModel):
        assert open_calls(log) == ()


@given(logs())
def test_every_transcript_is_valid_for_the_chat_format(log: list[Logged]) -> None:
    check_chat_format(transcript(log, system="be kind"))


@given(logs(), st.lists(st.none() | st.integers(0, 25), min_size=1), st.integers(0, 8))
def test_what_is_remembered_of_a_past_is_what_would_be_read_anew(
    log: list[Logged], uptos: list[int | None], trimmed: int
) -> None:
    memory, about = TranscriptBuilder(), Annotations(str, "files")
    for length in range(1, len(log) + 1):
        upto = uptos[length % len(uptos)]
        # A tail loses its beginning now and then.
        view = log[trimmed if length > 2 * trimmed else 0 : length]
        chars = 3 if length % 7 == 6 else 0
        kept = memory.past(view, upto=upto, result_chars=chars, image_turns=1, annotations=about)
        anew = past(view, upto=upto, result_chars=chars, image_turns=1, annotations=about)
        assert kept == anew
        assert [turn.tokens for turn in kept.turns] == [turn.tokens for turn in anew.turns]


def check_chat_format(messages: tuple[ChatMessage, ...]) -> None:
    """A system prompt first and only there; behind each reply with calls exactly its results, in order."""
    assert messages[0].role == "system"
    expected: list[Call] = []
    for message in messages[1:]:
        if message.role == "tool":
            assert expected, "a result without a call"
            assert message.call == expected.pop(0)
        else:
            assert not expected, "a call without a result"
            assert message.role in ("user", "assistant")
            expected = list(message.calls)
    assert not expected, "a call without a result"


@given(st.text(min_size=1), st.text(min_size=1))
def test_tool_names_are_legal_for_every_provider_and_stable(server: str, tool: str) -> None:
    name = tool_name(server, tool)
    assert 1 <= len(name) <= 64
    assert all(c.isascii() and (c.isalnum() or c in "_-") for c in name)
    assert name == tool_name(server, tool)


@given(st.lists(st.tuples(st.text(min_size=1, max_size=3), st.text(min_size=1, max_size=3)), unique=True, max_size=6))
def test_tool_names_do_not_collide(tools: list[tuple[str, str]]) -> None:
    names = tool_names(tools)
    assert len(set(names.values())) == len(tools)
