"""Telegram cases 30, 31, 37 to 41, 44, 45, 50, 53, 55 and 56: chats of every kind, and what did not arrive."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cases.telegram_played import Played
from tests.cases.telegram_rights import Rights

CHATS = Rights()
FORUM: dict[str, Any] = {
    "chats": {"group": {"kind": "supergroup", "forum": True, "topics": {"42": "Plans"}}},
    "channel": 'groups = "always"',
    "privacy": False,
}
BLOCKED = {"code": 403, "description": "Forbidden: bot was blocked by the user"}
NOT_DELIVERED = "your last message before this one was not delivered"


@pytest.mark.slow
def test_chats_and_what_did_not_arrive(subtests: pytest.Subtests) -> None:
    CHATS.hold(subtests)


def titles(answer: dict[str, Any]) -> dict[str, str]:
    return {each["id"].partition("/")[2]: each["title"] for each in answer["conversations"]}


def bodies(answer: dict[str, Any]) -> list[dict[str, Any]]:
    return [each["body"] for each in answer["events"]]


def warnings(answer: dict[str, Any]) -> list[str]:
    return [each for each in answer["warnings"] if "not delivered" in each]


# -- 30, 31: topics and threads ------------------------------------------------------------------------------------


@CHATS.of("30-forum-general-and-topic")
def answers_come_back_to_their_topic_and_it_has_its_name(it: Played) -> None:
    assert [each.get("message_thread_id") for each in it.sent()] == [None, None, 42]
    assert titles(it.answers[-1]) == {"-1002000007001/42": "Group › Plans", "-1002000007001": "Group"}
    assert '"Group › Plans"' in it.system(2)


@CHATS.of("30-thread-in-plain-group")
def a_thread_of_a_plain_group_is_no_topic(it: Played) -> None:
    assert [each.get("message_thread_id") for each in it.sent()] == [None, None]
    assert titles(it.answers[-1]) == {"-1002000007001": "Group"}


@CHATS.of("31-private-topics")
def a_private_topic_is_a_conversation_of_its_own(it: Played) -> None:
    assert [each.get("message_thread_id") for each in it.sent()] == [7, None]
    assert titles(it.answers[-1]) == {"5000001/7": "Ann"}


@CHATS.of_made(
    "30 a topic is made, named anew, and replied in",
    [
        {
            "say": {
                "from": "ann",
                "chat": "group",
                "message": {"message_thread_id": 42, "is_topic_message": True, "text": "here"},
                "as": "a",
            }
        },
        {"quiet": 1.2},
        {
            "raw": {
                "kind": "message",
                "payload": {
                    "message_id": 300,
                    "date": "$now",
                    "chat": "$chat:group",
                    "from": "$user:ann",
                    "message_thread_id": 42,
                    "is_topic_message": True,
                    "forum_topic_edited": {"name": "Big plans"},
                },
            }
        },
        {
            "say": {
                "from": "bob",
                "chat": "group",
                "message": {"message_thread_id": 42, "is_topic_message": True, "text": "and now?"},
                "reply_to": "a",
            }
        },
        {"quiet": 1.2},
        {"mcp": ["list_conversations", {}]},
    ],
    **FORUM,
)
def a_topics_new_name_counts(it: Played) -> None:
    assert titles(it.answers[-1]) == {"-1002000007001/42": "Group › Big plans"}
    assert '"Group › Big plans"' in it.system(1)
    assert it.answered("answer 1", "answer 2")


# -- 37, 53, 56: what clients are told -----------------------------------------------------------------------------


@CHATS.of("37-updates-not-asked-for")
def what_was_not_asked_for_does_nothing(it: Played) -> None:
    assert it.transcript.count("NOT ASKED FOR") == 8
    assert (it.requests, it.sent()) == ([], [])


@CHATS.of_made(
    "37 reactions and members, asked for",
    [
        {"say": {"from": "ann", "message": {"text": "hello"}, "as": "m"}},
        {"quiet": 1},
        {
            "raw": {
                "kind": "message_reaction",
                "payload": {
                    "chat": "$chat:ann",
                    "message_id": "$id:m",
                    "user": "$user:ann",
                    "date": "$now",
                    "old_reaction": [],
                    "new_reaction": [{"type": "emoji", "emoji": "👍"}],
                },
            }
        },
        {
            "raw": {
                "kind": "chat_member",
                "payload": {
                    "chat": "$chat:group",
                    "from": "$user:ann",
                    "date": "$now",
                    "old_chat_member": {"status": "left", "user": "$user:bob"},
                    "new_chat_member": {"status": "member", "user": "$user:bob"},
                },
            }
        },
        {
            "raw": {
                "kind": "inline_query",
                "payload": {"id": "1", "from": "$user:ann", "query": "weather", "offset": ""},
            }
        },
        {"quiet": 1},
        {"mcp": ["wait_for_events", {"after": 0, "types": ["message.reaction", "chat.member"], "timeout_s": 1}]},
    ],
    chats={"group": {"kind": "supergroup"}},
    channel='updates = ["message_reaction", "chat_member"]',
)
def what_was_asked_for_becomes_events(it: Played) -> None:
    reaction, member = bodies(it.answers[-1])
    assert (reaction["message"], reaction["reactions"], reaction["from"]["name"]) == ("tg/5000001#0", ["👍"], "Ann")
    assert (member["user"]["name"], member["status"]) == ("Bob", "member")


@CHATS.of("53-relay-feed-of-odd-kinds")
def a_relay_is_told_of_files_replies_and_forwards(it: Played) -> None:
    picture, reply, forward = bodies(it.answers[-1])
    assert (picture["text"], picture["attachments"][0]["kind"]) == ("look", "image")
    assert (reply["reply_to"], reply["text"]) == ("tg/5000001#0", "and this?")
    assert (forward["forwarded_from"], forward["text"]) == ("Zed", "old words")


@CHATS.of("56-relay-forward-and-quote")
def events_say_whose_words_they_are(it: Played) -> None:
    forward, first, quoting, group = bodies(it.answers[0])
    assert (forward["forwarded_from"], forward["quote"]) == ("Zed", None)
    assert (first["forwarded_from"], first["quote"]) == (None, None)
    assert (quoting["quote"], quoting["reply_to"]) == ("fir", "tg/5000001#1")
    assert (group["text"], group["from"]["name"]) == ("in the group", "Bob")
    assert [each.get("forwarded_from") for each in it.answers[1]["messages"]] == ["Zed", None, None]


@CHATS.of_made(
    "56 a forward from a channel, one from a chat, and a quotation of another chat",
    [
        {
            "say": {
                "from": "ann",
                "message": {
                    "text": "one",
                    "forward_origin": {
                        "type": "channel",
                        "date": "$now-9",
                        "chat": {"id": -1009, "type": "channel", "title": "News"},
                        "message_id": 3,
                    },
                },
            }
        },
        {
            "say": {
                "from": "ann",
                "message": {
                    "text": "two",
                    "forward_origin": {"type": "user", "date": "$now-9", "sender_user": "$user:bob"},
                },
            }
        },
        {
            "say": {
                "from": "ann",
                "message": {
                    "text": "three",
                    "quote": {"text": "far words", "position": 0},
                    "external_reply": {"origin": {"type": "user", "date": "$now-60", "sender_user": "$user:bob"}},
                },
            }
        },
        {
            "say": {
                "from": "ann",
                "message": {
                    "caption": "four",
                    "forward_origin": {"type": "hidden_user", "date": "$now-9", "sender_user_name": "Zed"},
                },
                "file": {"kind": "photo", "name": "p.png", "mime": "image/png", "png": [64, 48]},
            }
        },
        {"quiet": 1},
        {"mcp": ["wait_for_events", {"after": 0, "types": ["message.received"], "timeout_s": 1}]},
    ],
    responder="relay",
)
def every_origin_is_named(it: Played) -> None:
    told = [(each["text"], each["forwarded_from"], each["quote"]) for each in bodies(it.answers[-1])]
    assert told == [("one", "News", None), ("two", "Bob", None), ("three", None, "far words"), ("four", "Zed", None)]


# -- 38 to 41, 50, 55: what does not arrive ------------------------------------------------------------------------


@CHATS.of("38-blocked-and-back")
def whoever_blocked_the_bot_is_told_of_and_written_to_again(it: Played) -> None:
    lost, status, again, messages = it.answers
    assert lost["status"] == "failed"
    assert "They have to unblock it in Telegram." in lost["reason"]
    assert len(warnings(status)) == 1
    assert again["status"] == "sent"
    assert NOT_DELIVERED in it.asked(-1)
    assert [each["status"] for each in messages["messages"]] == [
        "received", "failed", "failed", "sent", "received", "sent",
    ]  # fmt: skip


@CHATS.of("39-kicked-and-back")
def a_group_that_threw_the_bot_out_is_told_of_and_written_to_again(it: Played) -> None:
    lost, conversations, again = it.answers
    assert "Add it to the chat again." in lost["reason"]
    assert titles(conversations) == {"-1002000007001": "Group"}
    assert again["status"] == "sent"


@CHATS.of("40-upgraded-to-supergroup")
def a_group_stays_one_conversation_when_it_is_upgraded(it: Played) -> None:
    sent, conversations, unknown = it.answers
    assert sent["status"] == "sent"
    assert it.sent()[1]["chat_id"] == -1002000007002
    assert titles(conversations) == {"-7001": "Group"}
    assert "ERROR" in unknown
    assert "to the old id" in it.past(1)
    assert it.words(1) == "in the new one"


@CHATS.of("41-slow-mode-and-rights")
def a_limit_is_waited_for_and_a_missing_right_is_named(it: Played) -> None:
    assert it.shown("group") == ["answer 1"]
    refused = [each for each in it.bot if each.status == 429]
    assert len(refused) == 1
    *failed, status = it.answers
    fixes = ["Give it the right in the chat's permissions.", "make the bot an administrator.", "or to the chat itself."]
    assert [each["reason"].endswith(fix) for each, fix in zip(failed, fixes, strict=True)] == [True] * 3
    assert len(warnings(status)) == 2


@CHATS.of("50-failed-answers-in-the-past")
def the_model_is_told_what_did_not_arrive(it: Played) -> None:
    assert NOT_DELIVERED in it.asked(1)
    assert "the user blocked the bot" in it.asked(1)
    assert [each["status"] for each in it.answers[-1]["messages"]] == ["received", "failed", "received", "sent"]


@CHATS.of_made(
    "50 an answer of which a part went out, and the warning goes once another did",
    [
        {"say": {"from": "ann", "message": {"text": "one"}}},
        {"quiet": 1.2},
        {"fault": BLOCKED},
        {"say": {"from": "ann", "message": {"text": "two"}}},
        {"quiet": 1.2},
        {"mcp": ["get_status", {}]},
        {"say": {"from": "ann", "message": {"text": "three"}}},
        {"quiet": 1.2},
        {"mcp": ["get_status", {}]},
        {"say": {"from": "ann", "message": {"text": "four"}}},
        {"quiet": 1.2},
    ],
)
def only_what_did_not_arrive_is_marked_and_only_until_it_does(it: Played) -> None:
    assert [NOT_DELIVERED in it.asked(number) for number in range(4)] == [False, False, True, False]
    assert [len(warnings(each)) for each in it.answers] == [1, 0]
    assert it.shown("ann") == ["answer 1", "answer 3", "answer 4"]


@CHATS.of("55-topic-deleted-and-general-closed")
def what_happens_to_a_place_meanwhile_is_told(it: Played) -> None:
    status, events = it.answers
    assert len(warnings(status)) == 2
    failed = [each for each in events["events"] if each["type"] == "message.failed"]
    assert [each["conversation"] for each in failed] == ["tg/-1002000007001/42", "tg/-1002000007001"]
    assert "the topic is gone" in failed[0]["body"]["reason"]
    assert "the bot may not write there" in failed[1]["body"]["reason"]
    assert it.shown("group") == []


# -- 44, 45: channels ----------------------------------------------------------------------------------------------


@CHATS.of("44-channel-and-linked-group")
def posts_and_comments_are_answered_where_they_stand(it: Played) -> None:
    assert it.shown("news") == ["answer 1"]
    assert it.shown("group") == ["answer 2", "answer 3"]
    assert 'forwarded from "News"' in it.asked(1)
    assert 'in reply to "a post"' in it.asked(2)


@CHATS.of("45-direct-messages-of-a-channel")
def direct_messages_of_a_channel_are_not_mixed(it: Played) -> None:
    assert it.answers == [{"conversations": [], "cursor": ""}]
    assert (it.requests, it.sent()) == ([], [])
