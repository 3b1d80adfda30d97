"""Thoughts that a model wrote into its text: none is said, drafted or kept, and a tag that is only spoken of stays."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge_mcp.models import thoughts
from bridge_mcp.models.thoughts import CLOSE, DraftFilter, without_thoughts

SAID: dict[str, tuple[str, str]] = {
    "before the answer": ("<think>secret plan</think>\n\nHello", "Hello"),
    "closed only": ("secret plan</think>Hello", "Hello"),
    "another name": ("<thinking>secret\nplan</thinking>Hello", "Hello"),
    "capitals": ("<THINK>secret</THINK>Hello", "Hello"),
    "brackets": ("[THINK]secret[/THINK]Hello", "Hello"),
    "between two answers": ("Hello\n<think>secret</think>\nthere", "Hello\n\nthere"),
    "inside a line": ("Hello <think>secret</think>there", "Hello there"),
    "twice": ("<think>secret</think>Hello <think>secret</think>there", "Hello there"),
    "with a fence inside": ("<think>secret ```code</think>Hello", "Hello"),
    "never closed": ("<think>secret plan", ""),
    "never closed, behind an answer": ("Hello\n<think>secret plan", "Hello"),
    "nothing else": ("secret</think>", ""),
    "with an attribute": ('<think type="plan">secret</think>Hello', "Hello"),
    "channels": (
        "<|channel|>analysis<|message|>secret<|end|><|start|>assistant<|channel|>final<|message|>Hello",
        "Hello",
    ),
    "channels to the end": (
        "<|channel|>analysis<|message|>secret<|end|><|start|>assistant<|channel|>final<|message|>Hello<|return|>",
        "Hello",
    ),
    "channels, never final": ("<|channel|>analysis<|message|>secret plan", ""),
    "closed twice": ("<think>secret</think>Hello</think>", "Hello"),
}
KEPT = [
    "The tag is written so:\n```\n<think>some text</think>\n```\nThat is all.",
    "~~~\n</think>\n~~~",
    "It is written `<think>`, and ends with `</think>`.",
    "A model opens with <think> and goes on.",
    "a < b, and [THINKING] is no tag",
    "```\n<think>a fence that never ends",
    "Hello<|end|>",
    "",
]


@pytest.mark.parametrize("case", SAID)
def test_thoughts_are_not_said(case: str) -> None:
    text, said = SAID[case]
    assert without_thoughts(text) == (said, True)


@pytest.mark.parametrize("text", KEPT)
def test_what_only_speaks_of_a_tag_stays(text: str) -> None:
    assert without_thoughts(text) == (text, False)


def drafted(text: str, drafts: DraftFilter, size: int = 3) -> list[str]:
    """What somebody is shown of a text that comes in pieces."""
    seen: list[str] = []
    told = drafts.of(seen.append)
    for end in range(size, len(text) + size, size):
        told(text[:end])
    return seen


@pytest.mark.parametrize("case", [case for case in SAID if "<" in SAID[case][0][:1] or "[" in SAID[case][0][:1]])
@pytest.mark.parametrize("size", [1, 3, 7])
def test_no_draft_shows_an_opened_thought(case: str, size: int) -> None:
    text, said = SAID[case]
    seen = drafted(text, DraftFilter(), size)
    assert not [draft for draft in seen if any(part in draft.lower() for part in ("sec", "think", "channel", "|"))]
    assert (seen[-1] if seen else "") == said


def test_after_a_model_has_closed_what_it_had_not_opened_its_drafts_wait_for_that() -> None:
    drafts = DraftFilter()
    drafted("secret plan</think>Hello", drafts)
    assert set(drafted("secret plan</think>Hello", drafts)) <= {"", "H", "He", "Hel", "Hell", "Hello"}


@given(st.text(alphabet="ab <>/`\n[]THINKthink"), st.booleans())
def test_any_text_is_read(text: str, whole: bool) -> None:
    said, thought = without_thoughts(text, whole=whole)
    assert thought or said == text


@pytest.mark.parametrize("whole", [True, False])
def test_the_end_of_thoughts_that_have_none_is_looked_for_once(whole: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    searches = 0

    class Counting:
        def search(self, text: str, at: int) -> re.Match[str] | None:
            nonlocal searches
            searches += 1
            return CLOSE.search(text, at)

    monkeypatch.setattr(thoughts, "CLOSE", Counting())
    without_thoughts("a <think> " * 4_000, whole=whole)
    assert searches == 1
