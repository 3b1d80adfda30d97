"""The guard against bots that answer each other for ever, as a pure rule."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge_mcp.core.bot_turns import QUIET_S, next_exchange, next_turn, treatment
from bridge_mcp.core.entries import Heard, Logged, Posted, Replied, Sender

ANN, ROBOT, GROUP = Sender("1", "Ann"), Sender("2", "Robot", "bot"), Sender("-3", "Group", "bot")
KEPT = {"heard", "last"}


def said(seq: int, sender: Sender, turn: int = 0) -> Logged:
    return Logged(seq, float(seq), Heard("hi", sender, str(seq), bot_turn=turn))


def test_the_count_begins_anew_with_every_person() -> None:
    assert next_turn(()) is None
    assert next_turn((said(0, ANN),)) == 1
    assert next_turn((said(0, ANN), said(1, ROBOT, 1), said(2, ROBOT, 2))) == 3
    assert next_turn((said(0, ROBOT, 3), said(1, ANN))) == 1
    assert next_turn((said(0, ANN), said(1, Sender("c", "agent", "client")))) == 1


def test_who_writes_in_a_chats_name_and_what_we_say_count_for_nothing() -> None:
    ours = (Logged(1, 1.0, Replied("hello")), Logged(2, 2.0, Posted("x", ROBOT, "k")))
    assert next_turn((said(0, ROBOT, 2), *ours, said(3, GROUP))) == 3
    assert next_turn((said(0, GROUP), *ours)) is None


def test_posts_of_a_channel_count_by_the_answers_between_them_and_anew_after_a_pause() -> None:
    def number(*entries: Heard | Posted | Replied, now: float = 9.0) -> int | None:
        return next_exchange([Logged(seq, float(seq), each) for seq, each in enumerate(entries)], now)

    post = Heard("news", GROUP, "p", bot_turn=2)
    assert number() is None
    assert number(Heard("hi", ANN, "1"), Replied("hello")) == 1
    assert number(post) == number(post, Replied("", ())) == 2, "one turn answers several posts"
    assert number(post, Replied("hello")) == number(post, Replied("a"), Posted("b", ROBOT, "k")) == 3
    assert number(post, Replied("hello"), now=1.0 + QUIET_S) == 3
    assert number(post, Replied("hello"), now=1.1 + QUIET_S) == 1


@pytest.mark.shows("chats.bots")
@given(st.lists(st.sampled_from([ANN, ROBOT, GROUP]), max_size=60), st.integers(1, 6))
def test_whatever_they_write_no_more_than_so_many_are_answered_in_a_row(who: list[Sender], most: int) -> None:
    log: list[Logged] = []
    row = told = 0
    for seq, sender in enumerate(who):
        if sender is not ROBOT:
            log.append(said(seq, sender))
            row, told = (0, 0) if sender is ANN else (row, told)
            continue
        turn = next_turn(log) or 1
        what = treatment(turn, most)
        if what in KEPT:
            log.append(said(seq, sender, turn))
        row, told = row + (what == "heard"), told + (what == "last")
        assert row <= most
        assert told <= 1
