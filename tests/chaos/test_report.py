"""What `python -m tests.chaos` prints: a line for each event with the answers it held up, and what there is so far."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos import __main__ as command
from tests.chaos.run import Plan, Report


def test_answers_that_took_long_are_summed_by_what_happened_before_them() -> None:
    report = Report(happened=[(8.7, "worker 1 was killed"), (13.6, "worker 2 was killed")])
    report.slow = [(9.0, 6.7), (9.5, 8.3), (20.0, 5.1)]
    assert report.story() == [
        "   0.0 s  messages are sent",
        "   8.7 s  worker 1 was killed; then 2 answers took over 5 s, the longest 8.3 s",
        "  13.6 s  worker 2 was killed; then 1 answers took over 5 s, the longest 5.1 s",
    ]


def test_only_answers_that_took_long_are_kept_one_by_one() -> None:
    report = Report()
    report.answer(0.2)
    report.answer(7.0)
    assert [took for _, took in report.slow] == [7.0]
    assert report.took == [0.2, 7.0]


def test_a_run_that_breaks_off_prints_its_report_so_far(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def breaks(plan: Plan, folder: Path, report: Report) -> None:
        report.note("worker 1 was killed")
        report.answer(6.0)
        report.wrong.append("family/1: heard m1 2 times")
        raise ConnectionError("the server is gone")

    monkeypatch.setattr(command, "carried_out", breaks)
    with pytest.raises(ConnectionError):
        command.main(["--seed", "1"])
    told = capsys.readouterr().out
    assert "worker 1 was killed; then 1 answers took over 5 s" in told
    assert "it broke off after" in told
    assert "findings: 1\nfamily/1: heard m1 2 times" in told
