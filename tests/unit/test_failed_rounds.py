"""Failed rounds: counted from the log, in a row, within one turn; and the turn ends when there were too many."""

from __future__ import annotations

from bridge_mcp.core.decide import decide
from bridge_mcp.core.entries import Entry, Finished, Stopped
from bridge_mcp.core.failed_rounds import failed_rounds
from bridge_mcp.core.policy import Budget, Policy
from bridge_mcp.core.steps import CallModel, Stop
from tests.unit.logs import asked, heard, log, model_started, replied, tool_started

NO_TOOL = "There is no tool 'files__burn' here."


def failed(started: int, *, turn: int = 0) -> tuple[Entry, ...]:
    """A round whose only call is refused; `started` is the seq of its model call."""
    return (
        model_started(turn),
        replied("", "files__burn", started=started, turn=turn),
        Finished(f"{started}.0", "error", NO_TOOL),
    )


def fruitful(started: int) -> tuple[Entry, ...]:
    """One whose call runs, and fails in its own way."""
    return (
        model_started(),
        replied("", "files__read", started=started),
        tool_started(f"{started}.0"),
        Finished(f"{started}.0", "error", "no such file"),
    )


def test_they_are_counted_in_a_row() -> None:
    assert failed_rounds(log(heard()), 0) == (0, "")
    assert failed_rounds(log(heard(), *failed(1)), 0) == (1, NO_TOOL)
    assert failed_rounds(log(heard(), *failed(1), *failed(4)), 0) == (2, NO_TOOL)
    assert failed_rounds(log(heard(), *failed(1), *fruitful(4)), 0)[0] == 0
    assert failed_rounds(log(heard(), *failed(1), *fruitful(4), *failed(8)), 0)[0] == 1


def test_one_call_that_could_be_made_makes_a_round_fruitful() -> None:
    both = (
        model_started(),
        replied("", "files__burn", "files__read", started=1),
        Finished("1.0", "error", NO_TOOL),
        tool_started("1.1"),
        Finished("1.1", "ok", "text"),
    )
    assert failed_rounds(log(heard(), *both), 0)[0] == 0


def test_a_call_that_people_were_asked_about_is_no_failed_one() -> None:
    judged = (model_started(), replied("", "files__delete", started=1), asked("1.0"), Finished("1.0", "denied", "No."))
    expired = (model_started(), replied("", "files__delete", started=1), Finished("1.0", "expired", "Too late."))
    assert failed_rounds(log(heard(), *judged), 0)[0] == 0
    assert failed_rounds(log(heard(), *expired), 0)[0] == 0


def test_another_turn_begins_anew() -> None:
    two = log(heard(), *failed(1), Stopped("enough", 4), heard("again", "m2"), *failed(6, turn=5))
    assert failed_rounds(two, 5)[0] == 1
    assert (
        failed_rounds(
            log(
                heard(
                    "x",
                    "m0",
                ),
                *failed(1),
            ),
            5,
        )[0]
        == 0
    )


def test_three_in_a_row_end_the_turn_with_the_reason() -> None:
    policy = Policy()
    assert isinstance(decide(log(heard(), *failed(1), *failed(4)), policy, 2000.0), CallModel)
    step = decide(log(heard(), *failed(1), *failed(4), *failed(7)), policy, 2000.0)
    assert isinstance(step, Stop)
    assert step.reason == f"the model asked 3 times in a row for calls that cannot be made: {NO_TOOL}"
    assert step.text
    patient = Policy(budget=Budget(max_failed_rounds=4))
    assert isinstance(decide(log(heard(), *failed(1), *failed(4), *failed(7)), patient, 2000.0), CallModel)
