"""Messages that belong together, by the decision table."""

from __future__ import annotations

import pytest
from msgspec import structs
from msgspec.structs import replace

from bridge_mcp.core.answering import answer_in
from bridge_mcp.core.decide import decide
from bridge_mcp.core.entries import Attachment, Heard, Logged, Sender, Started
from bridge_mcp.core.gathering import asks_at, goes_on, replies_at
from bridge_mcp.core.policy import Policy
from bridge_mcp.core.steps import CallModel, Wait

ANN, BOB = Sender("7", "Ann"), Sender("8", "Bob")
POLICY = Policy("tg/7", {})
LONG = "x" * 4_096
PICTURE = Attachment("p", "image", "image/jpeg", name="p.jpg", size=10)


def said(text: str, at: float, **more: object) -> Heard:
    heard = Heard(text, ANN, f"k{at}", sent_at=float(int(at)), gather_s=0.5, paste_chars=2_000)
    return structs.replace(heard, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("heard", [said(LONG, 100.0), said("old", 100.0, forwarded_from="Zed"),
                                   said("", 100.0, attachments=(PICTURE,))])  # fmt: skip
def test_behind_what_is_visibly_not_all_the_model_is_not_asked_yet(heard: Heard) -> None:
    log = [Logged(0, 100.0, heard)]
    step = decide(log, POLICY, 100.1)
    assert isinstance(step, Wait)
    assert step.until == pytest.approx(101.2)
    assert isinstance(decide(log, POLICY, 101.3), CallModel)


def test_behind_an_ordinary_message_the_model_is_asked_at_once_and_its_reply_waits() -> None:
    heard = said("is that true?", 100.0)
    assert isinstance(decide([Logged(0, 100.0, heard)], POLICY, 100.0), CallModel)
    assert replies_at(Logged(0, 100.0, heard), heard) == 100.5


def test_without_a_setting_nothing_waits() -> None:
    heard = structs.replace(said(LONG, 100.0), gather_s=0.0)
    assert asks_at(Logged(0, 100.0, heard), heard) == replies_at(Logged(0, 100.0, heard), heard) == 100.0


def test_a_clock_that_was_set_back_holds_nothing_up() -> None:
    assert isinstance(decide([Logged(0, 100.0, said(LONG, 100.0))], POLICY, 50.0), CallModel)


def test_in_a_queue_the_parts_of_a_paste_are_one_turn() -> None:
    log = [
        Logged(0, 100.0, said(LONG, 100.0)),
        Logged(1, 100.1, said(LONG, 100.1, continues=0)),
        Logged(2, 100.2, said("end", 100.2, continues=1)),
        Logged(3, 105.0, said("another matter", 105.0)),
    ]
    step = decide(log, replace(POLICY, while_busy="queue"), 110.0)
    assert isinstance(step, CallModel)
    assert step.upto == 3


def test_a_continuation_makes_a_request_void_and_costs_no_attempt() -> None:
    log = [
        Logged(0, 100.0, said("is that true?", 100.0)),
        Logged(1, 100.0, Started("model", turn=0)),
        Logged(2, 100.3, said("news", 100.3, forwarded_from="Zed", continues=0)),
    ]
    step = decide(log, POLICY, 105.0)
    assert isinstance(step, CallModel)
    assert step.attempt == 1
    interrupting = replace(POLICY, while_busy="interrupt")
    assert decide(log, interrupting, 100.3, frozenset(), 1) == Wait(None)


@pytest.mark.parametrize(
    ("before", "after", "now", "continues"),
    [
        (said(LONG, 100.0), said("rest", 100.4), 100.4, True),
        (said(LONG, 100.0), said("rest", 107.0), 107.0, False),
        (said(LONG, 100.0), said("rest", 200.0), 100.4, False),  # sent at another time: both waited on the platform
        (said("what?", 100.0), said("news", 100.3, forwarded_from="Zed"), 100.3, True),
        (said("what?", 100.0), said("", 100.3, attachments=(PICTURE,)), 100.3, True),
        (said("hello", 100.0), said("how are you?", 100.3), 100.3, False),
        (said("", 100.0, attachments=(PICTURE,)), said("what is it?", 100.5), 100.5, True),
        (said(LONG, 100.0), structs.replace(said("rest", 100.4), sender=BOB), 100.4, False),
        (structs.replace(said(LONG, 100.0), to="bridge"), said("rest", 100.4), 100.4, False),
    ],
)
def test_what_continues_what(before: Heard, after: Heard, now: float, continues: bool) -> None:
    assert goes_on(Logged(0, 100.0, before), after, now) is continues


def test_an_answer_is_all_its_parts_as_they_stand_after_edits() -> None:
    from bridge_mcp.core.entries import Edited

    log = [
        Logged(4, 100.0, said(LONG, 100.0, answers=1)),
        Logged(5, 100.2, said("end", 100.2, answers=1, continues=4)),
        Logged(6, 101.0, Edited(5, "END", "k:1")),
        Logged(7, 102.0, said("something else", 102.0, answers=1)),
    ]
    found = answer_in(log, 1)
    assert found is not None
    assert (found.seq, found.text, found.settled_at) == (4, f"{LONG}\nEND", 100.2)
