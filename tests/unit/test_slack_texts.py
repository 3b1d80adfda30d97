"""Markdown as Slack's rich text, cut into messages; and Slack's markup as Markdown."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge_mcp.channels.slack.send.requests import Post, blocks_of, cut
from bridge_mcp.channels.slack.text.mrkdwn import bare, escaped, mentioned, read
from bridge_mcp.channels.slack.text.rich_text import Json, Renderer, plain
from bridge_mcp.channels.slack.text.split import MAX_TEXT, split
from bridge_mcp.channels.slack.web import waited
from bridge_mcp.core.entries import Button
from bridge_mcp.ports import Edit, Outgoing
from tests.servers.slack.blocks import MAX_TOGETHER, length, pings, wrong

MARKDOWN = st.text(alphabet=st.sampled_from("ab *_`~#>-+1.[]()!|<@&\n\t\\:/é漢"), max_size=400)


def rendered(markdown: str) -> list[Json]:
    return Renderer().render(markdown)


@pytest.mark.parametrize(
    ("markdown", "made"),
    [
        ("**a** _b_ ~~c~~ `d`", [("a", "bold"), (" ", ""), ("b", "italic"), (" ", ""), ("c", "strike"), (" ", ""),
                                 ("d", "code")]),
        ("# Head", [("Head", "bold")]),
        ("one\ntwo", [("one\ntwo", "")]),
        ("one\n\ntwo", [("one", ""), ("\n\n", ""), ("two", "")]),
        ("[words](ftp://x)", [("words (ftp://x)", "")]),
        ("a <b>c</b>", [("a <b>c</b>", "")]),
    ],
)  # fmt: skip
def test_what_markdown_becomes(markdown: str, made: list[tuple[str, str]]) -> None:
    (section,) = rendered(markdown)
    assert [(each["text"], next(iter(each.get("style", {})), "")) for each in section["elements"]] == made


def test_blocks_of_markdown() -> None:
    kinds = [each["type"] for each in rendered("text\n\n- a\n  - b\n- c\n\n> q\n\n```py\nx\n```\n\n1. one\n2. two")]
    assert kinds == [
        "rich_text_section",
        "rich_text_list",
        "rich_text_list",
        "rich_text_list",
        "rich_text_quote",
        "rich_text_preformatted",
        "rich_text_list",
    ]
    (table,) = rendered("| a | b |\n|---|---|\n| 1 | 22 |")
    assert table["elements"][0]["text"] == "a | b\n--+---\n1 | 22"


@given(MARKDOWN)
@settings(max_examples=300, deadline=None)
def test_slack_takes_whatever_a_model_writes_and_it_calls_nobody(markdown: str) -> None:
    for pieces in split(rendered(markdown)):
        blocks = list(blocks_of(pieces, ()))
        assert wrong(blocks) == ""
        assert length(blocks) <= MAX_TOGETHER
        assert pings(escaped(plain(pieces)), blocks) == []


@given(st.lists(st.sampled_from(["word", "- item", "1. first", "```\ncode\n```", "> quote", "**b**"]), max_size=60))
@settings(max_examples=60, deadline=None)
def test_cutting_loses_no_word_and_keeps_the_order(lines: list[str]) -> None:
    pieces = rendered("\n\n".join(f"{line}{at}" if "`" not in line else line for at, line in enumerate(lines)))
    cut_up = [piece for message in split(pieces, 40) for piece in message]
    signs = str.maketrans("", "", "•0123456789. \n")
    assert plain(cut_up).translate(signs) == plain(pieces).translate(signs)


def test_a_long_word_and_long_code_fit() -> None:
    for text in ("x" * 9000, "```\n" + "y = 1\n" * 2000 + "```", "- " + "z " * 5000):
        messages = split(rendered(text))
        assert len(messages) > 1
        assert all(sum(len(plain([piece])) for piece in each) <= MAX_TEXT for each in messages)
        assert "".join(plain(each) for each in messages).count("z") == text.count("z")


@pytest.mark.parametrize("text", ["<!channel> <@U123> <!here|x> & <https://x.example>", "@everyone <#C1>"])
def test_model_text_calls_nobody(text: str) -> None:
    (part,) = cut(Outgoing("C1", text, key="k"), Renderer())
    assert isinstance(part.body, Post)
    assert pings(part.body.text, list(part.body.blocks)) == []
    assert text.replace("<https://x.example>", "https://x.example") in plain(list(part.body.blocks[0]["elements"]))


def test_the_same_action_gives_the_same_parts_and_buttons_stand_on_the_last() -> None:
    action = Outgoing("C1", "word " * 3000, buttons=(Button("Yes", "/yes", "t1"),), key="c#1")
    parts = cut(action, Renderer())
    assert parts == cut(action, Renderer())
    bodies = [part.body for part in parts]
    assert [getattr(body, "key", "") for body in bodies] == [f"c#1:{at}" for at in range(len(bodies))]
    with_buttons = [at for at, body in enumerate(bodies) if isinstance(body, Post) and len(body.blocks) > 1]
    assert with_buttons == [len(bodies) - 1]


def test_an_edit_that_does_not_fit_into_its_messages_is_refused() -> None:
    (part,) = cut(Edit("C1", ("1.0",), "word " * 3000), Renderer())
    assert "takes" in str(part.body)


def name_of(user: str) -> str:
    return {"U1": "ann"}.get(user, user)


@pytest.mark.parametrize(
    ("slack", "markdown"),
    [
        ("*bold* _it_ ~no~ `a*b*`", "**bold** _it_ ~~no~~ `a*b*`"),
        ("hi <@U1> and <@U2|bob>", "hi @ann and @bob"),
        ("<#C1|general> <!here> <!subteam^S1|@team>", "#general @here @team"),
        (
            "<https://x.example/a?b=1&amp;c|words> <https://y.example>",
            "[words](https://x.example/a?b=1&c) https://y.example",
        ),
        ("a &lt;b&gt; &amp;amp; c", "a <b> &amp; c"),
        ("```x = *1* &lt; 2```", "```x = *1* < 2```"),
        ("2*3*4 snake_case", "2*3*4 snake_case"),
    ],
)
def test_what_people_write_as_markdown(slack: str, markdown: str) -> None:
    assert read(slack, name_of) == markdown


def test_our_name_in_front_goes() -> None:
    assert bare("<@U9> /status now", "U9", name_of) == "/status now"
    assert bare("hey <@U9>", "U9", name_of) == ""
    assert list(mentioned("<@U9|x> <@U1>")) == ["U9", "U1"]


def test_a_command_is_taken_as_it_was_written() -> None:
    written = '/edit AB12 {"glob": "*x*", "old": "~y~", "url": "<https://x.org/?a&amp;b|x.org>"}'
    meant = '/edit AB12 {"glob": "*x*", "old": "~y~", "url": "https://x.org/?a&b"}'
    assert read(written, str) == meant
    assert bare(f"<@U9> {written}", "U9", str) == meant


def test_nobody_writes_into_others_texts_by_their_own_name() -> None:
    """Whoever mentions somebody in a command's arguments wrote an id; the name is that person's choice."""
    for mention in ("<@U1>", '<@U1|Bob", "path": "/etc">'):
        told = read(f'/edit AB12 {{"text": "for {mention}"}}', lambda _: 'Bob", "path": "/etc\\\n')
        assert list(json.loads(told.removeprefix("/edit AB12 "))) == ["text"]


@pytest.mark.parametrize(
    ("told", "waits"), [("30", 30.0), ("nan", 1.0), ("-5", 0.0), ("1e999", 3600.0), ("86400", 3600.0), ("soon", 1.0)]
)
def test_a_wait_is_a_time_and_no_longer_than_an_hour(told: str, waits: float) -> None:
    assert waited({"Retry-After": told}) == waits
