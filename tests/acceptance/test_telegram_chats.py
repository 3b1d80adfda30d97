"""The installed command as a Telegram bot, against a Bot API server on loopback: people, tools, MCP clients."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator

import pytest

from tests.acceptance.parts import Home, face
from tests.servers.telegram import Button, Message, TelegramServer

CHANNEL = """
[channels.family]
type = "telegram"
token_file = "token"
api_base_url = {url}
responder = {responder}
"""
WAIT_S = 30.0


@pytest.fixture
async def server() -> AsyncGenerator[TelegramServer]:
    async with TelegramServer() as server:
        yield server


def configure(home: Home, server: TelegramServer, responder: str = "assistant") -> None:
    home.scripted(CHANNEL.format(url=json.dumps(server.url), responder=json.dumps(responder)))
    (home.config.parent / "token").write_text(server.token)


def button(message: Message, label: str) -> Button:
    return next(each for row in message.buttons for each in row if label in each.text)


@pytest.mark.shows("chats.pairing", "approvals.in-chat")
async def test_a_dm_is_paired_by_code_and_a_deletion_waits_for_an_approvers_tap(
    home: Home, server: TelegramServer
) -> None:
    configure(home, server)
    (home.work / "files" / "a.txt").write_text("old")
    ann = server.user("Ann")
    async with face(home, "--scopes", "read,send,approve,tools,admin") as host:
        await ann.sends(ann.dm, "hello?")
        (told,) = await ann.dm.bot_says(1, WAIT_S)
        code = told.text.split()[-1]
        paired = await host.call("pair_chat", code=code, role="approver")
        assert (paired["channel"], paired["chat"]) == ("family", str(ann.id))

        _, welcome, answer = await ann.dm.bot_says(3, WAIT_S)
        assert (welcome.text.split(".")[0], answer.text) == ("You are in", "echo: hello?")

        await ann.sends(ann.dm, "delete a.txt")
        prompt = (await ann.dm.bot_says(4, WAIT_S))[-1]
        assert "files__delete_file" in prompt.text
        assert "a.txt" in prompt.text
        assert (home.work / "files" / "a.txt").exists()
        pressed = await ann.presses(prompt, button(prompt, "Approve").text)
        assert (await pressed.answered(WAIT_S)).text == "Approved: files__delete_file."
        assert "a.txt" in (await ann.dm.bot_says(5, WAIT_S))[-1].text
        assert not (home.work / "files" / "a.txt").exists()
        await server.until(lambda: not ann.dm.message(prompt.message_id).buttons, "the buttons are gone", WAIT_S)
        assert "Approved by " in ann.dm.message(prompt.message_id).text
    home.run("log", f"family/{ann.id}", "--verify")
    assert server.token not in (home.root / "stderr.log").read_text()


async def test_a_relay_agent_answers_a_topic_of_a_group(home: Home, server: TelegramServer) -> None:
    configure(home, server, "relay")
    ann = server.user("Ann")
    group = server.supergroup("Family", [ann], forum=True)
    topic = await group.topic("Garden", ann)
    home.run("pair", "add", "family", str(group.id))
    async with face(home) as agent:
        conversation = f"family/{group.id}/{topic}"
        await ann.sends(group, "@loopback_test_bot when do we water?", thread=topic)
        page = await agent.call("wait_for_events", after=0, types=["message.received"], timeout_s=30)
        (event,) = page["events"]
        assert (event["conversation"], event["body"]["to"]) == (conversation, "relay")
        sent = await agent.call(
            "send_message", conversation=conversation, text="At **eight**.", reply_to=event["body"]["message"],
            buttons=["Thanks"], idempotency_key=event["body"]["message"],
        )  # fmt: skip
        assert (sent["status"], len(sent["parts"])) == ("sent", 1)
        (answer,) = await group.bot_says(1, WAIT_S)
        assert (answer.text, answer.thread) == ("At eight.", topic)
        assert [(each.type, each.offset) for each in answer.entities] == [("bold", 3)]
        asked = await agent.call("ask_user", conversation=conversation, question="Who?", choices=["Ann", "Bob"])
        question = (await group.bot_says(2, WAIT_S))[-1]
        await ann.presses(question, "Bob")
        done = await agent.call("wait_for", ticket=asked["id"], timeout_s=30)
        assert (done["outcome"], done["text"]) == ("answered", "Bob")
        edited = await agent.call("edit_message", message=sent["message"], text="At nine.")
        assert edited["status"] == "sent"
        assert group.message(answer.message_id).text == "At nine."
        assert (await agent.call("react", message=event["body"]["message"], emoji="👍"))["status"] == "sent"
