"""What strangers wrote is heard once they are let in, and they are told that they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge_mcp.core.entries import Attachment, Sender
from bridge_mcp.ports import ChannelRules
from bridge_mcp.testing import FakeModel, ManualClock, says
from tests.integration.setup import ANN, OWNER, World, rules_for, world

RELAY = rules_for(channels={"local": ChannelRules("local"), "family": ChannelRules("family", "relay")})


async def let_in(it: World, **role: str) -> None:
    (request,) = (await it.bridge.list_pairings(OWNER))[1]
    await it.bridge.pair_chat(OWNER, code=request.code, **role)  # pyright: ignore[reportArgumentType]


@pytest.mark.shows("chats.welcome")
async def test_the_first_message_is_answered_once_its_author_is_let_in(tmp_path: Path) -> None:
    async with world(tmp_path, FakeModel([says("At nine.")])) as it:
        photo = Attachment("ref", "image", "image/png", name="p.png", size=10)
        await it.family.receive("when?", chat="7", sender=ANN, attachments=(photo,))
        await let_in(it)
        await it.events("turn.finished", conversation="family/7")
        greeting, question, answer = (await it.bridge.read_messages(OWNER, "family/7")).messages
        assert greeting.text.startswith("You are in. Write to me, and the assistant answers.")
        assert (question.text, question.author.id, question.attachments) == ("when?", ANN.id, (photo,))
        assert answer.text == "At nine."


async def test_in_a_group_and_its_topic_too(tmp_path: Path) -> None:
    async with world(tmp_path, FakeModel([says("Yes?")])) as it:
        await it.family.receive("hi", chat="-5/3", sender=ANN, group=True, title="Crew")
        await let_in(it)
        await it.events("turn.finished", conversation="family/-5/3")
        assert (await it.texts("family/-5/3"))[1:] == ["hi", "Yes?"]


async def test_a_command_of_a_stranger_is_not_run_later(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        await it.family.receive("/clear", chat="7", sender=ANN)
        await let_in(it, role="approver")
        await it.events("message.sent", conversation="family/7")
        (greeting,) = await it.texts("family/7")
        assert greeting.startswith("You are in.")


@pytest.mark.parametrize(("role", "told"), [("user", False), ("approver", True)])
async def test_without_a_model_nobody_meets_silence(tmp_path: Path, role: str, told: bool) -> None:
    async with world(tmp_path, rules=RELAY) as it:
        await it.family.receive("hello", chat="7", sender=ANN)
        await let_in(it, role=role)
        await it.events("message.received", conversation="family/7")
        greeting, kept = await it.texts("family/7")
        assert "I keep what you write for whoever is connected to this bridge" in greeting
        assert ("[models.default]" in greeting) is told
        assert kept == "hello"


@pytest.mark.shows("chats.welcome")
async def test_what_is_older_than_its_code_is_forgotten_and_nobody_is_welcomed_twice(tmp_path: Path) -> None:
    clock = ManualClock()
    async with world(tmp_path, FakeModel([says("Yes?")]), clock=clock) as it:
        await it.family.receive("old", chat="8", sender=Sender("8", "Bob"))
        clock.advance(3_601)
        await it.bridge.pair_chat(OWNER, channel="family", chat="8")
        await it.family.receive("new", chat="7", sender=ANN)
        await let_in(it)
        await it.bridge.pair_chat(OWNER, channel="family", chat="7", role="approver")
        await it.events("turn.finished", conversation="family/7")
        assert len([text for text in await it.texts("family/7") if text.startswith("You are in.")]) == 1
        assert [each.id for each in (await it.bridge.list_conversations(OWNER)).conversations] == ["family/7"]


async def test_what_a_stranger_wrote_is_bounded(tmp_path: Path) -> None:
    clock = ManualClock()
    async with world(tmp_path, clock=clock) as it:
        for number in range(60):
            clock.advance(61)
            await it.family.receive("x" * 20_000, chat=str(100 + number), sender=Sender(str(100 + number)))
        state = it.store.channel_state
        kept = [await state.first_message("family", str(100 + number)) for number in range(60)]
        assert [each is not None for each in kept] == [False] * 10 + [True] * 50
        assert len(str(kept)) < 600_000
