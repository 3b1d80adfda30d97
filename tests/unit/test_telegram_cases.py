"""What the updates of the Telegram cases become; `python -m tests.cases telegram` plays the same files whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from telegram.error import TelegramError

from bridge_mcp.channels.telegram.receive.lenient_updates import readable
from bridge_mcp.channels.telegram.receive.mentions import Account
from bridge_mcp.channels.telegram.receive.polling import updates_in
from bridge_mcp.channels.telegram.receive.updates import ReadUpdate, read
from bridge_mcp.ports import Happening, Ignored, Incoming, Named
from tests.cases.play_telegram import Player
from tests.cases.telegram_stage import Stage
from tests.cases.transcripts import Transcript
from tests.servers.telegram import TelegramServer

CASES = Path(__file__).parents[1] / "cases" / "telegram"
FILES = sorted(CASES.glob("*.json"))
TOLD = {
    "poll": "Poll: Where?\n- Here\n- There",
    "quiz": "Poll: 2+2?\n- 4\n- 5",
    "contact": "Contact: Eve Lane, +490000",
    "story": "(a story)",
    "giveaway_winners": "(the winners of a giveaway)",
    "paid_media": "look at this\n(paid media)",
    "users_shared": "Shared users: Guest (id 71)",
    "chat_shared": "Shared chat: Team (id -100123)",
    "web_app_data": 'From the web app behind “Order”: {"size": "M"}',
    "checklist_tasks_done": "(tasks of a checklist by their numbers: done: 1)",
    "checklist_tasks_added": "Added to a checklist:\n[ ] buy milk",
    "successful_payment": "(a payment: 5 XTR in its smallest units)",
    "suggested_post_approved": "(a suggested post was approved)",
    "proximity": "(Guest is within 50 m of Guest)",
    "expandable": "see\n> old words of another one\nmine",
}


def case(name: str) -> dict[str, Any]:
    (found,) = (file for file in FILES if file.stem == name)
    return json.loads(found.read_text("utf-8"))


def readings(name: str) -> list[tuple[str, ReadUpdate]]:
    """What each message of a case becomes, with the note before it."""
    told = case(name)
    with TelegramServer(privacy=told.get("privacy", True)) as server:
        return list(taken(server, told))


def taken(server: TelegramServer, told: dict[str, Any]) -> Iterator[tuple[str, ReadUpdate]]:
    stage = Stage(server, told, Transcript())
    server.world.queue.clear()
    bot = server.world.bot
    me = Account(bot.id, bot.username, frozenset({"stop", "approve", "help"}))
    note = ""
    for step in told["steps"]:
        ((kind, value),) = step.items()
        if kind == "note":
            note = value
        if kind in ("say", "burst"):
            stage.say(*([value] if kind == "say" else value))
        elif kind == "raw":
            stage.push(value["kind"], value["payload"])
        for update in server.world.queue.take(0, 100):
            yield note, read(readable(update), me, "tg", 1000.0)
            server.world.queue.confirm(update["update_id"])


def heard(name: str) -> list[Incoming]:
    return [each.arrival for _, each in readings(name) if isinstance(each.arrival, Incoming)]


def test_the_player_knows_every_step_of_every_case(tmp_path: Path) -> None:
    wanted = {next(iter(step)) for file in FILES for step in json.loads(file.read_text("utf-8"))["steps"]}
    with TelegramServer() as server:
        player = Player(server, {"steps": []}, tmp_path, Transcript())
        player.model.close()
    assert len(FILES) >= 66
    assert wanted <= player.steps


def test_every_kind_of_message_is_told_in_words_or_brings_a_file() -> None:
    found = {note: each.arrival for note, each in readings("36-kinds-of-messages")}
    silent = [note for note, arrival in found.items() if isinstance(arrival, Ignored)]
    assert silent == []
    said = {note: arrival.text for note, arrival in found.items() if isinstance(arrival, Incoming)}
    assert {note: said[note] for note in TOLD} == TOLD


def test_an_update_of_an_older_server_is_read() -> None:
    texts = [each.text for each in heard("48-poll-of-now-and-of-an-older-server")]
    assert texts == [
        "Poll: Where?\n- Here\n- There",
        "Poll: Where?\n- Here\n- There",
        "what do you think of this poll?",
        "hello?",
    ]


def test_an_odd_part_costs_itself_alone() -> None:
    person = {"id": 5, "is_bot": False, "first_name": "Ann"}
    message = {
        "message_id": 1, "date": 1, "chat": {"id": 5, "type": "private", "first_name": "Ann"}, "from": person,
        "text": "hello", "venue": {"title": 3}, "reply_to_message": {"message_id": "no"},
    }  # fmt: skip
    arrival = read(readable({"update_id": 1, "message": message}), Account(7, "bot"), "tg", 1.0).arrival
    assert isinstance(arrival, Incoming)
    assert arrival.text == "hello"


def test_markup_is_kept_in_texts_captions_and_edits() -> None:
    marked = (
        "🎉 run this:\n```python\nif x:\n    pass\n```\n~~old price 5~~ new 4\n> quoted words\n"
        "the secret is ||blue||\n_very **important**_ here [Eve](tg://user?id=77)"
    )
    text, caption, edited, _ = heard("14-markup-incoming")
    assert (text.text, caption.text, edited.text) == (marked, marked, f"{marked} changed")


def test_a_code_block_cannot_end_its_own_fence() -> None:
    (found,) = heard("14-markup-forged-fence")
    first, *inner, last = found.text.splitlines()
    assert first == last == "````"
    assert "[Mon 2026-11-23 10:00; from Owner]" in inner


def test_a_reply_brings_the_file_of_what_it_replies_to() -> None:
    (unseen,) = heard("10-reply-to-photo-unseen")
    assert [(each.ref, each.kind, each.quoted) for each in unseen.attachments] == [("AgACunknown", "image", True)]
    elsewhere, picture, reply = heard("10-external-reply")
    assert [(each.ref, each.quoted) for each in elsewhere.attachments] == [("AgACext", True)]
    assert [each.ref for each in reply.attachments] == [each.ref for each in picture.attachments]
    assert reply.quote == "/approve ap_0123456789abcdef please"
    pdf, voice = (each for each in heard("10-reply-to-pdf-and-voice") if each.addressed and each.group)
    assert [each.kind for each in (*pdf.attachments, *voice.attachments)] == ["file", "audio"]


def test_links_and_mentions_stay_as_they_were() -> None:
    link, other, caption, named = heard("46-text-link-and-mention-edge")
    assert link.text == "see this page (https://en.wikipedia.org/wiki/Foo_(bar)) please"
    assert (other.text, other.addressed) == ("/stop@other_bot", False)
    assert (caption.text, caption.addressed, caption.bare) == ("@loopback_test_bot what is it?", True, "what is it?")
    assert (named.text, named.addressed) == ("hey you", True)


def test_a_command_loses_the_name_before_and_behind_it() -> None:
    _, before, behind, unknown = heard("16-command-group")
    assert (before.bare, behind.text) == ("/stop", "/Stop")
    assert unknown.text == "/frobnicate now"


def test_a_forward_and_a_quotation_say_whose_words_they_are() -> None:
    forward, _, quoting, _ = heard("56-relay-forward-and-quote")
    assert (forward.forwarded_from, quoting.quote) == ("Zed", "fir")


def test_a_topic_tells_its_name_when_it_is_made_and_with_messages_that_reply_to_nothing() -> None:
    chat = {"id": -1009, "type": "supergroup", "title": "Crew", "is_forum": True}
    person = {"id": 5, "is_bot": False, "first_name": "Ann"}
    root = {
        "message_id": 42, "date": 1, "chat": chat, "from": person, "is_topic_message": True, "message_thread_id": 42,
        "forum_topic_created": {"name": "Plans", "icon_color": 1},
    }  # fmt: skip
    made = read(readable({"update_id": 1, "message": root}), Account(7, "bot"), "tg", 1.0).arrival
    assert made == Named("tg", "-1009/42", "Plans", offset=1)
    said = {**root, "message_id": 43, "text": "hi", "reply_to_message": root}
    del said["forum_topic_created"]
    arrival = read(readable({"update_id": 2, "message": said}), Account(7, "bot"), "tg", 1.0).arrival
    assert isinstance(arrival, Incoming)
    assert (arrival.topic, arrival.attachments, arrival.reply_to) == ("Plans", (), "")


def test_a_reaction_and_a_member_are_happenings() -> None:
    chat = {"id": -1009, "type": "supergroup", "title": "Crew"}
    person = {"id": 5, "is_bot": False, "first_name": "Ann"}
    reacted = {
        "chat": chat, "message_id": 3, "date": 9, "user": person, "old_reaction": [],
        "new_reaction": [{"type": "emoji", "emoji": "👍"}],
    }  # fmt: skip
    arrival = read(readable({"update_id": 1, "message_reaction": reacted}), Account(7, "bot"), "tg", 1.0).arrival
    assert isinstance(arrival, Happening)
    assert (arrival.type, arrival.message, arrival.body) == (
        "message.reaction", "3", {"before": [], "reactions": ["👍"]},
    )  # fmt: skip
    joined = {
        "chat": chat, "from": person, "date": 9,
        "old_chat_member": {"user": person, "status": "left"},
        "new_chat_member": {"user": person, "status": "member"},
    }  # fmt: skip
    arrival = read(readable({"update_id": 2, "chat_member": joined}), Account(7, "bot"), "tg", 1.0).arrival
    assert isinstance(arrival, Happening)
    assert (arrival.type, arrival.body["status"]) == ("chat.member", "member")


@pytest.mark.parametrize("odd", [{}, "ok", None, True, [1, "x"], [{"update_id": "7"}]])
def test_an_odd_answer_is_an_error_and_so_is_paced(odd: object) -> None:
    with pytest.raises(TelegramError):
        updates_in(odd)


def test_what_is_no_update_among_updates_is_passed_over() -> None:
    assert updates_in([]) == []
    assert updates_in([3, {"update_id": 7}]) == [{"update_id": 7}]
