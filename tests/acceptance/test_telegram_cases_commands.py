"""Telegram cases 16, 49 and 64: what is a command, what bare `/approve` decides, what an edit makes of a message."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cases.telegram_played import Played
from tests.cases.telegram_rights import Rights, case

COMMANDS = Rights()
GROUP: dict[str, Any] = {"chats": {"group": {"kind": "supergroup"}}, "privacy": False, "channel": 'groups = "mention"'}
STORY: list[Any] = [
    {"say": {"from": "ann", "message": {"text": "tell me a story"}, "as": "first"}},
    {"wait_models": 1},
    {"sleep": 0.4},
]
WRITES: dict[str, Any] = {
    key: value for key, value in case("16-command-approve-capital").items() if key in ("more", "replies")
}
WRITE_IT = {"say": {"from": "ann", "message": {"text": "write it"}}}
LIST: dict[str, Any] = {"mcp": ["list_approvals", {}]}
BARE = {"from": "ann", "message": {"text": "/approve"}}
RAN = "wrote 1 characters"


@pytest.mark.shows("chats.spelling")
@pytest.mark.slow
def test_commands_and_edits(subtests: pytest.Subtests) -> None:
    COMMANDS.hold(subtests)


# -- 16: commands in any spelling ----------------------------------------------------------------------------------


@COMMANDS.of("16-command-plain", "16-command-capital", "16-command-dot", "16-command-newline", "16-command-upper-at")
def it_stops(it: Played) -> None:
    assert it.answered("Stopped.")
    assert len(it.requests) == 1


@COMMANDS.of("16-command-word")
def a_word_without_its_slash_gets_a_hint_and_joins_no_turn(it: Played) -> None:
    assert it.answered("Did you mean the command /stop? Then send it with its slash.", "late answer")
    assert len(it.requests) == 1


@COMMANDS.of("16-command-group")
def in_a_group_the_name_may_stand_before_or_behind(it: Played) -> None:
    stopped, again, *_ = it.shown("group")
    assert (stopped, again) == ("Stopped.", "There was nothing to stop.")


@COMMANDS.of("16-command-approve-capital")
def capital_letters_approve_and_a_late_one_is_told(it: Played) -> None:
    assert "Approved: files__write." in it.shown("ann")
    assert it.answers == [{"approvals": [], "count": 0, "cursor": ""}]
    assert RAN in it.past(-1)
    assert it.shown("ann")[-1].startswith("Nothing waits for a verdict here.")


for spelled in (
    " /stop",
    "/stop!",
    "\u200b/stop",
    "／stop",
    "/ＳＴＯＰ",
    "/stop now please",
    "/Stop\u00a0",
    "/stop@Loopback_Test_Bot",
):

    @COMMANDS.of_made(
        f"16 {spelled!r}",
        [*STORY, {"say": {"from": "ann", "message": {"text": spelled}}}, {"quiet": 2}],
        model_wait=2.0,
    )
    def this_stops_too(it: Played) -> None:
        assert it.answered("Stopped.")


@COMMANDS.of_made(
    "16 nearly",
    [
        *STORY,
        {"say": {"from": "ann", "message": {"text": "/sotp"}}},
        {"say": {"from": "ann", "message": {"text": "\\stop"}}},
        {"say": {"from": "ann", "message": {"text": "Stop!"}}},
        {"quiet": 2.5},
    ],
    model_wait=2.0,
)
def what_is_nearly_a_command_gets_a_hint_and_joins_no_turn(it: Played) -> None:
    typo = "There is no such command. Did you mean /stop?"
    word = "Did you mean the command /stop? Then send it with its slash."
    assert [each["text"] for each in it.sent()][:3] == [typo, typo, word]
    assert len(it.requests) == 1


@COMMANDS.of_made(
    "16 in a group with its name in front and a typo, and another bot's",
    [
        {"say": {"from": "ann", "chat": "group", "message": {"text": "@loopback_test_bot /Stop."}}},
        {"say": {"from": "ann", "chat": "group", "message": {"text": "@loopback_test_bot, /stpo"}}},
        {"say": {"from": "bob", "chat": "group", "message": {"text": "/stop@other_bot"}}},
        {"say": {"from": "bob", "chat": "group", "message": {"text": "/stpo"}}},
        {"quiet": 2},
    ],
    **GROUP,
)
def only_what_is_for_the_bot_is_answered_in_a_group(it: Played) -> None:
    assert it.shown("group") == ["There was nothing to stop.", "There is no such command. Did you mean /stop?"]
    assert it.requests == []


@COMMANDS.of_made(
    "16 no command at all",
    [
        {"say": {"from": "ann", "message": {"text": "/foo"}}},
        {"say": {"from": "ann", "chat": "group", "message": {"text": "/foo@loopback_test_bot"}}},
        {"say": {"from": "ann", "chat": "group", "message": {"text": "/foo"}}},
        {
            "say": {
                "from": "ann",
                "chat": "group",
                "no_from": True,
                "message": {
                    "from": {"id": 1087968824, "is_bot": True, "first_name": "Group"},
                    "sender_chat": "$chat:group",
                    "text": "/stop",
                },
            }
        },
        {"quiet": 1.5},
    ],
    **GROUP,
)
def a_lone_word_that_is_no_command_gets_a_hint(it: Played) -> None:
    (told,) = it.shown("ann")
    assert told.startswith("There is no command /foo. /help lists those there are;")
    hint, as_group = it.shown("group")
    assert hint == told
    assert as_group == "Nobody knows who writes as a group, as a channel, or through another bot. Write it as yourself."
    assert it.requests == []


@COMMANDS.of_made(
    "49 an edit of what was cleared",
    [
        {"say": {"from": "ann", "message": {"text": "the secret is one"}, "as": "m"}},
        {"quiet": 1},
        {"say": {"from": "ann", "message": {"text": "/clear"}}},
        {"quiet": 1},
        {"say": {"from": "ann", "message": {"text": "the secret is two"}, "edit_of": "m"}},
        {"say": {"from": "ann", "message": {"text": "hi"}, "as": "hi"}},
        {"quiet": 1},
        {"say": {"from": "ann", "message": {"text": "hi there"}, "edit_of": "hi"}},
        {"say": {"from": "ann", "message": {"text": "well?"}}},
        {"quiet": 1},
    ],
)
def what_was_cleared_does_not_come_back_by_an_edit(it: Played) -> None:
    assert "secret" not in it.past(1)
    assert "secret" not in it.past(2)
    assert "[an earlier message was changed; it says now:]\nhi there" in it.asked(2)


# -- bare /approve -------------------------------------------------------------------------------------------------


@COMMANDS.of_made("bare", [WRITE_IT, {"quiet": 1.7}, {"say": BARE}, {"quiet": 1.5}], **WRITES)
def an_approvers_own_bare_approve_runs_the_one_call_that_waits(it: Played) -> None:
    assert "Approved: files__write." in it.shown("ann")
    assert RAN in it.past(-1)


@COMMANDS.of_made("bare, at once", [WRITE_IT, {"wait_approvals": 1}, {"say": BARE}, {"quiet": 1.5}, LIST], **WRITES)
def it_runs_nothing_that_was_only_just_asked(it: Played) -> None:
    assert it.answers[-1]["count"] == 1
    assert it.shown("ann")[-1].startswith("That call has only just been asked. Name it: /approve ap_")


@COMMANDS.of_made(
    "bare, two waiting",
    [WRITE_IT, {"quiet": 1.7}, {"say": BARE}, {"quiet": 1}, LIST],
    more=WRITES["more"],
    replies=[{"calls": [["files__write", {"path": name, "text": "x"}] for name in ("a.txt", "b.txt")]}],
)
def with_several_waiting_it_asks_which(it: Played) -> None:
    assert it.answers[-1]["count"] == 2
    told = it.shown("ann")[-1]
    assert told.startswith("2 calls wait here, so say which:")
    assert ("a.txt" in told, "b.txt" in told) == (True, True)


@COMMANDS.of_made(
    "bare, with conversation",
    [
        WRITE_IT,
        {"quiet": 1.7},
        {"say": {"from": "ann", "message": {"text": "/approve always"}}},
        {"quiet": 1},
        LIST,
        {"mcp": ["list_grants", {}]},
    ],
    **WRITES,
)
def what_is_to_be_remembered_has_to_be_named(it: Played) -> None:
    assert it.answers[0]["count"] == 1
    assert it.answers[1]["grants"] == []


@COMMANDS.of_made(
    "bare, its prompt did not arrive",
    [
        {"fault": {"code": 400, "description": "Bad Request: not enough rights to send text messages to the chat"}},
        WRITE_IT,
        {"quiet": 2.5},
        {"say": BARE},
        {"quiet": 1},
        LIST,
    ],
    **WRITES,
)
def what_was_not_shown_is_not_approved_unnamed(it: Played) -> None:
    assert it.answers[-1]["count"] == 1
    assert it.shown("ann")[-1].startswith("That call could not be shown here whole.")


@COMMANDS.of_made(
    "bare, in every other way",
    [
        {"say": {"from": "ann", "chat": "group", "message": {"text": "@loopback_test_bot write it"}, "as": "ask"}},
        {"quiet": 1.7},
        {"say": BARE | {"chat": "group"}},
        {"say": {"from": "ann", "chat": "group", "message": {"text": "/approve@loopback_test_bot"}, "as": "said"}},
        {"say": {"from": "ann", "chat": "group", "message": {"text": "@loopback_test_bot /approve"}}},
        {"say": {"from": "bob", "chat": "group", "message": {"text": "hello"}, "as": "hello"}},
        {"say": {"from": "bob", "chat": "group", "message": {"text": "/approve"}, "edit_of": "hello"}},
        {
            "say": {
                "from": "ann",
                "chat": "group",
                "message": {"text": "what is this?", "quote": {"text": "/approve", "position": 0}},
                "reply_to": "said",
            }
        },
        {
            "say": {
                "from": "ann",
                "chat": "group",
                "message": {
                    "text": "/approve",
                    "via_bot": {"id": 99, "is_bot": True, "first_name": "Via", "username": "via_bot"},
                },
            }
        },
        {
            "say": {
                "from": "ann",
                "chat": "group",
                "no_from": True,
                "message": {
                    "from": {"id": 1087968824, "is_bot": True, "first_name": "Group"},
                    "sender_chat": "$chat:group",
                    "text": "/approve",
                },
            }
        },
        {
            "say": {
                "from": "ann",
                "chat": "group",
                "message": {
                    "forward_origin": {"type": "hidden_user", "date": "$now", "sender_user_name": "Ann"},
                    "text": "/approve",
                },
            }
        },
        {"quiet": 2},
        LIST,
    ],
    **GROUP,
    **WRITES,
)
def in_a_group_nothing_is_approved_unnamed(it: Played) -> None:
    assert it.answers[-1]["count"] == 1
    assert RAN not in it.transcript


@COMMANDS.of_made(
    "bare, alone with the bot but not written so",
    [
        {"say": {"from": "ann", "message": {"text": "write it"}, "as": "ask"}},
        {"quiet": 1.7},
        {
            "say": {
                "from": "ann",
                "message": {
                    "text": "/approve",
                    "forward_origin": {"type": "hidden_user", "date": "$now", "sender_user_name": "Ann"},
                },
            }
        },
        {
            "say": {
                "from": "ann",
                "message": {
                    "text": "/approve",
                    "via_bot": {"id": 99, "is_bot": True, "first_name": "Via", "username": "via_bot"},
                },
            }
        },
        {"say": {"from": "ann", "message": {"text": "well"}, "as": "well"}},
        {"say": {"from": "ann", "message": {"text": "/approve"}, "edit_of": "well"}},
        {"quiet": 1.5},
        LIST,
    ],
    **WRITES,
)
def forwarded_edited_or_through_a_bot_it_approves_nothing(it: Played) -> None:
    assert it.answers[-1]["count"] == 1
    assert RAN not in it.transcript


# -- 64 and 49: edits and captions ---------------------------------------------------------------------------------


@COMMANDS.of("64-commands-in-captions-and-edits")
def a_caption_and_an_edit_make_commands(it: Played) -> None:
    helped, hint, stopped = it.shown("ann")
    assert "/approve ID" in helped
    assert hint.startswith("Did you mean the command /stop?")
    assert stopped == "Stopped."
    assert len(it.requests) == 1


@COMMANDS.of("49-edit-that-names-the-bot")
def an_edit_counts_until_it_was_answered(it: Played) -> None:
    assert it.shown("group") == ["answer 1"]
    assert it.words(0) == "@loopback_test_bot what time is it?"
    assert it.words(-1) == "what time is it?"
    assert len(it.requests) == 3
    assert it.shown("bob") == ["answer 3"]


@COMMANDS.of_made(
    "49 a caption is edited so that it names the bot, and an edit that names it no more",
    [
        {
            "say": {
                "from": "ann",
                "chat": "group",
                "message": {"caption": "what is it?"},
                "as": "m",
                "file": {"kind": "photo", "name": "p.png", "mime": "image/png", "png": [64, 48]},
            }
        },
        {"quiet": 1},
        {
            "say": {
                "from": "ann",
                "chat": "group",
                "message": {
                    "caption": "@loopback_test_bot what is it?",
                    "caption_entities": [{"type": "mention", "offset": 0, "length": 18}],
                },
                "edit_of": "m",
                "file": {"kind": "photo", "name": "p.png", "mime": "image/png", "png": [64, 48]},
            }
        },
        {"quiet": 2},
    ],
    model="vision = true",
    **GROUP,
)
def an_edited_caption_counts_too(it: Played) -> None:
    assert it.shown("group") == ["answer 1"]
    assert "what is it?" in it.asked(-1)
    assert it.images(-1) == 1
