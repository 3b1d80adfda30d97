"""What an update of Telegram becomes. The updates are written from the documentation of the Bot API."""

from __future__ import annotations

from typing import Any

import pytest
from telegram import Update

from bridge_mcp.channels.telegram.bot.settings import TelegramSettings
from bridge_mcp.channels.telegram.receive.mentions import Account
from bridge_mcp.channels.telegram.receive.updates import ReadUpdate, read
from bridge_mcp.core.entries import Attachment, Sender
from bridge_mcp.ports import ButtonPress, Ignored, Incoming, Moved

ME = Account(700, "my_bot", frozenset({"status"}))
ANN = {"id": 5, "is_bot": False, "first_name": "Ann", "last_name": "Lee"}
BOB = {"id": 6, "is_bot": False, "first_name": "Bob"}
US = {"id": 700, "is_bot": True, "first_name": "Mine", "username": "my_bot"}
DM = {"id": 5, "type": "private", "first_name": "Ann", "last_name": "Lee"}
GROUP = {"id": -9, "type": "group", "title": "Crew"}
SUPER = {"id": -1009, "type": "supergroup", "title": "Crew", "is_forum": True}


def said(chat: dict[str, Any] = DM, **more: Any) -> dict[str, Any]:
    """A message of Ann's."""
    return {"message_id": 31, "date": 1000, "chat": chat, "from": ANN} | more


def reading(**update: Any) -> ReadUpdate:
    parsed = Update.de_json({"update_id": 8} | update, None)
    return read(parsed, ME, "t", 2000.0)


def heard(chat: dict[str, Any] = DM, **more: Any) -> Incoming:
    arrival = reading(message=said(chat, **more)).arrival
    assert isinstance(arrival, Incoming)
    return arrival


def entity(kind: str, offset: int, length: int, **more: Any) -> dict[str, Any]:
    return {"type": kind, "offset": offset, "length": length} | more


def file(**more: Any) -> dict[str, Any]:
    return {"file_id": "F", "file_unique_id": "U", "file_size": 12} | more


def test_a_text() -> None:
    assert heard(text="hello") == Incoming(
        "t", "5", "31", sender=Sender("5", "Ann Lee"), text="hello", at=1000.0, title="Ann Lee", offset=8,
    )  # fmt: skip


def test_only_what_is_read_is_asked_for() -> None:
    plain = TelegramSettings("t", "1:a")
    assert set(plain.kinds) == {"message", "edited_message", "callback_query", "my_chat_member"}
    more = TelegramSettings("t", "1:a", business=True, channel_posts=True, updates=("message_reaction",))
    assert set(more.kinds) - set(plain.kinds) == {
        "channel_post", "edited_channel_post", "message_reaction",
        "business_connection", "business_message", "edited_business_message", "deleted_business_messages",
    }  # fmt: skip


# -- who wrote -------------------------------------------------------------------------------------------------

ANONYMOUS = {"id": 1087968824, "is_bot": True, "first_name": "Group", "username": "GroupAnonymousBot"}
NEWS = {"id": -1005, "type": "channel", "title": "News"}


@pytest.mark.parametrize(
    ("more", "sender"),
    [
        ({}, Sender("5", "Ann Lee")),
        ({"from": ANONYMOUS, "sender_chat": GROUP}, Sender("-9", "Crew", "bot")),
        ({"from": ANN, "sender_chat": NEWS}, Sender("-1005", "News", "bot")),
        (
            {"from": {"id": 777000, "is_bot": False, "first_name": "Telegram"}, "sender_chat": NEWS,
             "is_automatic_forward": True},
            Sender("-1005", "News", "bot"),
        ),
        ({"from": {"id": 4, "is_bot": True, "first_name": "Other"}}, Sender("4", "Other", "bot")),
        (
            {"via_bot": {"id": 4, "is_bot": True, "first_name": "Gif", "username": "gif"}},
            Sender("4", "Ann Lee via @gif", "bot"),
        ),
    ],
)  # fmt: skip
def test_who_writes_as_a_chat_or_through_a_bot_is_no_person(more: dict[str, Any], sender: Sender) -> None:
    assert heard(GROUP, text="/approve 1", **more).sender == sender


def test_a_post_of_a_channel_is_by_the_channel() -> None:
    arrival = reading(channel_post={"message_id": 3, "date": 1000, "chat": NEWS, "text": "new"}).arrival
    assert isinstance(arrival, Incoming)
    assert arrival.sender == Sender("-1005", "News", "bot")
    assert (arrival.group, arrival.addressed) == (True, False)


def test_our_own_words_are_not_heard() -> None:
    assert reading(message=said(GROUP, text="x") | {"from": US}).arrival == Ignored("t", 8)


# -- whom it is for --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "entities", "meant"),
    [
        ("hello", [], False),
        ("@my_bot hello", [entity("mention", 0, 7)], True),
        ("hey @My_Bot", [entity("mention", 4, 7)], True),
        ("😀 @my_bot", [entity("mention", 3, 7)], True),
        ("@my_bot hello", [], False),
        ("mail me@my_bot.example", [entity("email", 5, 17)], False),
        ("@my_bots", [entity("mention", 0, 8)], False),
        ("hey Mine", [entity("text_mention", 4, 4, user=US)], True),
        ("hey Bob", [entity("text_mention", 4, 3, user=BOB)], False),
        ("/anything@my_bot", [entity("bot_command", 0, 16)], True),
        ("/status", [entity("bot_command", 0, 7)], True),
        ("/roll", [entity("bot_command", 0, 5)], False),
        ("not /status", [entity("bot_command", 4, 7)], False),
        ("/status@other_bot", [entity("bot_command", 0, 17)], False),
    ],
)
def test_in_a_group_entities_say_whether_it_is_for_us(text: str, entities: list[dict[str, Any]], meant: bool) -> None:
    incoming = heard(GROUP, text=text, entities=entities)
    assert (incoming.group, incoming.addressed) == (True, meant)
    assert heard(DM, text=text, entities=entities).addressed, "nobody else is there"


def test_a_caption_names_us_too() -> None:
    photo = [file(width=90, height=90)]
    assert heard(GROUP, photo=photo, caption="@my_bot", caption_entities=[entity("mention", 0, 7)]).addressed


def replied(by: dict[str, Any], chat: dict[str, Any] = GROUP, **more: Any) -> dict[str, Any]:
    return {"message_id": 30, "date": 900, "chat": chat, "from": by, "text": "what was said"} | more


def test_a_reply_to_us_is_for_us() -> None:
    incoming = heard(GROUP, text="yes", reply_to_message=replied(US))
    assert (incoming.addressed, incoming.reply_to, incoming.quote) == (True, "30", "")


def test_a_reply_to_others_says_how_that_begins() -> None:
    incoming = heard(GROUP, text="yes", reply_to_message=replied(BOB, text="x" * 500))
    assert (incoming.addressed, incoming.reply_to) == (False, "30")
    assert (len(incoming.quote), incoming.quote[-1]) == (200, "…")
    pictured = replied(BOB) | {"photo": [file(width=9, height=9)]}
    del pictured["text"]
    assert heard(GROUP, text="?", reply_to_message=pictured).quote == "(image)"


def test_a_quote_is_kept_also_of_our_own_words() -> None:
    quote = {"text": "was", "position": 5, "is_manual": True}
    incoming = heard(GROUP, text="was?", reply_to_message=replied(US), quote=quote)
    assert (incoming.reply_to, incoming.quote) == ("30", "was")


def test_a_reply_to_another_chat_has_no_number_here() -> None:
    external = {"origin": {"type": "user", "date": 1, "sender_user": BOB}}
    quote = {"text": "there", "position": 0}
    assert heard(text="see", external_reply=external, quote=quote).quote == "there"
    assert heard(text="see", external_reply=external).quote == "(a message of Bob)"
    assert heard(text="see", external_reply=external).reply_to == ""


# -- topics ----------------------------------------------------------------------------------------------------


def test_a_topic_is_a_chat_of_its_own_and_what_opened_it_is_no_message_to_us() -> None:
    root = replied(US, SUPER, message_id=7, forum_topic_created={"name": "Trips", "icon_color": 1})
    del root["text"]
    incoming = heard(SUPER, text="hi", message_thread_id=7, is_topic_message=True, reply_to_message=root)
    assert (incoming.chat, incoming.addressed, incoming.reply_to, incoming.quote) == ("-1009/7", False, "", "")
    answer = heard(SUPER, text="hi", message_thread_id=7, is_topic_message=True, reply_to_message=replied(US, SUPER))
    assert (answer.chat, answer.addressed, answer.reply_to) == ("-1009/7", True, "30")


def test_a_thread_of_replies_is_no_topic() -> None:
    plain = {"id": -1009, "type": "supergroup", "title": "Crew"}
    assert heard(plain, text="hi", message_thread_id=7, reply_to_message=replied(BOB, plain)).chat == "-1009"


# -- what is in it ---------------------------------------------------------------------------------------------


def test_a_command_loses_our_name_and_keeps_that_of_others() -> None:
    ours = heard(GROUP, text="/status@my_bot now", entities=[entity("bot_command", 0, 14)])
    assert ours.text == "/status now"
    others = heard(GROUP, text="/status@other_bot", entities=[entity("bot_command", 0, 17)])
    assert others.text == "/status@other_bot"


def test_a_link_behind_words_shows_its_address() -> None:
    linked = [entity("text_link", 3, 4, url="https://e.example/x"), entity("bold", 0, 2)]
    assert heard(text="😀 docs here", entities=linked).text == "**😀** docs (https://e.example/x) here"


def small(size: int) -> dict[str, Any]:
    return file(file_id="small", width=size, height=size)


FILES: list[tuple[dict[str, Any], Attachment, str]] = [
    (
        {"photo": [small(2), file(width=9, height=6), small(3)]},
        Attachment("F", "image", "image/jpeg", name="photo_31.jpg", size=12), "",
    ),
    (
        {"document": file(file_name="a.pdf", mime_type="application/pdf")},
        Attachment("F", "file", "application/pdf", name="a.pdf", size=12), "",
    ),
    ({"document": file(mime_type="image/png")}, Attachment("F", "image", "image/png", name="file_31.png", size=12), ""),
    (
        {"voice": file(duration=3, mime_type="audio/ogg")},
        Attachment("F", "audio", "audio/ogg", name="voice_31.ogg", size=12), "",
    ),
    (
        {"audio": file(duration=3, file_name="s.mp3", mime_type="audio/mpeg")},
        Attachment("F", "audio", "audio/mpeg", name="s.mp3", size=12), "",
    ),
    (
        {"video": file(duration=3, width=1, height=1)},
        Attachment("F", "video", "video/mp4", name="video_31.mp4", size=12), "",
    ),
    (
        {"video_note": file(duration=3, length=1)},
        Attachment("F", "video", "video/mp4", name="video_note_31.mp4", size=12), "",
    ),
    (
        {"animation": file(duration=3, width=1, height=1, file_name="c.mp4"), "document": file(file_id="D")},
        Attachment("F", "video", "video/mp4", name="c.mp4", size=12), "",
    ),
    (
        {"sticker": file(type="regular", width=1, height=1, is_animated=False, is_video=False, emoji="👍")},
        Attachment("F", "image", "image/webp", name="sticker_31.webp", size=12), "👍",
    ),
    (
        {"sticker": file(type="regular", width=1, height=1, is_animated=True, is_video=False)},
        Attachment("F", "file", "application/x-tgsticker", name="sticker_31.tgs", size=12), "",
    ),
    (
        {"sticker": file(type="regular", width=1, height=1, is_animated=False, is_video=True)},
        Attachment("F", "video", "video/webm", name="sticker_31.webm", size=12), "",
    ),
    (
        {"live_photo": file(duration=2, width=1, height=1, photo=[file(file_id="P", width=9, height=9)])},
        Attachment("P", "image", "image/jpeg", name="photo_31.jpg", size=12), "",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("more", "attachment", "text"), FILES, ids=lambda value: "")
def test_files_come_by_reference(more: dict[str, Any], attachment: Attachment, text: str) -> None:
    incoming = heard(**more)
    assert incoming.attachments == (attachment,)
    assert incoming.text == text


def test_a_caption_is_the_text() -> None:
    assert heard(document=file(), caption="the plan").text == "the plan"


PLACE = {"latitude": 52.5, "longitude": 13.4}


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"location": PLACE}, "Location: 52.500000, 13.400000"),
        (
            {"venue": {"location": PLACE, "title": "Pier", "address": "Quay 1"}, "location": PLACE},
            "Place: Pier, Quay 1 (52.500000, 13.400000)",
        ),
        ({"contact": {"phone_number": "+49", "first_name": "Cy"}}, "Contact: Cy, +49"),
        ({"dice": {"emoji": "🎲", "value": 4}}, "🎲 4"),
        (
            {"poll": {"id": "1", "question": "When?", "options": [
                {"text": "Mon", "voter_count": 0, "persistent_id": "a"},
                {"text": "Tue", "voter_count": 0, "persistent_id": "b"},
            ], "total_voter_count": 0, "is_closed": False, "is_anonymous": True, "type": "regular",
            "allows_multiple_answers": False, "allows_revoting": False, "members_only": False}},
            "Poll: When?\n- Mon\n- Tue",
        ),
        (
            {"checklist": {"title": "Pack", "tasks": [
                {"id": 1, "text": "tent", "completion_date": 5}, {"id": 2, "text": "rope"},
            ]}},
            "Checklist: Pack\n[x] tent\n[ ] rope",
        ),
        ({"story": {"chat": DM, "id": 1}}, "(a story)"),
        ({"hologram": {"id": 1}}, "(a kind of message that this bridge does not know: hologram)"),
    ],
)  # fmt: skip
def test_what_is_no_file_is_said_in_words(more: dict[str, Any], text: str) -> None:
    assert heard(**more).text == text


@pytest.mark.parametrize(
    ("origin", "name"),
    [
        ({"type": "user", "date": 1, "sender_user": BOB}, "Bob"),
        ({"type": "hidden_user", "date": 1, "sender_user_name": "Somebody"}, "Somebody"),
        ({"type": "chat", "date": 1, "sender_chat": GROUP}, "Crew"),
        ({"type": "channel", "date": 1, "chat": NEWS, "message_id": 2}, "News"),
    ],
)
def test_a_forward_says_who_wrote_it_first(origin: dict[str, Any], name: str) -> None:
    assert heard(text="old", forward_origin=origin).forwarded_from == name


def test_parts_of_an_album_say_which() -> None:
    assert reading(message=said(photo=[file(width=9, height=9)], media_group_id="77")).album == "5:77"


# -- edits, moves, presses -------------------------------------------------------------------------------------


def edited(text: str, at: int = 1100) -> Incoming:
    arrival = reading(edited_message=said(text=text, edit_date=at)).arrival
    assert isinstance(arrival, Incoming)
    return arrival


def test_an_edit_has_a_stamp_of_its_version() -> None:
    first = edited("one")
    assert (first.key, first.text, first.at) == ("31", "one", 1100.0)
    assert first.edit
    assert first.edit == edited("one").edit
    assert len({first.edit, edited("two").edit, edited("one", 1101).edit}) == 3, "also within one second"
    assert not heard(text="one", edit_date=1100).edit, "a message that was edited before it was read is new"


@pytest.mark.parametrize(
    ("chat", "more"), [(GROUP, {"migrate_to_chat_id": -1009}), (SUPER, {"migrate_from_chat_id": -9})]
)
def test_both_sides_of_a_move_say_the_same(chat: dict[str, Any], more: dict[str, Any]) -> None:
    assert reading(message=said(chat, **more)).arrival == Moved("t", "-9", "-1009", offset=8)


def pressed(**more: Any) -> ReadUpdate:
    return reading(callback_query={"id": "Q", "from": ANN, "chat_instance": "1"} | more)


def test_a_press() -> None:
    found = pressed(data="tok", message=said(GROUP, text="?"))
    assert found.arrival == ButtonPress(
        "t", "-9", "31", sender=Sender("5", "Ann Lee"), token="tok", at=2000.0, offset=8
    )
    assert found.callback == "Q"
    topic = said(SUPER, text="?", message_thread_id=7, is_topic_message=True)
    arrival = pressed(data="tok", message=topic).arrival
    assert isinstance(arrival, ButtonPress)
    assert arrival.chat == "-1009/7"


def test_a_press_below_a_message_that_is_gone() -> None:
    arrival = pressed(data="tok", message={"chat": SUPER, "message_id": 31, "date": 0}).arrival
    assert isinstance(arrival, ButtonPress)
    assert (arrival.chat, arrival.message) == ("-1009", "31")


def test_a_press_of_something_else_still_wants_its_answer() -> None:
    for more in ({"data": "x", "inline_message_id": "I"}, {"game_short_name": "g", "message": said(text="?")}):
        found = pressed(**more)
        assert (found.arrival, found.callback) == (Ignored("t", 8), "Q")


@pytest.mark.parametrize(
    "update",
    [
        {"message": said(GROUP, new_chat_members=[BOB])},
        {"message": said(GROUP, left_chat_member=BOB)},
        {"message": said(GROUP, new_chat_title="X")},
        {"message": said(GROUP, group_chat_created=True)},
        {"message": said(SUPER, forum_topic_created={"name": "n", "icon_color": 1}, is_topic_message=True)},
        {"message": said({"id": -1008, "type": "supergroup", "title": "D", "is_direct_messages": True},
                         text="hi", direct_messages_topic={"topic_id": 5})},
        {"my_chat_member": {
            "chat": DM, "from": ANN, "date": 1, "old_chat_member": {"status": "member", "user": US},
            "new_chat_member": {"status": "kicked", "user": US, "until_date": 0},
        }},
        {"edited_message": said(GROUP, new_chat_title="X", edit_date=3)},
        {"some_future_kind": {"x": 1}},
        {},
    ],
)  # fmt: skip
def test_what_concerns_nobody_only_moves_the_place(update: dict[str, Any]) -> None:
    assert reading(**update).arrival == Ignored("t", 8)
