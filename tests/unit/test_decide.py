"""The decision table, row by row."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from bridge_mcp.core.decide import INTERRUPTED, SPENT, decide
from bridge_mcp.core.entries import (
    Call,
    Cleared,
    Configured,
    Delivered,
    Entry,
    Failed,
    Finished,
    Judged,
    Posted,
    Replied,
    Requested,
    Started,
    Stopped,
    Summarised,
)
from bridge_mcp.core.evidence import closing_entries
from bridge_mcp.core.grants import Grant
from bridge_mcp.core.policy import Budget, Policy, ToolSource
from bridge_mcp.core.state import open_calls, unread_count
from bridge_mcp.core.steps import Ask, CallModel, Cut, Idle, Judge, Remind, Run, Settle, Step, Stop, Summarise, Wait
from bridge_mcp.core.tools import Confirmation, call_digest
from bridge_mcp.core.turn_budget import work_seconds
from tests.unit.logs import (
    ANN,
    TOOLS,
    asked,
    finished,
    heard,
    judged,
    log,
    model_started,
    replied,
    spec_of,
    tool_started,
)

POLICY = Policy("local/main", TOOLS, budget=Budget(model_calls=5, tool_rounds=3, work_s=60, attempts=3))
NOW = 2000.0


def step(*entries: Entry, now: float = NOW, policy: Policy = POLICY, running: frozenset[str] = frozenset()) -> Step:
    return decide(log(*entries), policy, now, running)


def gated(*more: Entry) -> tuple[Entry, ...]:
    """A turn whose model asked for one call that needs a verdict, and what came after."""
    return (heard(), model_started(), replied("", "files__delete"), *more)


# -- messages and the model ---------------------------------------------------------------------------------


def test_nothing_said_is_nothing_to_do() -> None:
    assert step() == Idle()


def test_a_message_is_answered() -> None:
    assert step(heard()) == CallModel(turn=0, attempt=1)


def test_a_final_reply_ends_the_turn() -> None:
    assert step(heard(), model_started(), replied("hello")) == Idle()


def test_a_message_that_came_in_while_the_model_worked_is_answered_next() -> None:
    entries = (heard(), model_started(), heard("and this", "m2"), replied("hello"))
    assert step(*entries) == CallModel(turn=2, attempt=1)


def test_a_message_that_came_in_between_tools_is_read_by_the_same_turn() -> None:
    entries = (heard(), model_started(), replied("", "files__read"), heard("also", "m2"), finished("1.0"))
    assert step(*entries) == CallModel(turn=0, attempt=1)


@pytest.mark.parametrize("to", ["relay", "off"])
def test_a_message_for_somebody_else_does_not_concern_the_model(to: str) -> None:
    entry = heard()
    assert step(type(entry)(entry.text, entry.sender, entry.key, to=to)) == Idle()  # pyright: ignore[reportArgumentType]


def test_an_answer_to_a_question_does_not_concern_the_model() -> None:
    entry = heard()
    assert step(Posted("Which?", ANN, "q"), type(entry)("that one", ANN, "m2", answers=0)) == Idle()


def test_notes_about_sending_and_settings_change_nothing() -> None:
    entries = (
        heard(),
        model_started(),
        replied("hello"),
        Delivered(2),
        Configured("ann", "off"),
        Posted("x", ANN, "p"),
    )
    assert step(*entries) == Idle()


# -- calls --------------------------------------------------------------------------------------------------


def test_a_read_only_call_runs_by_itself() -> None:
    found = step(heard(), model_started(), replied("", "files__read"))
    assert isinstance(found, Run)
    assert [(call.id, because) for call, _, because in found.calls] == [("1.0", "read-only")]


def test_a_call_that_can_change_things_is_asked_for_before_its_siblings_run() -> None:
    found = step(heard(), model_started(), replied("", "files__read", "files__delete", "files__delete"))
    assert isinstance(found, Ask)
    assert [call.id for call, _ in found.calls] == ["1.1", "1.2"]


def test_free_siblings_run_while_one_waits() -> None:
    found = step(heard(), model_started(), replied("", "files__read", "files__delete"), asked("1.1"))
    assert isinstance(found, Run)
    assert [call.id for call, _, _ in found.calls] == ["1.0"]


def test_a_call_that_waits_is_waited_for_until_it_expires() -> None:
    assert step(*gated(asked("1.0", expires_at=3000))) == Wait(3000)
    assert step(*gated(asked("1.0"))) == Wait(None)


def test_expiry_is_a_verdict() -> None:
    found = step(*gated(asked("1.0", expires_at=1500)))
    assert isinstance(found, Judge)
    assert found.verdict == "expired"


@pytest.mark.parametrize(
    ("verdict", "outcome"), [("rejected", "denied"), ("expired", "expired"), ("cancelled", "stopped")]
)
def test_a_call_that_may_not_run_is_settled_with_the_reason(verdict: str, outcome: str) -> None:
    found = step(*gated(asked("1.0"), Judged("1.0", verdict, "ann", note="too risky")))  # pyright: ignore[reportArgumentType]
    assert isinstance(found, Settle)
    assert found.outcome == outcome
    assert ("too risky" in found.content) == (verdict == "rejected")


def test_the_first_verdict_wins() -> None:
    assert isinstance(step(*gated(asked("1.0"), judged("1.0", "rejected"), judged("1.0"))), Settle)
    assert isinstance(step(*gated(asked("1.0"), judged("1.0"), judged("1.0", "rejected"))), Run)


def test_one_approval_frees_one_call() -> None:
    entries = (heard(), model_started(), replied("", "files__delete", "files__delete"), asked("1.0"), asked("1.1"))
    found = step(*entries, judged("1.0"))
    assert isinstance(found, Run)
    assert [call.id for call, _, _ in found.calls] == ["1.0"]


def test_the_next_round_passes_the_same_gate() -> None:
    entries = gated(asked("1.0"), judged("1.0"), tool_started("1.0"), finished("1.0"))
    assert isinstance(step(*entries, model_started(), replied("", "files__delete", started=7)), Ask)


def test_edited_arguments_are_what_runs() -> None:
    found = step(*gated(asked("1.0"), Judged("1.0", "approved", "ann", arguments='{"path":"b"}')))
    assert isinstance(found, Run)
    assert found.calls[0][1] == '{"path":"b"}'


def test_an_approval_does_not_hold_for_a_tool_that_changed_since() -> None:
    approved = Judged("1.0", "approved", "ann", digest=asked("1.0").digest)
    assert isinstance(step(*gated(asked("1.0"), approved)), Run)
    changed = Policy("local/main", {"files__delete": spec_of("files__delete", read_only=True)})
    assert isinstance(step(*gated(asked("1.0"), approved), policy=changed), Run), "annotations are not what is approved"
    other = spec_of("files__delete")
    other = type(other)(other.name, other.server, other.tool, other.description, '{"type":"object","x":1}')
    found = step(*gated(asked("1.0"), approved), policy=Policy("local/main", {"files__delete": other}))
    assert isinstance(found, Settle)
    assert found.outcome == "denied"


def test_a_grant_frees_calls_of_its_shape_also_those_that_wait() -> None:
    granted = Policy("local/main", TOOLS, grants=(Grant(3, "files__delete", "local/main"),))
    assert isinstance(step(*gated(), policy=granted), Run)
    found = step(*gated(asked("1.0")), policy=granted)
    assert found == Judge(Call("1.0", "files__delete", "{}", model_id="call_0"), "approved", "grant 3")


def test_a_grant_frees_no_call_whose_time_is_over() -> None:
    granted = Policy("local/main", TOOLS, grants=(Grant(3, "files__delete", "local/main"),))
    found = step(*gated(asked("1.0", expires_at=1500)), policy=granted)
    assert isinstance(found, Judge)
    assert found.verdict == "expired"


@pytest.mark.parametrize(
    "grant",
    [
        Grant(1, "files__delete", "local/other"),
        Grant(1, "files__put"),
        Grant(1, "files__delete", arguments=(("path", "drafts/*"),)),
        Grant(1, "files__delete", expires_at=NOW - 1),
    ],
)
def test_a_grant_of_another_shape_frees_nothing(grant: Grant) -> None:
    assert isinstance(step(*gated(), policy=Policy("local/main", TOOLS, grants=(grant,))), Ask)


def test_a_call_of_fate_unknown_is_not_run_again() -> None:
    found = step(*gated(asked("1.0"), judged("1.0"), tool_started("1.0")))
    assert isinstance(found, Settle)
    assert found.outcome == "unknown"


def test_a_call_in_flight_here_is_waited_for() -> None:
    entries = gated(asked("1.0"), judged("1.0"), tool_started("1.0"))
    assert step(*entries, running=frozenset({"1.0"})) == Wait(None)


def test_a_repeatable_call_is_run_again_a_bounded_number_of_times() -> None:
    entries: tuple[Entry, ...] = (heard(), model_started(), replied("", "files__read"))
    for _ in range(2):
        entries = (*entries, tool_started("1.0", repeatable=True))
        assert isinstance(step(*entries), Run)
    found = step(*entries, tool_started("1.0", repeatable=True))
    assert isinstance(found, Settle)
    assert found.outcome == "unknown"


@pytest.mark.parametrize(
    ("tool", "arguments", "told"),
    [("nope", "{}", "no tool 'nope'"), ("files__read", "{", "JSON"), ("files__read", "[1]", "object")],
)
def test_a_malformed_call_goes_back_to_the_model(tool: str, arguments: str, told: str) -> None:
    found = step(heard(), model_started(), Replied("", (Call("1.0", tool, arguments),), 1, turn=0))
    assert isinstance(found, Settle)
    assert found.outcome == "error"
    assert told in found.content


def test_calls_of_a_client_pass_the_same_gate_and_end_without_a_model() -> None:
    request = Requested((Call("0.0", "files__delete", "{}"),), "host")
    assert isinstance(step(request), Ask)
    assert isinstance(step(request, asked("0.0"), judged("0.0")), Run)
    assert step(request, asked("0.0"), judged("0.0"), tool_started("0.0"), finished("0.0")) == Idle()


def test_no_more_calls_run_at_once_than_allowed() -> None:
    policy = Policy("local/main", TOOLS, max_parallel=2)
    entries = (heard(), model_started(), replied("", "files__read", "files__read", "files__read"))
    found = step(*entries, policy=policy)
    assert isinstance(found, Run)
    assert len(found.calls) == 2
    begun = (*entries, tool_started("1.0"), tool_started("1.1"))
    assert step(*begun, policy=policy, running=frozenset({"1.0", "1.1"})) == Wait(None)


# -- failures, budgets, stops -------------------------------------------------------------------------------


def test_a_failed_model_call_waits_for_its_retry_time() -> None:
    failed = Failed("model", 1, "busy", retry_at=NOW + 5)
    assert step(heard(), model_started(), failed) == Wait(NOW + 5)
    assert step(heard(), model_started(), failed, now=NOW + 5) == CallModel(turn=0, attempt=2)


def test_a_model_that_failed_for_good_ends_the_turn() -> None:
    failed = Failed("model", 1, "bad key", text="The key is wrong.")
    found = step(heard(), model_started(), failed)
    assert found == Stop("bad key", 1, "The key is wrong.")


def test_a_model_call_that_kills_the_process_ends_in_a_stop() -> None:
    found = step(heard(), model_started(), model_started(), model_started())
    assert isinstance(found, Stop)
    assert "3 attempts" in found.reason


def test_a_message_after_the_last_attempt_opens_a_new_turn_behind_the_stop() -> None:
    entries = (heard(), model_started(), Failed("model", 1, "bad key"), heard("hello?", "m2"))
    found = step(*entries)
    assert isinstance(found, Stop)
    assert found.upto == 1
    assert step(*entries, Stopped(found.reason, found.upto)) == CallModel(turn=3, attempt=1)


def test_the_budget_of_model_calls_is_counted_from_the_log() -> None:
    entries: list[Entry] = [heard()]
    for _ in range(5):
        entries += [model_started(), replied("", "files__read", started=len(entries))]
        entries.append(finished(f"{len(entries) - 2}.0"))
    policy = Policy("local/main", TOOLS, budget=Budget(model_calls=5, tool_rounds=99))
    found = step(*entries, policy=policy)
    assert isinstance(found, Stop)
    assert "5 model calls" in found.reason


def test_the_budget_of_tool_rounds_is_counted_from_the_log() -> None:
    entries: list[Entry] = [heard()]
    for _ in range(4):
        entries += [model_started(), replied("", "files__read", started=len(entries))]
        entries.append(finished(f"{len(entries) - 2}.0"))
    found = step(*entries)
    assert isinstance(found, Stop)
    assert "3 tool rounds" in found.reason


def test_a_message_that_came_in_after_the_last_model_call_survives_a_spent_budget() -> None:
    entries: list[Entry] = [heard()]
    for _ in range(4):
        entries += [model_started(), replied("", "files__read", started=len(entries))]
        entries.append(finished(f"{len(entries) - 2}.0"))
    entries.append(heard("and now?", "m2"))
    found = step(*entries)
    assert isinstance(found, Stop)
    assert step(*entries, Stopped(found.reason, found.upto)) == CallModel(turn=len(entries) - 1, attempt=1)


def test_work_is_counted_once_where_calls_overlap_and_never_while_people_think() -> None:
    entries = log(
        heard(),
        model_started(),
        replied("", "files__read", "files__read"),
        tool_started("1.0"),
        tool_started("1.1"),
        finished("1.0"),
        finished("1.1"),
    )
    assert work_seconds(entries, 0) == 1 + 3


def test_a_stopped_turn_leaves_its_calls_alone() -> None:
    entries = gated(asked("1.0"), judged("1.0", "cancelled"), Stopped("by request", 5, "ann"))
    assert step(*entries) == Idle()
    assert open_calls(log(*entries)) == ()


def test_clearing_begins_a_new_epoch() -> None:
    assert step(*gated(asked("1.0"), judged("1.0", "cancelled"), Cleared("ann"))) == Idle()
    assert step(*gated(Cleared("ann"), heard("again", "m2"))) == CallModel(turn=4, attempt=1)
    assert step(*gated(tool_started("1.0"), Cleared("ann"), finished("1.0"))) == Idle()


@pytest.mark.parametrize("confirmation", ["never", "by-annotation", "required"])
def test_a_tool_that_changed_asks_whatever_else_would_let_it_run(confirmation: Confirmation) -> None:
    changed = replace(TOOLS["files__read"], changed="its description is another one", confirmation=confirmation)
    policy = replace(POLICY, tools={**TOOLS, "files__read": changed}, grants=(Grant(1, "*"),))
    asking = (heard(), model_started(), replied("", "files__read"))
    found = step(*asking, policy=policy)
    assert isinstance(found, Ask)
    assert found.calls[0][1] == "read is no longer what it was: its description is another one"
    # also when it was begun before it changed, and was cut off
    begun = (*asking, tool_started("1.0", repeatable=True))
    assert isinstance(step(*begun), Run)
    assert isinstance(step(*begun, policy=policy), Ask)
    waiting = (*begun, asked("1.0", "files__read"))
    assert step(*waiting, policy=policy) == Wait(None)
    assert [call.id for call, asked_for in open_calls(log(*waiting)) if asked_for] == ["1.0"]
    assert isinstance(step(*waiting, judged("1.0"), policy=policy), Run)
    # once it is trusted again, what was asked meanwhile is closed by rule
    assert isinstance(step(*waiting), Judge)


def test_an_approval_is_bound_to_what_the_tool_says_and_takes() -> None:
    read = TOOLS["files__read"]
    others = (
        replace(read, description="Another."),
        replace(read, schema="{}"),
        replace(read, server="other"),
        replace(read, tool="other"),
    )
    assert len({call_digest(spec, {}) for spec in (read, *others)}) == 5
    assert call_digest(replace(read, changed="somehow", confirmation="required"), {}) == call_digest(read, {})


# -- the window and the day's budget ---------------------------------------------------------------------------

FULL = replace(POLICY, cut=4)


def talked(*more: Entry) -> tuple[Entry, ...]:
    """A turn that is over, and a message."""
    return (heard(), model_started(), replied("x"), Posted("note", ANN, "p"), heard("and?", "m2"), *more)


def test_a_past_that_does_not_fit_is_summed_up_before_the_model_is_called() -> None:
    assert step(*talked()) == CallModel(4, 1)
    assert step(*talked(), policy=FULL) == Summarise(4, 4, 1)
    begun = talked(Started("summary", turn=4))
    assert step(*begun, policy=FULL) == Summarise(4, 4, 2), "one that a crash cut short is tried once more"
    assert step(*begun, Started("summary", turn=4), policy=FULL) == Cut(4)
    assert step(*begun, Failed("summary", 5, "busy"), policy=FULL) == Cut(4), "one that failed is not"
    assert step(*talked(), policy=replace(FULL, summarise=False)) == Cut(4)


def test_after_a_cut_the_model_is_called_even_if_the_same_cut_is_asked_for_again() -> None:
    for summary in (Summarised("they met", 4, 5), Summarised("", 4)):
        assert step(*talked(Started("summary", turn=4), summary), policy=FULL) == CallModel(4, 1)
    assert step(*talked(Summarised("", 4)), policy=replace(FULL, cut=6)) == Summarise(4, 6, 1)


def test_attempts_at_a_reply_and_at_a_summary_are_counted_apart() -> None:
    entries = talked(model_started(4), Failed("model", 5, "too long", retry_at=1000.0, too_long=True))
    assert step(*entries, policy=FULL) == Summarise(4, 4, 1)
    assert step(*entries, Started("summary", turn=4), Summarised("they met", 4, 7), policy=FULL) == CallModel(4, 2)


def test_a_summary_under_way_takes_from_the_turns_time() -> None:
    entries = log(*talked(Started("summary", turn=4), Summarised("they met", 4, 5)))
    assert work_seconds(entries, 4) == 1


def test_where_the_days_budget_is_spent_the_turn_stops_and_says_so() -> None:
    spent = replace(POLICY, spent="the day's budget of $1 for the bridge is spent ($1.0001)")
    assert step(heard(), policy=spent) == Stop(spent.spent, 1, SPENT)
    assert step(heard(), Stopped(spent.spent, 1, text=SPENT), policy=spent) == Idle()
    assert step(heard(), Stopped(spent.spent, 1), heard("again", "m2"), policy=POLICY) == CallModel(2, 1)
    assert isinstance(step(*gated(), policy=spent), Ask), "people are asked none the less"
    assert isinstance(step(heard(), policy=replace(spent, cut=1)), Stop), "no summary is paid for either"


def test_messages_that_no_reply_has_read_are_counted() -> None:
    assert unread_count(log(heard(), heard("two", "m2"))) == 2
    assert unread_count(log(*talked())) == 1
    assert unread_count(log(heard(), model_started(), replied("x"))) == 0


# -- messages while a turn is at work --------------------------------------------------------------------------

QUEUE = replace(POLICY, while_busy="queue")
INTERRUPT = replace(POLICY, while_busy="interrupt")
BUSY = (heard(), model_started(), replied("", "files__read"), tool_started("1.0", repeatable=True))


def test_in_a_queue_each_message_has_a_turn_of_its_own() -> None:
    two = (heard(), heard("two", "m2"))
    assert step(*two) == CallModel(0, 1), "by default one reply reads both"
    assert step(*two, policy=QUEUE) == CallModel(0, 1, upto=1)
    answered = (*two, model_started(), Replied("one", (), 1, turn=0, ref=2))
    assert step(*answered, policy=QUEUE) == CallModel(1, 1)
    assert step(*answered, model_started(1), Replied("two", (), 4, turn=1), policy=QUEUE) == Idle()


def test_in_a_queue_a_turn_reads_no_more_in_its_later_calls_than_in_its_first() -> None:
    rounds = (heard(), model_started(), heard("two", "m2"), replied("", "files__read"), finished("1.0"))
    assert step(*rounds) == CallModel(0, 1)
    assert step(*rounds, policy=QUEUE) == CallModel(0, 1, upto=1)
    assert step(*rounds, model_started(), Replied("one", (), 1, turn=0, ref=5), policy=QUEUE) == CallModel(2, 1)


def test_in_a_queue_a_turn_that_is_given_up_takes_no_other_with_it() -> None:
    two = (heard(), heard("two", "m2"), model_started(), Failed("model", 2, "bad key"))
    gone = step(*two, policy=QUEUE)
    assert isinstance(gone, Stop)
    assert gone.upto == 1
    assert step(*two, Stopped(gone.reason, gone.upto), policy=QUEUE) == CallModel(1, 1)


def test_the_time_of_a_turn_before_is_not_that_of_one_that_waited() -> None:
    entries = log(heard(), heard("two", "m2"), model_started(), Replied("", (), 1, turn=0, ref=2), model_started(1))
    assert work_seconds(entries, 0) == 1
    assert work_seconds(entries, 1) == 0


def test_a_message_interrupts_calls_that_run_or_wait() -> None:
    running = frozenset({"1.0"})
    assert step(*BUSY, heard("wait", "m2"), running=running, policy=INTERRUPT) == Stop(INTERRUPTED, 4, "")
    assert isinstance(step(*BUSY, heard("wait", "m2"), running=running), Wait)
    assert isinstance(step(*BUSY, running=running, policy=INTERRUPT), Wait)
    waiting = gated(asked("1.0"), heard("no", "m2"))
    assert step(*waiting, policy=INTERRUPT) == Stop(INTERRUPTED, 4, "")
    after = (*BUSY, heard("wait", "m2"), Stopped(INTERRUPTED, 4))
    assert step(*after, running=running, policy=INTERRUPT) == CallModel(4, 1)


def test_a_message_interrupts_the_model() -> None:
    def at(*entries: Entry, calling: int, policy: Policy = INTERRUPT) -> Step:
        return decide(log(*entries), policy, NOW, frozenset(), calling)

    assert at(heard(), model_started(), calling=1) == Wait(None)
    newer = (heard(), model_started(), heard("wait", "m2"))
    assert at(*newer, calling=1) == Stop(INTERRUPTED, 2, "")
    assert at(*newer, calling=1, policy=POLICY) == Wait(None)
    assert at(*newer, Stopped(INTERRUPTED, 2), calling=1) == Wait(None), "until that call has ended"
    assert step(*newer, policy=INTERRUPT) == CallModel(0, 2), "a call that a crash ended needs no interruption"
    summing = (heard(), Started("summary", turn=0), heard("wait", "m2"))
    assert at(*summing, calling=1) == Stop(INTERRUPTED, 2, "")


# -- a tool that is not there ---------------------------------------------------------------------------------

GONE = replace(POLICY, tools={"files__read": TOOLS["files__read"]}, sources={"files": ToolSource()})
AWAY = replace(POLICY, sources={"files": ToolSource(ready=False)})
CALL = "1.0"


def test_a_call_waits_for_its_verdict_though_its_tool_is_not_there() -> None:
    for policy in (GONE, AWAY, replace(GONE, sources=None)):
        assert step(*gated(asked(CALL, expires_at=2500.0)), policy=policy) == Wait(2500.0)
        assert step(*gated(asked(CALL)), policy=policy) == Wait(None)
        assert isinstance(step(*gated(asked(CALL, expires_at=1900.0)), policy=policy), Judge)


@pytest.mark.parametrize(
    "policy",
    [
        replace(GONE, sources={}),
        replace(GONE, sources={"files": ToolSource(withheld=frozenset({"files__delete"}))}),
    ],
)
def test_a_tool_that_the_config_has_no_longer_ends_its_calls_at_once(policy: Policy) -> None:
    for entries in (gated(asked(CALL)), gated(asked(CALL), judged(CALL))):
        found = step(*entries, policy=policy)
        assert isinstance(found, Settle)
        assert found.outcome == "error"
        assert "the config no longer" in found.content


def test_an_approved_call_waits_for_its_tool_as_long_as_people_had() -> None:
    entries = gated(asked(CALL, expires_at=1603.0), judged(CALL))  # asked at 1003, judged at 1004
    for policy in (GONE, AWAY):
        assert step(*entries, now=1005.0, policy=policy) == Wait(1009.0)
        told = step(*entries, now=1010.0, policy=policy)
        assert isinstance(told, Remind)
        assert told.reminded.why == "tool"
        assert step(*entries, told.reminded, now=1010.0, policy=policy) == Wait(1604.0)
        over = step(*entries, told.reminded, now=1604.0, policy=policy)
        assert isinstance(over, Settle)
        assert over.outcome == "expired"
    assert isinstance(step(*entries, now=1010.0), Run)


def test_an_approved_call_that_never_expired_waits_a_day() -> None:
    told = step(*gated(asked(CALL), judged(CALL)), policy=GONE)
    assert isinstance(told, Remind)
    entries = gated(asked(CALL), judged(CALL), told.reminded)
    assert step(*entries, policy=GONE) == Wait(1004.0 + 24 * 3600)
    assert isinstance(step(*entries, now=1004.0 + 24 * 3600, policy=GONE), Settle)


def test_what_finishes_a_call_closes_its_approval() -> None:
    waits = log(*gated(asked(CALL)))
    verdict, outcome = closing_entries(waits, finished(CALL))
    assert isinstance(verdict, Judged)
    assert (verdict.verdict, verdict.via, verdict.note) == ("cancelled", "rule", "done")
    assert isinstance(outcome, Finished)
    (waiting,) = (call for _, call in open_calls(waits) if call is not None)
    digest = waiting.digest
    assert (verdict.digest, outcome.digest, outcome.content) == (digest, digest, "done")
    assert [type(entry) for entry in closing_entries(log(*gated(asked(CALL), judged(CALL))), finished(CALL))] == [
        Finished
    ]
    assert [type(entry) for entry in closing_entries(log(*gated()), finished(CALL))] == [Finished]
