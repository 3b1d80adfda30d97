"""The Telegram cases: one is played by the installed command, and every file has its right value somewhere."""

from __future__ import annotations

from tests.acceptance.test_telegram_cases_chats import CHATS
from tests.acceptance.test_telegram_cases_commands import COMMANDS
from tests.acceptance.test_telegram_cases_questions import QUESTIONS
from tests.acceptance.test_telegram_cases_sending import SENDING
from tests.acceptance.test_telegram_cases_together import TOGETHER
from tests.acceptance.test_telegram_cases_words import WORDS
from tests.cases.play_telegram import play
from tests.cases.telegram_played import CASES


def test_the_installed_command_plays_a_case() -> None:
    told = play(CASES / "16-command-upper-at.json")
    assert "Stopped" in told
    assert "late answer" not in told


def test_every_file_has_its_right_value() -> None:
    files = {file.stem for file in CASES.glob("*.json")}
    checked = {name for theme in (CHATS, COMMANDS, QUESTIONS, SENDING, TOGETHER, WORDS) for name in theme.checks}
    assert files <= checked
