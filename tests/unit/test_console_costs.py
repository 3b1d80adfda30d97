"""What others send costs the console little, whatever it is: all pages are made in one event loop."""

from __future__ import annotations

import time
from collections.abc import Callable

from bridge_mcp.console.pages.overview import diff


def taken_s(work: Callable[[], object]) -> float:
    """Seconds of this thread's own time."""
    begun = time.thread_time()
    work()
    return time.thread_time() - begun


def lines(says: str) -> str:
    return "\n".join(f"line {number} {says} {number * 7}" for number in range(120))


def test_a_diff_of_lines_that_are_all_alike_is_cheap() -> None:
    assert taken_s(lambda: diff(lines("does this and that"), lines("does that or this"))) < 0.25
    assert taken_s(lambda: diff("a\nb\n" * 1_000, "y\n" + "b\na\n" * 999)) < 0.25


def test_a_diff_has_all_lines_of_both() -> None:
    assert diff("a\nb\nc", "a\nB\nc\nd") == ("  a", "- b", "+ B", "  c", "+ d")
    assert diff("a", "a") == ()
    assert diff("a\u2028b", "a\nb") == ("- a\u2028b", "+ a", "+ b")


def test_a_diff_that_is_cut_says_so() -> None:
    shown = diff("x\n" * 5_000, "x\n" * 5_000 + "runs anything")
    assert shown[-1].startswith("… ")
    assert "not shown" in shown[-1]
