"""Answers are spoken beside their text where the owner wants that; a failure leaves the text, and is told once."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import anyio
import pytest
from msgspec.structs import replace

from bridge_mcp.config.load import complaint
from bridge_mcp.core.entries import Attachment
from bridge_mcp.core.speakable import speakable
from bridge_mcp.core.spending import Cap, Caps
from bridge_mcp.engine.engine import Engine
from bridge_mcp.engine.spoken_answers import SpokenAnswers
from bridge_mcp.models.settings import SpeechSettings
from bridge_mcp.models.speech import OpenAISpeaker
from bridge_mcp.ports import ChannelRules, Pairing
from bridge_mcp.stores.files import FileFolder
from bridge_mcp.testing import FakeModel, says
from tests.integration.setup import ANN, OWNER, World, rules_for, verify, world
from tests.servers.model_apis.speech_server import SpeechServer, serving

CHAT = "family/9"
VOICE = Attachment("v1", "audio", "audio/ogg", name="voice.oga", size=9)


@asynccontextmanager
async def speaking(
    folder: Path,
    *replies: str,
    speak: Literal["never", "voice", "always"] = "always",
    file_bytes: int = 1_000_000,
    **more: Any,
) -> AsyncGenerator[tuple[World, SpeechServer]]:
    """A bridge that speaks, with a chat that is let in."""
    channels = {"local": ChannelRules("local", "assistant"), "family": ChannelRules("family", "assistant", speak=speak)}
    async with serving() as server:
        settings = SpeechSettings("tts-1", "alloy", server.key, server.url, max_chars=200, usd_per_million_chars=15.0)
        speaker, model = OpenAISpeaker(settings), FakeModel([says(reply) for reply in replies])
        async with world(folder, model, rules=rules_for(channels=channels, **more), engine=False) as it:
            await it.store.access.pair(Pairing("family", "9", name="Ann"))
            files = FileFolder(folder / "kept")
            family = replace(it.family.traits, can=replace(it.family.traits.can, file_bytes=file_bytes))
            lane = SpokenAnswers(it.store, speaker, files, it.rules, it.clock, traits={"family": family})
            beside = {"speaking": lane.run}
            engine = Engine(it.store, it.rules, it.channels, it.model, it.toolbox, it.clock, files=files, beside=beside)
            async with anyio.create_task_group() as tasks:
                await tasks.start(run, engine)
                yield it, server
                tasks.cancel_scope.cancel()
        await speaker.close()


async def run(engine: Engine, *, task_status: anyio.abc.TaskStatus[None]) -> None:
    await engine.run(task_status.started)


@pytest.mark.shows("chats.spoken")
async def test_an_answer_is_spoken_beside_its_text(tmp_path: Path) -> None:
    async with speaking(tmp_path, "**At nine**, see [the plan](https://x.example/a).", "Yes.") as (it, server):
        await it.family.receive("when?", chat="9", sender=ANN)
        text, voice = await it.family.wait_for_sent(2)
        assert text.text.startswith("**At nine**")
        assert not text.uploads
        (upload,) = voice.uploads
        assert (upload.kind, upload.mime, upload.data) == ("audio", "audio/ogg", b"OggS spoken")
        assert voice.silent, "the text has sounded"
        (told,) = server.spoken
        assert (told["input"], told["voice"], told["response_format"]) == ("At nine, see the plan.", "alloy", "opus")
        spent = await it.store.spending.ever(CHAT)
        assert spent.nano_usd == round(len("At nine, see the plan.") * 15 / 1e6 * 1e9)
        await it.family.receive("sure?", chat="9", sender=ANN)
        await it.family.wait_for_sent(4)
        assert "answer.ogg" not in str(it.model.requests[-1]), "the model is not told of its own voice"  # type: ignore[attr-defined]
    assert verify(tmp_path) == ()


@pytest.mark.shows("chats.spoken")
async def test_only_what_was_asked_by_voice_is_answered_by_voice(tmp_path: Path) -> None:
    async with speaking(tmp_path, "First.", "Second.", speak="voice") as (it, server):
        it.family.files["v1"] = b"OggS voice"
        await it.family.receive("hi", chat="9", sender=ANN)
        await it.family.wait_for_sent(1)
        await it.family.receive("", chat="9", sender=ANN, attachments=(VOICE,))
        await it.family.wait_for_sent(3)
        assert [each["input"] for each in server.spoken] == ["Second."]


@pytest.mark.shows("chats.spoken")
async def test_a_failure_leaves_the_text_and_is_told_once(tmp_path: Path) -> None:
    async with speaking(tmp_path, "One.", "Two.", "Three.") as (it, server):
        server.voices.extend([(500, b'{"error": {"message": "overloaded"}}'), (200, b"<html>")])
        await it.family.receive("a", chat="9", sender=ANN)
        told = (await it.family.wait_for_sent(2))[-1]
        assert "overloaded" in told.text
        await it.family.receive("b", chat="9", sender=ANN)
        await it.family.wait_for_sent(3)
        await it.family.receive("c", chat="9", sender=ANN)
        sent = await it.family.wait_for_sent(5)
        assert [each.text for each in sent] == ["One.", told.text, "Two.", "Three.", ""]
        assert sent[-1].uploads


@pytest.mark.shows("chats.spoken")
async def test_nothing_is_spoken_and_paid_for_where_the_channel_sends_no_files(tmp_path: Path) -> None:
    async with speaking(tmp_path, "One.", "Two.", file_bytes=0) as (it, server):
        await it.family.receive("a", chat="9", sender=ANN)
        told = (await it.family.wait_for_sent(2))[-1]
        assert "'family' sends no files" in told.text
        await it.family.receive("b", chat="9", sender=ANN)
        assert [each.text for each in await it.family.wait_for_sent(3)] == ["One.", told.text, "Two."]
        assert not server.spoken


async def test_long_answers_code_and_a_spent_budget_stay_texts(tmp_path: Path) -> None:
    long, code = "word " * 60, "```py\nx = 1\n```"
    caps = Caps(conversation=Cap(tokens=1_000_000, usd=0.000_02))
    async with speaking(tmp_path, long, code, "Short.", "No more.", caps=caps) as (it, server):
        for number in range(3):
            await it.family.receive(f"q{number}", chat="9", sender=ANN)
            await it.family.wait_for_sent(number + 1)
        await it.family.wait_for_sent(4)
        assert [each["input"] for each in server.spoken] == ["Short."]
        page = await it.bridge.read_messages(OWNER, CHAT)
        assert [each.text for each in page.messages if each.direction == "out"][:2] == [long, code]


@pytest.mark.parametrize(
    ("markdown", "spoken"),
    [
        ("# Plan\n\n- **one**\n- `two`\n\n> said", "Plan\n\none\ntwo\n\nsaid"),
        ("see [here](https://x/y) and ![a cat](c.png)", "see here and a cat"),
        ("snake_case and 2*3 stay", "snake_case and 2*3 stay"),
        ("```\ncode\n```", ""),
        ("before\n~~~py\ncode\n~~~\nafter", "before\n\nafter"),
    ],
)
def test_what_is_spoken_has_no_signs(markdown: str, spoken: str) -> None:
    assert speakable(markdown) == spoken


def test_the_sections_are_checked() -> None:
    speech = '[speech]\nmodel = "tts-1"\nvoice = "alloy"\n'
    channel = '[channels.home]\ntype = "local"\nspeak = "always"\n'
    assert complaint(speech + channel) == ""
    assert "no [speech]" in complaint(channel)
    assert "max_chars" in complaint(f"{speech}max_chars = 9000\n")
