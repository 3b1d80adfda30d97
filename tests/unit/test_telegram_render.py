"""Markdown as models write it, rendered for Telegram."""

from __future__ import annotations

import re

import pyromark
import pytest
from hypothesis import example, given, settings
from telegramify_markdown.converter import STANDARD_OPTIONS

from bridge_mcp.channels.telegram.text.east_asian import eastern
from bridge_mcp.channels.telegram.text.marked_text import LITERAL, Mark, Rich, cleaned, visible
from bridge_mcp.channels.telegram.text.render import Renderer
from tests.unit.telegram_texts import any_text, markdown

RENDERER = Renderer()
render = RENDERER.render


def marked(rich: Rich, kind: str) -> list[str]:
    return [rich.text[mark.start : mark.end] for mark in rich.marks if mark.kind == kind]


def urls(rich: Rich) -> dict[str, str]:
    return {rich.text[mark.start : mark.end]: mark.url for mark in rich.marks if mark.url}


def squeezed(text: str) -> str:
    return "".join(text.split())


def is_within(piece: str, text: str) -> bool:
    """Whether all characters of one text stand in another one, in order, white space aside."""
    there = iter(squeezed(text))
    return all(char in there for char in squeezed(piece))


@pytest.mark.parametrize(
    ("source", "kind", "expected"),
    [
        ("**bold** and __bold__", "bold", ["bold", "bold"]),
        ("*it* and _it_", "italic", ["it", "it"]),
        ("~~gone~~ but ~not~", "strikethrough", ["gone"]),
        ("||psst||", "spoiler", ["psst"]),
        ("`a * b`", "code", ["a * b"]),
        ("> one\n> two", "blockquote", ["one\ntwo"]),
        ("# Head", "bold", ["Head"]),
        ("# **Head**", "bold", ["Head"]),
        ("**a `b` c**", "bold", ["a ", " c"]),
        ("| a | b |\n|---|---|\n| 1 | 22 |", "pre", ["a | b \n--+---\n1 | 22"]),
    ],
)
def test_marks(source: str, kind: str, expected: list[str]) -> None:
    assert marked(render(source), kind) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", ""),
        ("plain text, nothing else: it's 5 (five).", "plain text, nothing else: it's 5 (five)."),
        ("unclosed **bold and `code and [link](http://x", "unclosed **bold and `code and [link](http://x"),
        ("a <b>word</b> of <!-- HTML -->", "a <b>word</b> of <!-- HTML -->"),
        ("<details>\n<summary>S</summary>\nhidden\n</details>", "<details>\n<summary>S</summary>\nhidden\n</details>"),
        ("one<br>two<br/>three", "one\ntwo\nthree"),
        ("| a |\n|---|\n| b<br>c |", "a  \n---\nb c"),
        ("if (a || b) { return c || d }", "if (a || b) { return c || d }"),
        ("|a|b|c|\n|-|-|-|\n|1||3|", "a | b | c\n--+---+--\n1 |   | 3"),
        ("$HOME/$PATH costs $5 or $6", "$HOME/$PATH costs $5 or $6"),
        ("\\(\\frac{1}{2}\\)", "½"),
        ("[docs](./README.md) and [mail](mailto:a@b.example)", "docs (./README.md) and mail (a@b.example)"),
        ("![](https://example.com/x.png)", "https://example.com/x.png"),
        (
            "|l|\n|-|\n|[w](https://example.com)|",
            "l                      \n-----------------------\nw (https://example.com)",
        ),
        ("[note]: this stays", "[note]: this stays"),
        ("see\n\n[1]: https://example.com", "see\n\n[1]: https://example.com"),
        ("```hello there", "hello there"),
        ("- a\n  - b\n- [ ] c\n- [x] d\n", "• a\n  • b\n☐ c\n☑ d"),
        ("3. c\n4. d", "3. c\n4. d"),
        ("a\r\nb\rc\u2028d\te", "a\nb\nc\nd   e"),
        ("nul\x00 esc\x1b[0m", "nul  esc [0m"),
        ("cafe\u0301 A\u030angstro\u0308m", "cafe\u0301 Ångstro\u0308m"),
        ("half \ud83d pair", "half \ufffd pair"),
        ("&lt;tag&gt; &copy;", "<tag> ©"),
    ],
)
def test_texts(source: str, expected: str) -> None:
    assert render(source).text == expected


def test_links() -> None:
    text = "[one](https://example.com) [`two`](http://example.org/x) [a][r] [tg](tg://user?id=1) <https://auto.example>"
    rich = render(text + "\n\n[r]: https://ref.example")
    assert urls(rich) == {
        "one": "https://example.com",
        "two": "http://example.org/x",
        "a": "https://ref.example",
        "tg": "tg://user?id=1",
    }
    assert rich.text == "one two a tg https://auto.example"


@pytest.mark.parametrize(
    "address", ["http://localhost:1/x", "javascript:alert(1)", "#top", "https://", "x y", "ftp://a.b"]
)
def test_a_link_that_telegram_refuses_is_written_out(address: str) -> None:
    rich = render(f"[here](<{address}>)")
    assert rich == Rich(f"here ({address})")


def test_fences_keep_their_language_and_their_indentation() -> None:
    rich = render("```python\n    x = 1\n\n    y\n```\n")
    assert rich == Rich("    x = 1\n\n    y", (Mark("pre", 0, 16, language="python"),))


def test_what_else_a_fence_says_stands_above_it() -> None:
    rich = render('Look:\n```rust,ignore title="a"\nfn\n```')
    assert rich.text == 'Look:\nignore title="a"\nfn'
    assert [(mark.kind, mark.language) for mark in rich.marks] == [("pre", "rust")]
    assert marked(rich, "pre") == ["fn"]


def test_quotations_hold_no_quotations_and_long_ones_fold() -> None:
    assert marked(render("> a\n>\n> > b\n"), "blockquote") == ["a\n\nb"]
    (mark,) = render("> " + "word " * 100).marks
    assert mark.kind == "expandable_blockquote"


def test_plain_text_needs_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = Renderer()
    monkeypatch.setattr("bridge_mcp.channels.telegram.text.render.libraries", lambda: pytest.fail("loaded"))
    assert (
        fresh.render("Hello, world.\n\nA second paragraph: fine?").text == "Hello, world.\n\nA second paragraph: fine?"
    )


def test_what_the_library_loses_or_breaks_on_is_sent_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def loses(_: str) -> tuple[str, list[object]]:
        return "something else", []

    def breaks(_: str) -> tuple[str, list[object]]:
        raise IndexError

    for convert in (loses, breaks):
        broken = Renderer()
        broken.render("**load**")
        monkeypatch.setattr(broken, "_convert", convert)
        assert broken.render("some **text**") == Rich("some **text**")


def shown(source: str) -> str:
    """What CommonMark shows of a text, by the parser: text, code and tags, in order; formulas and `<br>` are none."""
    events = pyromark.events_with_range(source, options=STANDARD_OPTIONS)
    payloads = [payload for payload, _ in events if isinstance(payload, dict)]
    pieces = [
        str(payload.get("Text") or payload.get("Code") or payload.get("InlineHtml") or "") for payload in payloads
    ]
    return "".join(piece for piece in pieces if not piece.lower().startswith("<br"))


@pytest.mark.shows("chats.markdown")
@settings(max_examples=400, deadline=None)
@given(markdown(formulas=False))
@example("[r]: <x>\n[r]: https://y.example\n\n[r]")
@example("|a|\n|-|\n|<b>[x](y)|")
@example("<div>\n<p>\n<i>\n```\n<b>\n```")
@example("가_**bold**_\n")
def test_any_markdown_is_rendered_without_loss(source: str) -> None:
    """Lossless: every character that CommonMark shows stands in the result, in order, white space aside.

    Where the library cannot do that, the Markdown itself is the result. Bars that make a spoiler and tags that break a
    line are marks, no text; nor are the signs of emphasis beside East Asian letters, where CommonMark sees none.
    """
    rich = render(source)
    if squeezed(rich.text) != squeezed(cleaned(source)):
        marks = r"[|*_~]" if eastern(cleaned(source)) else r"\|"
        assert is_within(re.sub(marks, "", shown(cleaned(source))), rich.text.replace("|", ""))
    if visible(cleaned(source)):
        assert visible(rich.text)


@settings(max_examples=400, deadline=None)
@given(markdown())
def test_marks_are_as_telegram_wants_them(source: str) -> None:
    rich = render(source)
    for mark in rich.marks:
        assert 0 <= mark.start < mark.end <= len(rich.text)
        assert rich.text[mark.start : mark.end].strip()
        for other in rich.marks:
            apart = mark.end <= other.start or other.end <= mark.start
            assert (
                apart
                or (mark.start <= other.start and other.end <= mark.end)
                or (other.start <= mark.start and mark.end <= other.end)
            )
            if not apart and other is not mark and mark.kind in LITERAL:
                assert other.kind in ("blockquote", "expandable_blockquote")
    assert rich.marks == tuple(sorted(rich.marks, key=lambda mark: (mark.start, -mark.end)))


@settings(max_examples=300, deadline=None)
@given(any_text())
def test_any_text_is_rendered_and_renders_again_the_same(source: str) -> None:
    rich = render(source)
    assert rich == Renderer().render(source)
    assert rich.text == cleaned(rich.text)
    if visible(cleaned(source)):
        assert visible(rich.text)
