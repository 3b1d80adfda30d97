"""A sample of the Telegram cases, played whole: `python -m tests.cases telegram FILE...` plays any of them."""

from __future__ import annotations

import json
from pathlib import Path

from bridge_mcp.testing.telegram import TelegramServer
from tests.cases.play_telegram import Player, play
from tests.cases.transcripts import Transcript

CASES = Path(__file__).parents[1] / "cases" / "telegram"


def test_a_paste_in_a_group_is_one_turn_with_all_its_parts(tmp_path: Path) -> None:
    case = json.loads((CASES / "11-long-paste-group.json").read_text("utf-8"))
    told = Transcript()
    with TelegramServer(privacy=case["privacy"]) as server:
        player = Player(server, case, tmp_path, told)
        player.play()
    assert told.text().count("BOT sendMessage") == 1
    asked = json.dumps(player.model.requests[-1]["messages"])
    parts = [asked.index(words) for words in ("sum this up", "delta epsilon", "eta theta", "END")]
    assert parts == sorted(parts)


def test_a_command_with_capitals_and_our_name_stops_the_turn() -> None:
    told = play(CASES / "16-command-upper-at.json")
    assert "Stopped" in told
    assert "late answer" not in told
