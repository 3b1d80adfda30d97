"""A sample of the Telegram cases, played whole: `python -m tests.cases telegram FILE...` plays any of them."""

from __future__ import annotations

import re
from pathlib import Path

from tests.cases.play_telegram import play

CASES = Path(__file__).parents[1] / "cases" / "telegram"


def test_a_paste_in_a_group_is_one_turn_with_all_its_parts() -> None:
    told = play(CASES / "11-long-paste-group.json")
    assert told.count("BOT sendMessage") == 1
    asked = told[told.rindex("MODEL <- request") :]
    assert asked.index("sum this up") < asked.index("iota eta theta")
    size = re.search(r"\[(\d+) chars\]", asked)  # the transcript leaves out the middle, where the second part is
    assert size is not None
    assert int(size[1]) > 4_106 + 4_108 + 915


def test_a_command_with_capitals_and_our_name_stops_the_turn() -> None:
    told = play(CASES / "16-command-upper-at.json")
    assert "Stopped" in told
    assert "late answer" not in told
