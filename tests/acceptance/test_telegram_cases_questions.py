"""Telegram cases 58 and 59: what answers an open question."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cases.telegram_played import Played
from tests.cases.telegram_rights import Rights

QUESTIONS = Rights()
GROUP: dict[str, Any] = {"chats": {"group": {"kind": "supergroup"}}, "privacy": False, "channel": 'groups = "mention"'}


@pytest.mark.shows("chats.questions")
@pytest.mark.slow
def test_what_answers_a_question(subtests: pytest.Subtests) -> None:
    QUESTIONS.hold(subtests)


@QUESTIONS.of("58-question-in-a-group")
def what_is_not_for_the_bot_answers_no_question(it: Played) -> None:
    waited = [each for each in it.answers if "state" in each]
    assert all(each["state"] == "open" for each in waited)
    assert len(waited) == 8


def asked_in_a_group(*after: Any, **more: Any) -> list[Any]:
    question = {"conversation": "$conv:group", "question": "When?", "idempotency_key": "k"} | more
    return [
        {"say": {"from": "ann", "chat": "group", "message": {"text": "@loopback_test_bot hello"}}},
        {"quiet": 0.6},
        {"mcp": ["ask_user", question]},
        {"quiet": 0.5},
        {"bot_label": {"chat": "group", "as": "q"}},
        *after,
        {"quiet": 0.7},
        {"mcp": ["wait_for", {"ticket": "$ticket", "timeout_s": 1}]},
    ]


RELAY = GROUP | {"responder": "relay"}


@QUESTIONS.of_made(
    "58 a reply answers",
    asked_in_a_group({"say": {"from": "bob", "chat": "group", "message": {"text": "at nine"}, "reply_to": "q"}}),
    **RELAY,
)
def a_reply_to_the_question_answers_it(it: Played) -> None:
    assert (it.answers[-1]["outcome"], it.answers[-1]["text"]) == ("answered", "at nine")


@QUESTIONS.of_made(
    "58 a mention answers",
    asked_in_a_group({"say": {"from": "bob", "chat": "group", "message": {"text": "@loopback_test_bot at nine"}}}),
    **RELAY,
)
def a_message_for_the_bot_answers_it(it: Played) -> None:
    assert (it.answers[-1]["outcome"], it.answers[-1]["text"]) == ("answered", "at nine")


for label, noise in {
    "a reply to another": {"from": "bob", "chat": "group", "message": {"text": "at nine"}, "reply_to": "other"},
    "a choice among people": {"from": "bob", "chat": "group", "message": {"text": "yes"}},
    "a post as a channel": {
        "from": "ann",
        "chat": "group",
        "message": {"sender_chat": {"id": -1009, "type": "channel", "title": "News"}, "text": "@loopback_test_bot yes"},
    },
    "a bot": {
        "from": "ann",
        "chat": "group",
        "message": {
            "from": {"id": 99, "is_bot": True, "first_name": "Bot", "username": "x_bot"},
            "text": "@loopback_test_bot yes",
        },
    },
    "a forward that names the bot": {
        "from": "bob",
        "chat": "group",
        "message": {
            "text": "@loopback_test_bot yes",
            "forward_origin": {"type": "hidden_user", "date": "$now", "sender_user_name": "Zed"},
        },
    },
    "a sticker": {"from": "bob", "chat": "group", "message": {"dice": {"emoji": "🎲", "value": 4}}},
}.items():

    @QUESTIONS.of_made(
        f"58 {label}",
        asked_in_a_group(
            {"say": {"from": "ann", "chat": "group", "message": {"text": "did you see it?"}, "as": "other"}},
            {"say": noise},
            choices=["yes", "no"],
        ),
        **(RELAY | {"channel": 'groups = "always"'}),
    )
    def this_answers_nothing(it: Played) -> None:
        assert it.answers[-1]["state"] == "open"


@QUESTIONS.of("59-question-and-edits")
def an_edit_corrects_an_answer_and_a_choice_is_in_its_own_spelling(it: Played) -> None:
    tickets = [each for each in it.answers if each.get("outcome")]
    assert [each["text"] for each in tickets] == ["Monday", "No", "No"]
