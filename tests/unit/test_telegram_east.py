"""Emphasis in East Asian texts, bars, and how much work a long text makes."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge_mcp.channels.telegram.text.chunks import CHUNK, chunks
from bridge_mcp.channels.telegram.text.marked_text import Rich
from bridge_mcp.channels.telegram.text.render import Renderer

RENDERER = Renderer()


def marked(rich: Rich) -> list[tuple[str, str]]:
    return [(mark.kind, rich.text[mark.start : mark.end]) for mark in rich.marks]


@pytest.mark.parametrize(
    ("markdown", "text", "kind", "words"),
    [
        ("**重要：**请注意。", "重要：请注意。", "bold", "重要："),
        ("**「引用」**は大切です。", "「引用」は大切です。", "bold", "「引用」"),
        ("**마크다운(Markdown)**의 예", "마크다운(Markdown)의 예", "bold", "마크다운(Markdown)"),
        ("~~删除（旧）。~~这个", "删除（旧）。这个", "strikethrough", "删除（旧）。"),
        ("*「斜体」*です", "「斜体」です", "italic", "「斜体」"),
        ("_「斜体」_です", "「斜体」です", "italic", "「斜体」"),
        ("这是**“重点”**内容。", "这是“重点”内容。", "bold", "“重点”"),
        ("这是_重点_吗", "这是重点吗", "italic", "重点"),
    ],
)
def test_emphasis_beside_east_asian_punctuation(markdown: str, text: str, kind: str, words: str) -> None:
    rich = RENDERER.render(markdown)
    assert (rich.text, marked(rich)) == (text, [(kind, words)])


@pytest.mark.parametrize("markdown", ["变量foo_bar_baz的", "`**重要：**请`", "三 * 四 * 五", "**重要：请注意。"])
def test_what_is_no_emphasis_stays(markdown: str) -> None:
    assert RENDERER.render(markdown).text == markdown.strip("`")
    assert "bold" not in dict(marked(RENDERER.render(markdown)))


def test_bars_without_a_partner_hide_nothing_and_are_not_lost() -> None:
    assert RENDERER.render("||a||b||") == Rich("||a||b||")
    both = RENDERER.render("a || b and ||hidden||")
    assert (both.text, marked(both)) == ("a || b and hidden", [("spoiler", "hidden")])


@given(
    st.lists(
        st.sampled_from(["**", "*", "~~", "_", "重要", "：", "。", "「", "」", "a", " ", "\n\n", "`"]), max_size=30
    )
)
@settings(max_examples=60, deadline=None)
def test_no_character_is_lost(pieces: Sequence[str]) -> None:
    rich = RENDERER.render("".join(pieces))
    left = "".join(piece for piece in pieces if piece not in ("**", "*", "~~", "_", "`", " ", "\n\n"))
    there = iter(rich.text)
    assert all(char in there for char in left)
    assert "\x1e" not in rich.text


class Counting(Renderer):
    """Notes how long the texts are that are rendered in one go."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def _of(self, source: str) -> Rich:
        self.sizes.append(len(source))
        return Rich(source)


@pytest.mark.parametrize("line", ["*a " * 40, "||a ||b", "[a](", "plain words here", "```py\nx = 1\n```\n"])
def test_the_work_grows_with_the_length_and_no_faster(line: str) -> None:
    for size in (25_000, 100_000):
        renderer = Counting()
        source = f"{line}\n" * (size // (len(line) + 1))
        renderer.render(source)
        assert max(renderer.sizes) <= CHUNK + 100
        assert sum(renderer.sizes) <= 1.1 * len(source)


def test_one_endless_line_comes_in_chunks_too() -> None:
    assert max(len(chunk) for chunk in chunks("*a " * 30_000)) <= CHUNK


def test_a_code_block_over_several_chunks_is_one() -> None:
    rich = RENDERER.render("before\n\n```py\n" + "x = 1\n" * 5_000 + "```\n\nbehind")
    assert [(mark.kind, mark.language) for mark in rich.marks] == [("pre", "py")]
    assert rich.text.count("x = 1") == 5_000
    assert "```" not in rich.text
