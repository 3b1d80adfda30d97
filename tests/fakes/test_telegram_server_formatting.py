"""Parse modes and entities: https://core.telegram.org/bots/api#formatting-options."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge_mcp.testing.telegram import Refusal
from bridge_mcp.testing.telegram.formatting import cleaned, formatted
from bridge_mcp.testing.telegram.texts import Entity, Rich

OFFICIAL_V2 = r"""*bold \*text*
_italic \*text_
__underline__
~strikethrough~
||spoiler||
*bold _italic bold ~italic bold strikethrough ||italic bold strikethrough spoiler||~ __underline italic bold___ bold*
[inline URL](http://www.example.com/)
[inline mention of a user](tg://user?id=123456789)
![👍](tg://emoji?id=5368324170671202286)
`inline fixed-width code`
```
pre-formatted fixed-width code block
```
```python
pre-formatted block in Python
```
>Block quotation started
>The last line of the block quotation
"""


def parts(rich: Rich) -> list[tuple[str, str]]:
    return [(found.type, found.of(rich.text)) for found in rich.entities]


def test_the_example_of_the_documentation_in_markdown_v2() -> None:
    rich = formatted(OFFICIAL_V2, "MarkdownV2")
    found = parts(rich)
    assert ("bold", "bold *text") in found
    assert ("italic", "italic *text") in found
    assert ("underline", "underline italic bold") in found
    assert ("spoiler", "italic bold strikethrough spoiler") in found
    assert ("text_link", "inline URL") in found
    assert ("code", "inline fixed-width code") in found
    assert ("pre", "pre-formatted block in Python\n") in found
    assert ("blockquote", "Block quotation started\nThe last line of the block quotation\n") in found
    by_kind = {one.type: one for one in rich.entities}
    assert by_kind["text_mention"].user_id == 123456789
    assert by_kind["custom_emoji"].custom_emoji_id == "5368324170671202286"
    assert by_kind["pre"].language == "python"


def test_the_tags_of_html() -> None:
    source = (
        "<b>1</b><strong>2</strong><i>3</i><em>4</em><u>5</u><ins>6</ins><s>7</s><strike>8</strike><del>9</del>"
        '<span class="tg-spoiler">a</span><tg-spoiler>b</tg-spoiler><a href="http://x.test/?a=1&amp;b=2">c</a>'
        '<code>d</code><pre>e</pre><pre><code class="language-py">f</code></pre><blockquote>g</blockquote>'
        '<blockquote expandable>h</blockquote><tg-emoji emoji-id="12">i</tg-emoji> &lt;&gt;&amp;&quot;&#33;&#x21;&nbsp;'
    )
    rich = formatted(source, "HTML")
    assert rich.text == '123456789abcdefghi <>&"!!&nbsp;'
    kinds = [found.type for found in rich.entities]
    assert (
        kinds
        == (
            "bold bold italic italic underline underline strikethrough strikethrough strikethrough spoiler spoiler "
            "text_link code pre pre blockquote expandable_blockquote custom_emoji"
        ).split()
    )
    assert [found.language for found in rich.entities if found.type in ("pre", "code")] == ["", "", "py"]
    assert rich.entities[11].url == "http://x.test/?a=1&b=2"


def test_the_old_markdown_does_not_nest() -> None:
    rich = formatted("*bold _not italic_* _it_ `c*` [l](http://x.test/) ```py\ncode``` \\*", "Markdown")
    assert rich.text == "bold _not italic_ it c* l code *"
    assert parts(rich) == [
        ("bold", "bold _not italic_"),
        ("italic", "it"),
        ("code", "c*"),
        ("text_link", "l"),
        ("pre", "code"),
    ]


@pytest.mark.parametrize(
    ("mode", "text", "problem"),
    [
        ("MarkdownV2", "a.b", r"Character '.' is reserved and must be escaped with the preceding '\'"),
        ("MarkdownV2", "a > b", r"Character '>' is reserved and must be escaped with the preceding '\'"),
        ("MarkdownV2", "é *b", "Can't find end of Bold entity at byte offset 3"),
        ("MarkdownV2", "a _b", "Can't find end of Italic entity at byte offset 2"),
        ("MarkdownV2", "```py\nx", "Can't find end of PreCode entity at byte offset 0"),
        ("MarkdownV2", "[a](b", "Can't find end of a URL at byte offset 4"),
        ("MarkdownV2", "![a]", "The entity must contain a tg://emoji or tg://time URL"),
        ("MarkdownV2", ">*a\nb", "Can't find end of Bold entity at byte offset 1"),
        ("Markdown", "snake_case", "Can't find end of the entity starting at byte offset 5"),
        ("Markdown", "é [x", "Can't find end of the entity starting at byte offset 3"),
        ("HTML", "<b>x", 'Can\'t find end tag corresponding to start tag "b"'),
        ("HTML", "é<b>x</i>", 'Unmatched end tag at byte offset 6, expected "</b>", found "</i>"'),
        ("HTML", "a < b", 'Unsupported start tag "" at byte offset 2'),
        ("HTML", "<div>", 'Unsupported start tag "div" at byte offset 0'),
        ("HTML", "x</b>", "Unexpected end tag at byte offset 1"),
        ("HTML", "x <b", "Unclosed start tag at byte offset 2"),
        ("HTML", "<span>x</span>", 'Tag "span" must have class "tg-spoiler" at byte offset 0'),
    ],
)
def test_what_cannot_be_parsed(mode: str, text: str, problem: str) -> None:
    with pytest.raises(Refusal) as refused:
        formatted(text, mode)
    assert refused.value.description == f"Bad Request: can't parse entities: {problem}"


def test_an_expandable_quotation_ends_with_a_spoiler_mark() -> None:
    rich = formatted(">one\n>two||\nafter", "MarkdownV2")
    assert [one.type for one in rich.entities] == ["expandable_blockquote"]
    assert rich.text == "one\ntwo\nafter"


def test_telegram_finds_what_nobody_marked() -> None:
    rich = cleaned(formatted("/start@my_bot @alice a@b.test #tag see https://x.test/a?b=c, or /a/b"))
    assert parts(rich) == [
        ("bot_command", "/start@my_bot"),
        ("mention", "@alice"),
        ("email", "a@b.test"),
        ("hashtag", "#tag"),
        ("url", "https://x.test/a?b=c"),
    ]
    assert parts(cleaned(formatted("`@alice` /help", "Markdown"))) == [("code", "@alice"), ("bot_command", "/help")]


def test_code_holds_no_other_entity() -> None:
    marks = [{"type": "pre", "offset": 0, "length": 5}, {"type": "bold", "offset": 1, "length": 2}]
    assert parts(cleaned(formatted("abcde", "", marks))) == [("pre", "abcde")]


def test_a_quotation_may_hold_code() -> None:
    marks = [{"type": "blockquote", "offset": 0, "length": 5}, {"type": "code", "offset": 1, "length": 2}]
    assert parts(cleaned(formatted("abcde", "", marks))) == [("blockquote", "abcde"), ("code", "bc")]
    inside = [{"type": "pre", "offset": 0, "length": 5}, {"type": "blockquote", "offset": 1, "length": 2}]
    assert parts(cleaned(formatted("abcde", "", inside))) == [("pre", "abcde")]


def test_control_characters_do_not_stay() -> None:
    marks = [{"type": "bold", "offset": 3, "length": 2}]
    rich = cleaned(formatted("a\r\t\x00b\u202ec", "", marks))
    assert rich.text == "a  bc"
    assert parts(rich) == [("bold", " b")]


@given(st.text(max_size=60), st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=4))
def test_entities_of_a_cleaned_text_lie_inside_it(text: str, marks: list[tuple[int, int]]) -> None:
    rich = Rich(text, tuple(sorted((Entity("bold", *one) for one in marks), key=lambda e: (e.offset, -e.length))))
    try:
        clean = cleaned(rich)
    except Refusal:
        return
    assert all(0 <= one.offset < one.end <= clean.units for one in clean.entities)
    assert clean.text == clean.text.rstrip(" \n")


@given(
    st.text(alphabet='ab_*[]()~`>#+-=|{}.!\\\n é😀<>/&;"', max_size=40),
    st.sampled_from(["MarkdownV2", "Markdown", "HTML"]),
)
def test_no_text_breaks_a_parser(text: str, mode: str) -> None:
    try:
        rich = formatted(text, mode)
    except Refusal:
        return
    assert all(0 <= one.offset < one.end <= rich.units for one in rich.entities)
