"""Telegram cases 11, 12, 13 and 54: what belongs together is one turn."""

from __future__ import annotations

import pytest

from tests.cases.telegram_played import Played
from tests.cases.telegram_rights import Rights, case

TOGETHER = Rights()
LONG = {"from": "ann", "message": {"text": "$x4096:one two "}}
SHORT = {"from": "ann", "message": {"text": "the END"}}
FORWARD = {
    "forward_origin": {"type": "hidden_user", "date": "$now-600", "sender_user_name": "Weekly News"},
    "text": "The bridge will be closed.",
}
PICTURE = {"kind": "photo", "name": "p.png", "mime": "image/png", "png": [64, 48]}
GROUP = {"chats": {"group": {"kind": "supergroup"}}, "privacy": False, "channel": 'groups = "mention"'}


@pytest.mark.shows("chats.together")
@pytest.mark.slow
def test_what_belongs_together_is_one_turn(subtests: pytest.Subtests) -> None:
    TOGETHER.hold(subtests)


def in_order(text: str, *words: str) -> bool:
    places = [text.find(each) for each in words]
    return -1 not in places and places == sorted(places)


# -- 11: a paste that the app cut -----------------------------------------------------------------------------------


@TOGETHER.of(
    "11-long-paste-queue",
    "11-long-paste-join",
    "11-long-paste-interrupt",
    "11-long-paste-two-polls",
    "11-long-paste-two-polls-slow-interrupt",
)
def a_paste_is_one_turn_with_all_its_parts_in_order(it: Played) -> None:
    assert in_order(it.asked(-1), "alpha beta", "delta epsilon", "eta theta", "END")
    assert len(it.sent()) == 1
    assert len(it.asked(-1).encode()) > 9_000


@TOGETHER.of("11-long-paste-group")
def the_continuation_in_a_group_is_addressed_too(it: Played) -> None:
    assert in_order(it.asked(-1), "sum this up", "delta epsilon", "eta theta", "END")
    assert len(it.sent()) == 1


@TOGETHER.of("11-long-paste-question")
def a_question_gets_the_whole_paste(it: Played) -> None:
    assert it.answers[-1]["outcome"] == "answered"
    assert in_order(it.answers[-1]["text"], "alpha beta", "delta epsilon", "eta theta", "END")


@TOGETHER.of_made(
    "11 five parts a second in all",
    [{"burst": [LONG, LONG]}, {"sleep": 0.4}, {"burst": [LONG, LONG, SHORT]}, {"quiet": 2.5}],
)
def five_parts_are_one_turn(it: Played) -> None:
    assert in_order(it.asked(-1), "one two", "the END")
    assert len(it.sent()) == 1


@TOGETHER.of_made(
    "11 a cut caption and what follows it",
    [
        {"burst": [{"from": "ann", "message": {"caption": "$x1024:cap "}, "file": PICTURE}, SHORT]},
        {"quiet": 2.5},
    ],
    model="vision = true",
)
def a_caption_that_was_cut_goes_on_in_the_next_message(it: Played) -> None:
    assert in_order(it.asked(-1), "cap cap", "the END")
    assert (len(it.sent()), it.images(-1)) == (1, 1)


@TOGETHER.of_made(
    "11 another one's words between the parts",
    [
        {
            "burst": [
                {"from": "ann", "chat": "group", "message": {"text": "@loopback_test_bot"}},
                {"from": "ann", "chat": "group", "message": {"text": "$x4096:first part "}},
                {"from": "bob", "chat": "group", "message": {"text": "I am talking to Eve"}},
                {"from": "ann", "chat": "group", "message": {"text": "the END"}},
            ]
        },
        {"quiet": 2.5},
    ],
    **(GROUP | {"channel": 'groups = "always"'}),
)
def others_may_speak_between_the_parts(it: Played) -> None:
    assert in_order(it.past(-1), "first part", "the END")


# -- 12: a comment and a forward -----------------------------------------------------------------------------------


@TOGETHER.of("12-forward-comment-first", "12-forward-comment-two-polls")
def a_comment_and_its_forward_are_one_turn(it: Played) -> None:
    assert in_order(it.asked(-1), "is that true?", 'forwarded from "Weekly News"', "closed from May")
    assert len(it.sent()) == 1


@TOGETHER.of("12-forward-first")
def a_forward_and_its_comment_are_one_turn_and_eight_forwards_are_one(it: Played) -> None:
    first, second = (request["messages"][-1]["content"] for request in it.requests)
    assert in_order(first, "closed from May", "is that true?")
    assert in_order(second, *(f"Forwarded line {number}" for number in range(8)))
    assert it.answered("answer 1", "answer 2")


@TOGETHER.of_made(
    "12 in a group a comment that names the bot and its forward",
    [
        {"say": {"from": "ann", "chat": "group", "message": {"text": "@loopback_test_bot is that true?"}}},
        {"sleep": 0.3},
        {"say": {"from": "ann", "chat": "group", "message": FORWARD}},
        {"quiet": 2.5},
    ],
    **GROUP,
)
def in_a_group_the_forward_is_addressed_too(it: Played) -> None:
    assert in_order(it.asked(-1), "is that true?", "will be closed")
    assert len(it.sent()) == 1


@TOGETHER.of_made(
    "12 a forwarded picture and a comment",
    [
        {
            "burst": [
                {"from": "ann", "message": {"forward_origin": FORWARD["forward_origin"]}, "file": PICTURE},
                {"from": "ann", "message": {"text": "where is it?"}},
            ]
        },
        {"quiet": 2.5},
    ],
    model="vision = true",
)
def a_forwarded_picture_and_its_comment_are_one_turn(it: Played) -> None:
    assert "where is it?" in it.asked(-1)
    assert (len(it.sent()), it.images(-1)) == (1, 1)


@TOGETHER.of_made(
    "12 two people at once",
    [
        {"burst": [{"from": "ann", "message": {"text": "is that true?"}}, {"from": "bob", "message": FORWARD}]},
        {"quiet": 2.5},
    ],
)
def what_another_person_sends_elsewhere_joins_nothing(it: Played) -> None:
    assert len(it.sent()) == 2
    assert all("goes on" not in it.asked(number) for number in range(len(it.requests)))


# -- 13: live locations --------------------------------------------------------------------------------------------


@TOGETHER.of("13-live-location")
def a_live_location_is_one_line_with_its_last_position(it: Played) -> None:
    assert it.past(-1).count("52.569900, 13.469900") == 1
    first, *_ = it.answers[0]["messages"]
    assert first["text"] == "Live location: 52.569900, 13.469900"
    assert len(it.answers[1]["events"]) < 15


@TOGETHER.of("13-live-location-pushes-out")
def edits_push_nothing_out_of_the_request(it: Played) -> None:
    assert in_order(it.past(-1), "gate B12", "52.524900, 13.424900", "Where am I?")
    assert len(it.requests) == 3


@TOGETHER.of_made(
    "13 two live locations in a group",
    [
        {
            "say": {
                "from": "ann",
                "chat": "group",
                "message": {"location": {"latitude": 1.5, "longitude": 2.5, "live_period": 3600}},
                "as": "a",
            }
        },
        {
            "say": {
                "from": "bob",
                "chat": "group",
                "message": {"location": {"latitude": 3.5, "longitude": 4.5, "live_period": 3600}},
                "as": "b",
            }
        },
        {"quiet": 1.5},
        {"live": {"of": "a", "count": 60}},
        {"live": {"of": "b", "count": 60}},
        {"drained": True},
        {"say": {"from": "ann", "chat": "group", "message": {"text": "@loopback_test_bot where are we?"}}},
        {"quiet": 2},
    ],
    **GROUP,
)
def each_live_location_has_its_own_line(it: Played) -> None:
    assert it.past(-1).count("Live location: 52.505900, 13.405900") == 2
    assert it.past(-1).count("Live location") == 2


@TOGETHER.of_made(
    "13 a relay, and an end",
    [
        {
            "say": {
                "from": "ann",
                "message": {"location": {"latitude": 1.5, "longitude": 2.5, "live_period": 3600}},
                "as": "a",
            }
        },
        {"quiet": 1},
        {"live": {"of": "a", "count": 40}},
        {"drained": True},
        {"sleep": 7},
        {"mcp": ["read_messages", {"conversation": "$conv:ann"}]},
        {"say": {"from": "ann", "message": {"location": {"latitude": 9.5, "longitude": 8.5}}, "edit_of": "a"}},
        {"quiet": 1},
        {"mcp": ["read_messages", {"conversation": "$conv:ann"}]},
        {"mcp": ["wait_for_events", {"after": 0, "limit": 500, "timeout_s": 1}]},
    ],
    responder="relay",
)
def the_last_position_is_soon_there_for_a_relay_too(it: Played) -> None:
    moving, ended, events = it.answers
    assert [each["text"] for each in moving["messages"]] == ["Live location: 52.503900, 13.403900"]
    assert [each["text"] for each in ended["messages"]] == ["Location: 9.500000, 8.500000"]
    assert len(events["events"]) < 10


# -- 54: a picture and its question --------------------------------------------------------------------------------


@TOGETHER.of("54-paste-with-attachment-and-caption")
def a_picture_and_its_question_are_one_turn(it: Played) -> None:
    assert it.answered("answer 1", "answer 2")
    for number in (0, -1):
        assert "what is on it?" in it.asked(number)
        assert it.images(number) == 1


@TOGETHER.of_made(
    "54 the question first",
    [
        {
            "burst": [
                {"from": "ann", "message": {"text": "what is on it?"}},
                {"from": "ann", "message": {}, "file": PICTURE},
            ]
        },
        {"quiet": 2.5},
    ],
    model="vision = true",
)
def the_picture_may_come_behind_its_question(it: Played) -> None:
    assert "what is on it?" in it.asked(-1)
    assert (len(it.sent()), it.images(-1)) == (1, 1)


@TOGETHER.of_made(
    "54 the question 0.7 s later, interrupting",
    **case(
        "54-paste-with-attachment-and-caption",
        channel='while_busy = "interrupt"',
        steps=[
            {"say": {"from": "ann", "message": {}, "file": PICTURE}},
            {"sleep": 0.7},
            {"say": {"from": "ann", "message": {"text": "what is on it?"}}},
            {"quiet": 2},
        ],
    ),
)
def the_question_may_come_later(it: Played) -> None:
    assert it.images(-1) == 1
    assert len(it.sent()) == 1
