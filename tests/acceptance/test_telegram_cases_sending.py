"""Telegram cases 15, 32 to 35, 52, 60, 61 and 63: how what the bot says stands in a chat, whole and with its marks."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cases.telegram_played import Played
from tests.cases.telegram_rights import Rights
from tests.servers.telegram.state import MessageState

SENDING = Rights()
HELLO: list[Any] = [{"say": {"from": "ann", "message": {"text": "hello"}}}, {"quiet": 1}]


@pytest.mark.slow
def test_what_the_bot_says_stands_whole(subtests: pytest.Subtests) -> None:
    SENDING.hold(subtests)


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def marks(message: MessageState) -> list[tuple[str, str]]:
    """The marks of a message, each with its words."""
    text, entities = message.wire.get("text", ""), message.wire.get("entities", [])
    data = text.encode("utf-16-le")
    return [(e["type"], data[2 * e["offset"] : 2 * (e["offset"] + e["length"])].decode("utf-16-le")) for e in entities]


def sends(*texts: str) -> list[Any]:
    """Steps that send these texts."""
    calls = [{"mcp": ["send_message", {"conversation": "$conv:ann", "text": text}]} for text in texts]
    return [*HELLO, *calls, {"quiet": 1}]


# -- 15, 32, 52: Markdown ------------------------------------------------------------------------------------------


@SENDING.of("15-cjk-bold")
def marks_beside_punctuation_of_the_east_are_marks(it: Played) -> None:
    answer, sent = it.chats["ann"]
    assert answer.wire["text"].startswith("重要：请注意。\n\n「引用」は大切です。")
    assert marks(answer) == [
        ("bold", "重要："), ("bold", "「引用」"), ("bold", "마크다운(Markdown)"), ("strikethrough", "删除（旧）。"),
        ("bold", "bold."), ("bold", "粗体"), ("italic", "「斜体」"), ("bold", "“重点”"),
    ]  # fmt: skip
    assert marks(sent) == marks(answer)[:4]


@SENDING.of_made(
    "15 an edit, an italic, a link's words and bars beside Thai and full-width signs",
    [
        *HELLO,
        {"mcp": ["edit_message", {"message": "$conv:ann#2", "text": "edit: **重要：**请注意。"}]},
        {
            "mcp": [
                "send_message",
                {"conversation": "$conv:ann", "text": "*「斜」*だ。~~！~~字 **（a）**b ||秘密。||字 **ไทย!**ไทย"},
            ]
        },
        {"quiet": 1},
    ],
)
def edits_and_all_kinds_of_marks_keep_them_too(it: Played) -> None:
    edited, sent = it.chats["ann"]
    assert marks(edited) == [("bold", "重要：")]
    assert sent.wire["text"] == "「斜」だ。！字 （a）b 秘密。字 ไทย!ไทย"
    kinds = [("italic", "「斜」"), ("strikethrough", "！"), ("bold", "（a）"), ("spoiler", "秘密。"), ("bold", "ไทย!")]
    assert marks(sent) == kinds


@SENDING.of("32-outgoing-markdown")
def markdown_of_every_kind_stands_as_it_was_meant(it: Played) -> None:
    (answer,) = it.chats["ann"]
    text: str = answer.wire["text"]
    for words in (
        "Title\n", "Name        | Price\n", "• one\n  • two\n    • three\n      1. four\n☐ open\n☑ done",
        "E=mc² and a_1+b_2, costs $5 and $6.", "∫₀¹ x² dx = ⅓", "https://example.org/a_(b)", "snake_case_name",
    ):  # fmt: skip
        assert words in text, words
    links = {e["url"] for e in answer.wire["entities"] if "url" in e}
    assert links == {"https://en.wikipedia.org/wiki/Foo_(bar)", "https://example.org/a.png"}


@SENDING.of("52-outgoing-variants")
def no_character_is_lost(it: Played) -> None:
    shown = [(str(each.wire["text"]), marks(each)) for each in it.chats["ann"] if each.wire["text"] != "answer 1"]
    texts = [text for text, _ in shown]
    assert "<b>bold</b> and <i>it</i>" in texts[0]
    assert ("both bold inner bold init and code with **stars** and *escaped* _x_") == texts[1]
    assert ("pre", "unclosed fence\nx = 1") in shown[2][1]
    for text in (
        "**", "#", "• \n•", "———", "https://example.org/a.png", "||a||b||", "1. not a list", "**unclosed bold", "abc",
        "wordboldword 和粗字", "Line one\nLine two\nLine three\nLine four", "areversed b ⁦x⁩",
        "<tool_call>x</tool_call> <think>secret</think> done", "5 < 6 && 7 > 3, List<String> x = new ArrayList<>();",
        "[1] citation and [2](https://example.org/a b) and [x]: y", "☑ done\n  ☐ sub\n    • deep\n      • deeper",
    ):  # fmt: skip
        assert text.replace("areversed", "a‮reversed‬") in texts or text in texts, text
    assert [each["ERROR"] for each in it.answers if "ERROR" in each] == [
        "The message is empty. Pass a text, or at least one file."
    ]


@SENDING.of_made(
    "52 bars, tildes and stars that mark nothing",
    sends(
        "a || b || c",
        "||a|| and |b|",
        "~a~ ~~~b",
        "2 * 3 * 4 and a*b*c*",
        "__x",
        "`a",
        "\\*\\*a\\*\\*",
        "| a | b",
        "[a]()",
    ),
)
def what_marks_nothing_stays(it: Played) -> None:
    first, second, third, product, under, tick, escaped, table, link = it.shown("ann")[1:]
    assert first == "a || b || c"
    assert (second, marks(it.chats["ann"][2])) == ("a and |b|", [("spoiler", "a")])
    assert third.replace("~", "") == "a b"
    assert product.replace("*", "").replace(" ", "") == "234andabc"
    assert (under, tick, escaped, table, link[0]) == ("__x", "`a", "**a**", "| a | b", link[0])
    assert "a" in link


# -- 33, 34, 35: long texts ----------------------------------------------------------------------------------------


@SENDING.of("33-long-code")
def long_code_is_cut_at_lines_and_loses_nothing(it: Played) -> None:
    *code, first, second = it.chats["ann"]
    whole = "\n".join(str(each.wire["text"]) for each in code)
    assert all(f"value_{number} = {number}  # line {number}\n" in f"{whole}\n" for number in range(320))
    assert all(marks(each)[-1][0] == "pre" for each in code)
    assert all(units(str(each.wire["text"])) <= 4096 for each in [*code, first, second])
    assert (units(first.wire["text"]), first.wire["text"] + second.wire["text"]) == (4096, "x" * 5000)


@SENDING.of("34-border-4096")
def no_character_is_cut_in_two_at_the_border(it: Played) -> None:
    texts = it.shown("ann")[1:]
    assert all(units(text) <= 4096 for text in texts)
    assert texts[1::2][:4] == ["😀tail", "👨‍👩‍👧‍👦tail", "🇩🇪🇫🇷tail", "e\u0301tail"]
    assert marks(it.chats["ann"][-1]) == [("bold", "bold😀text over the border")] or it.shown("ann")[-1].startswith(
        "bold😀"
    )


@SENDING.of("35-caption-3000")
def what_a_caption_cannot_hold_goes_before_its_file(it: Played) -> None:
    _, text, file, captioned = it.chats["ann"]
    assert len(text.wire["text"]) == 2999
    assert ("document" in file.wire, file.wire.get("caption")) == (True, None)
    assert captioned.wire["caption"] == "code"
    assert [each["parts"] for each in it.answers] == [["3", "4"], ["5"]]


@SENDING.of_made(
    "35 captions at their border",
    [
        *HELLO,
        {"outbox": {"name": "a.txt", "text": "x"}},
        *(
            {"mcp": ["send_message", {"conversation": "$conv:ann", "text": text, "files": ["$outbox/a.txt"]}]}
            for text in ("a" * 1024, "a" * 1023 + "😀", f"**{'b' * 1024}**")
        ),
        {"quiet": 1},
    ],
)
def a_caption_of_1024_units_is_one_message(it: Played) -> None:
    assert [len(each["parts"]) for each in it.answers] == [1, 2, 1]
    assert all(units(str(each.wire.get("caption") or "")) <= 1024 for each in it.chats["ann"])


# -- 60: drafts ----------------------------------------------------------------------------------------------------


@SENDING.of("60-draft-that-grows")
def a_draft_grows_and_the_answer_stands_whole(it: Played) -> None:
    drafts = it.sent("sendmessagedraft")
    assert len({each["draft_id"] for each in drafts}) == 1
    assert len(drafts) >= 3
    assert all(0 < units(each["text"]) <= 4096 for each in drafts)
    assert not it.sent("sendmessagedraft", refused=True)
    assert len(it.shown("ann")) == 3
    assert it.shown("ann")[0].startswith("Here is the plan:\n\nx = 1  # step\n")


@SENDING.of("60-draft-in-private-topic")
def drafts_and_the_answer_stand_in_their_topic(it: Played) -> None:
    drafts, (answer,) = it.sent("sendmessagedraft"), it.sent()
    assert {each["message_thread_id"] for each in [*drafts, answer]} == {7}
    assert len(drafts) >= 2
    assert not it.sent("sendmessagedraft", refused=True)


# -- 61, 63: edits and reactions -----------------------------------------------------------------------------------


@SENDING.of("61-react-and-edit")
def reactions_and_edits_are_told_as_they_went(it: Played) -> None:
    thumb, tick, none, longer, shorter, late = it.answers
    assert [each["status"] for each in (thumb, tick, none)] == ["sent", "failed", "sent"]
    assert tick["reason"].startswith("'✅' is not a reaction that 'tg/5000001' allows.")
    assert (longer["parts"], shorter["parts"]) == (["2", "3"], ["2"])
    assert it.shown("ann") == ["short again"]
    assert late["status"] == "failed"
    assert "Send a new one." in late["reason"]


@SENDING.of("63-edit-long-then-short")
def what_stands_after_edits_is_the_last_text(it: Played) -> None:
    assert it.shown("ann") == ["shorter still"]
    assert [each["parts"] for each in it.answers] == [["2", "3"], ["2"], ["2"]]


@SENDING.of("63-send-long-then-short")
def what_was_sent_long_shrinks_to_one_message(it: Played) -> None:
    assert it.shown("ann") == ["answer 1", "short"]


EDIT = "$conv:ann#2"


def edits(*texts: str) -> list[Any]:
    return [{"mcp": ["edit_message", {"message": EDIT, "text": text}]} for text in texts]


@SENDING.of_made(
    "63 grows, grows more, and shrinks to two", [*HELLO, *edits("a" * 5000, "b" * 9000, "c" * 5000), {"quiet": 2}]
)
def an_edit_may_grow_and_shrink_by_parts(it: Played) -> None:
    assert "".join(it.shown("ann")) == "c" * 5000
    assert len(it.shown("ann")) == 2


@SENDING.of_made(
    "63 somebody writes between the parts, and a part was deleted",
    [
        *HELLO,
        *edits("a" * 5000),
        {"say": {"from": "ann", "message": {"text": "well"}}},
        {"quiet": 1},
        *edits("b" * 5001, "short"),
        {"quiet": 2},
    ],
)
def what_others_said_between_stays(it: Played) -> None:
    assert it.shown("ann") == ["short", "answer 2"]


@SENDING.of_made(
    "63 the rest cannot be deleted",
    [
        *HELLO,
        *edits("a" * 5000),
        {
            "fault": {
                "code": 400,
                "description": "Bad Request: message can't be deleted for everyone",
                "method": "deleteMessage",
            }
        },
        *edits("short"),
        {"quiet": 2},
    ],
)
def what_cannot_be_deleted_says_nothing_stale(it: Played) -> None:
    assert it.shown("ann")[0] == "short"
    assert all("a" not in text for text in it.shown("ann")[1:])


@SENDING.of_made("63 the same text again, and other buttons", [*HELLO, *edits("new", "new"), {"quiet": 1}])
def the_same_again_is_no_failure(it: Played) -> None:
    assert [each["status"] for each in it.answers] == ["sent", "sent"]
    assert it.shown("ann") == ["new"]


@SENDING.of_made(
    "61 reactions of other kinds",
    [
        *HELLO,
        *(
            {"mcp": ["react", {"message": "$conv:ann#0", "emoji": emoji}]}
            for emoji in ("❤️", "❤", "👍🏽", "5368324170671202286", "x")
        ),
        {"quiet": 1},
    ],
)
def hearts_in_either_spelling_are_taken(it: Played) -> None:
    assert [each["status"] for each in it.answers[:2]] == ["sent", "sent"]
    assert it.answers[-1]["status"] == "failed"
