"""Texts, buttons, edits and reactions to the loopback Telegram, with the real python-telegram-bot."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from bridge_mcp.core.entries import Button, Question
from bridge_mcp.core.errors import SendFailed
from bridge_mcp.ports import Edit, Outgoing, Part, Reaction
from tests.integration.telegram_chats import Rig, rig
from tests.servers.telegram import Fault, TelegramServer

pytestmark = pytest.mark.anyio
YES_NO = (Button("Yes", "yes", "t-1"), Button("No", "no", "t-2"))


@pytest.fixture
async def chats() -> AsyncGenerator[Rig]:
    async with TelegramServer() as server, rig(server) as made:
        yield made


@pytest.mark.shows("chats.markdown")
async def test_markdown_arrives_as_entities(chats: Rig) -> None:
    source = (
        "# Hi 👍\n\n**bold** [link](https://example.com) `code`\n\n> quoted `code`\n\n```python\n  x = 1\n```\n||psst||"
    )
    (sent,) = await chats.send(Outgoing(chats.dm, source))
    (message,) = chats.messages
    assert str(message.message_id) == sent
    assert message.text == "Hi 👍\n\nbold link code\n\nquoted code\n\n  x = 1\npsst"
    assert message.entity_texts("bold") == ["Hi 👍", "bold"]
    assert message.entity_texts("text_link") == ["link"]
    assert message.entity_texts("code") == ["code", "code"]
    assert message.entity_texts("blockquote") == ["quoted code"]
    assert message.entity_texts("pre") == ["  x = 1"]
    assert message.entity_texts("spoiler") == ["psst"]
    assert [entity.language for entity in message.entities if entity.type == "pre"] == ["python"]


@pytest.mark.parametrize("text", ["", "   ", "\u200d\u3164", "\x00", "<!-- -->", "[]()", "```\n```", "&nbsp;"])
async def test_every_text_makes_a_message(chats: Rig, text: str) -> None:
    await chats.send(Outgoing(chats.dm, text))
    (message,) = chats.messages
    assert message.text


async def test_a_long_text_goes_in_parts_in_order(chats: Rig) -> None:
    paragraphs = [f"Paragraph {number}: " + "word " * 300 for number in range(6)]
    action = Outgoing(chats.dm, "\n\n".join(paragraphs), buttons=YES_NO, silent=True)
    parts = chats.sender.parts(action)
    assert parts == chats.sender.parts(action)
    sent = await chats.send(action)
    assert len(sent) == len(parts) == 3
    assert "\n\n".join(chats.texts).split() == action.text.split()
    assert [message.labels for message in chats.messages] == [[], [], ["Yes", "No"]]
    assert all(message.silent for message in chats.messages)


@pytest.mark.shows("chats.plain")
async def test_refused_markup_goes_out_plain_with_everything_in_it(chats: Rig) -> None:
    chats.server.fault(Fault.bad("can't parse entities: Unsupported start tag"), "sendMessage")
    await chats.send(Outgoing(chats.dm, "**bold** [words](https://example.com/x)", buttons=YES_NO))
    (message,) = chats.messages
    assert message.text == "bold words (https://example.com/x)"
    assert message.entity_texts("bold") == []
    assert message.labels == ["Yes", "No"]
    first, second = chats.server.calls("sendMessage")
    assert "entities" in first.args
    assert "entities" not in second.args


async def test_refused_markup_of_a_full_message_loses_nothing(chats: Rig) -> None:
    source = "[words](https://example.com/" + "x" * 300 + ") " + "word " * 800
    chats.server.fault(Fault.bad("can't parse entities: x"), "sendMessage")
    (part,) = chats.sender.parts(Outgoing(chats.dm, source, buttons=YES_NO))
    assert len(await chats.sender.send(part)) == 2
    assert "".join(chats.texts).count("x" * 300) == 1
    assert " ".join(chats.texts).split().count("word") == 800
    assert [message.labels for message in chats.messages] == [[], ["Yes", "No"]]


async def test_a_reply_to_a_message_and_to_one_that_is_gone(chats: Rig) -> None:
    heard = await chats.alice.sends(chats.alice.dm, "question")
    gone = await chats.alice.sends(chats.alice.dm, "gone")
    await chats.alice.dm.deletes(gone)
    for target in (heard.message_id, gone.message_id, "no-number"):
        await chats.send(Outgoing(chats.dm, "answer", reply_to=str(target)))
    assert [message.reply_to for message in chats.messages] == [heard.message_id, None, None]


async def test_only_the_first_part_is_a_reply(chats: Rig) -> None:
    heard = await chats.alice.sends(chats.alice.dm, "question")
    await chats.send(Outgoing(chats.dm, "word " * 1000, reply_to=str(heard.message_id)))
    assert [message.reply_to for message in chats.messages] == [heard.message_id, None]


async def test_topics(chats: Rig) -> None:
    forum = chats.server.supergroup("Forum", [chats.alice], forum=True)
    topic = await forum.topic("Plans", chats.alice)
    await chats.send(Outgoing(f"{forum.id}/{topic}", "in the topic"))
    await chats.send(Outgoing(f"{forum.id}/1", "in the general topic"))
    assert [message.thread for message in forum.bot_messages] == [topic, None]
    await forum.deletes_topic(topic)
    with pytest.raises(SendFailed, match="topic is gone") as failed:
        await chats.send(Outgoing(f"{forum.id}/{topic}", "nowhere"))
    assert failed.value.retry_after_s is None


async def test_no_preview_is_fetched(chats: Rig) -> None:
    await chats.send(Outgoing(chats.dm, "[x](https://evil.example/?q=secret)"))
    assert chats.server.calls("sendMessage")[0].json["link_preview_options"] == {"is_disabled": True}


async def test_buttons_carry_tokens_and_can_be_pressed(chats: Rig) -> None:
    await chats.send(Outgoing(chats.dm, "Well?", buttons=(*YES_NO, Button("Maybe", "perhaps"))))
    (message,) = chats.messages
    assert [button.data for row in message.buttons for button in row] == ["t-1", "t-2", "perhaps"]
    await chats.alice.presses(message, "No")


@pytest.mark.parametrize(
    ("buttons", "reason"),
    [
        ((Button("Long", "v" * 65),), "65 bytes"),
        ((Button("Long", "ü" * 40),), "80 bytes"),
        ((Button(" ", "v"),), "no label"),
        ((Button("Empty", ""),), "no value"),
        (tuple(Button(str(n), str(n)) for n in range(101)), "100 buttons"),
    ],
)
async def test_buttons_that_telegram_refuses_are_refused_before(
    chats: Rig, buttons: tuple[Button, ...], reason: str
) -> None:
    with pytest.raises(SendFailed, match=reason) as failed:
        await chats.send(Outgoing(chats.dm, "long " * 2000, buttons=buttons))
    assert failed.value.retry_after_s is None
    assert failed.value.fix
    assert chats.texts == []


async def test_a_token_of_any_length_is_taken_before_a_long_value(chats: Rig) -> None:
    await chats.send(Outgoing(chats.dm, "?", buttons=(Button("Long", "v" * 500, "t" * 64),)))
    assert chats.messages[0].labels == ["Long"]


async def test_an_open_question_asks_for_a_reply_in_groups_only(chats: Rig) -> None:
    heard = await chats.alice.sends(chats.group, "@loopback_test_bot hi")
    group = str(chats.group.id)
    await chats.send(Outgoing(group, "Name?", question=Question()))
    await chats.send(Outgoing(group, "Name?", question=Question(), reply_to=str(heard.message_id)))
    await chats.send(Outgoing(group, "Which?", question=Question(("Yes", "No")), buttons=YES_NO))
    await chats.send(Outgoing(chats.dm, "Name?", question=Question()))
    plain, reply, choices = chats.group.bot_messages
    assert plain.keyboard == {"force_reply": True, "input_field_placeholder": "Your answer"}
    assert reply.keyboard == {"force_reply": True, "selective": True, "input_field_placeholder": "Your answer"}
    assert (choices.keyboard, choices.labels) == (None, ["Yes", "No"])
    assert chats.messages[0].keyboard is None


async def test_something_else_than_a_chat_of_telegram(chats: Rig) -> None:
    for action in (Outgoing("main", "x"), Edit(chats.dm, ("m1",), "x"), Reaction(chats.dm, "m1", "👍")):
        (part,) = chats.sender.parts(action)
        with pytest.raises(SendFailed, match="numbers"):
            await chats.sender.send(part)
    with pytest.raises(TypeError):
        await chats.sender.send(Part(chats.dm, "something"))
    with pytest.raises(SendFailed, match="no message to edit"):
        await chats.send(Edit(chats.dm, (), "x"))


# Edits.


async def test_an_edit_changes_text_and_buttons(chats: Rig) -> None:
    sent = await chats.send(Outgoing(chats.dm, "May I?", buttons=YES_NO))
    assert await chats.send(Edit(chats.dm, tuple(sent), "**Alice** said yes.")) == sent
    (message,) = chats.messages
    assert (message.text, message.labels) == ("Alice said yes.", [])
    assert message.entity_texts("bold") == ["Alice"]
    await chats.send(Edit(chats.dm, tuple(sent), "Again?", buttons=YES_NO))
    assert chats.messages[0].labels == ["Yes", "No"]


async def test_not_modified_is_success(chats: Rig) -> None:
    sent = await chats.send(Outgoing(chats.dm, "**same**", buttons=YES_NO))
    assert await chats.send(Edit(chats.dm, tuple(sent), "**same**", buttons=YES_NO)) == sent
    assert chats.messages[0].edits == 0
    assert "not modified" in chats.server.calls("editMessageText")[0].description


async def test_an_edit_whose_markup_is_refused_is_made_plain(chats: Rig) -> None:
    sent = await chats.send(Outgoing(chats.dm, "before"))
    chats.server.fault(Fault.bad("can't parse entities: x"), "editMessageText")
    await chats.send(Edit(chats.dm, tuple(sent), "**after** [w](https://example.com)"))
    assert chats.texts == ["after w (https://example.com)"]


async def test_an_edit_that_grew_goes_on_in_new_messages(chats: Rig) -> None:
    sent = await chats.send(Outgoing(chats.dm, "short"))
    text = "word " * 2000
    made = await chats.send(Edit(chats.dm, tuple(sent), text, buttons=YES_NO))
    assert made[0] == sent[0]
    assert len(made) == 3
    assert " ".join(chats.texts).split() == text.split()
    assert [message.labels for message in chats.messages] == [[], [], ["Yes", "No"]]
    assert [message.reply_to for message in chats.messages[1:]] == [int(sent[0])] * 2


async def test_an_edit_that_shrank_takes_the_rest_away(chats: Rig) -> None:
    sent = await chats.send(Outgoing(chats.dm, "word " * 2000))
    assert len(sent) == 3
    await chats.send(Edit(chats.dm, tuple(sent), "short"))
    assert chats.texts == ["short"]


async def test_what_can_not_be_deleted_any_more_is_left_empty(chats: Rig) -> None:
    sent = await chats.send(Outgoing(chats.dm, "word " * 1000))
    chats.server.fault(Fault.bad("message can't be deleted for everyone"), "deleteMessage")
    await chats.send(Edit(chats.dm, tuple(sent), "short"))
    assert chats.texts == ["short", "…"]
    await chats.alice.dm.deletes(chats.messages[1])
    await chats.send(Edit(chats.dm, tuple(sent), "shorter"))
    assert chats.texts == ["shorter"]


async def test_an_edit_of_a_message_that_is_gone_or_not_ours(chats: Rig) -> None:
    sent = await chats.send(Outgoing(chats.dm, "x"))
    await chats.alice.dm.deletes(chats.messages[0])
    theirs = await chats.alice.sends(chats.alice.dm, "theirs")
    for target, reason in ((sent[0], "is gone"), (str(theirs.message_id), "not edit")):
        with pytest.raises(SendFailed, match=reason) as failed:
            await chats.send(Edit(chats.dm, (target,), "y"))
        assert failed.value.retry_after_s is None
        assert failed.value.fix


# Reactions.


async def test_reactions_come_and_go(chats: Rig) -> None:
    heard = await chats.alice.sends(chats.alice.dm, "nice")
    target = str(heard.message_id)
    for emoji, seen in (("👍", ("👍",)), ("❤️", ("❤",)), ("", ())):
        assert await chats.send(Reaction(chats.dm, target, emoji)) == [target]
        assert chats.alice.dm.message(heard.message_id).reactions == seen


async def test_a_reaction_that_telegram_does_not_have(chats: Rig) -> None:
    heard = await chats.alice.sends(chats.alice.dm, "nice")
    with pytest.raises(SendFailed, match="👍 👎") as failed:
        await chats.send(Reaction(chats.dm, str(heard.message_id), "🪑"))
    assert failed.value.retry_after_s is None
    with pytest.raises(SendFailed, match="is gone"):
        await chats.send(Reaction(chats.dm, "999", "👍"))
