"""Voice messages become text beside the file: for the model, in the search, marked as heard; a failure says so."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bridge_mcp.config.load import complaint
from bridge_mcp.core.decide import decide
from bridge_mcp.core.entries import Attachment, Heard, Log, Logged, Transcribed
from bridge_mcp.core.errors import ModelFailed
from bridge_mcp.core.hearing import HEARD
from bridge_mcp.core.policy import Policy
from bridge_mcp.core.spending import Cap, Caps
from bridge_mcp.core.steps import CallModel, Wait
from bridge_mcp.engine.engine import Engine
from bridge_mcp.models.litellm_process import LitellmProcess
from bridge_mcp.models.litellm_transcription import LitellmTranscriber
from bridge_mcp.models.settings import TranscriptionSettings
from bridge_mcp.models.transcription import OpenAITranscriber
from bridge_mcp.ports import Pairing
from bridge_mcp.testing import FakeModel, says
from tests.integration.setup import ANN, OWNER, World, rules_for, verify, world
from tests.servers.model_apis.speech_server import SpeechServer, serving

CHAT = "family/9"
VOICE = Attachment("v1", "audio", "audio/ogg", name="voice.oga", size=9)


@asynccontextmanager
async def hearing(folder: Path, *replies: str, **settings: object) -> AsyncGenerator[tuple[World, SpeechServer]]:
    """A bridge that hears, with a chat that is let in and a file `v1` on its platform."""
    more: Any = settings.pop("rules", {})
    async with serving() as server:
        given = {"model": "whisper-1", "api_key": server.key, "base_url": server.url, **settings}
        transcriber = OpenAITranscriber(TranscriptionSettings(**given))  # pyright: ignore[reportArgumentType]
        model = FakeModel([says(reply) for reply in replies])
        async with world(folder, model, rules=rules_for(hears=True, **more), engine=False) as it:
            await it.store.access.pair(Pairing("family", "9", name="Ann"))
            it.family.files["v1"] = b"OggS voice"
            engine = Engine(it.store, it.rules, it.channels, it.model, it.toolbox, it.clock, transcriber=transcriber)
            async with anyio.create_task_group() as tasks:
                await tasks.start(run, engine)
                yield it, server
                tasks.cancel_scope.cancel()
        await transcriber.close()


async def run(engine: Engine, *, task_status: anyio.abc.TaskStatus[None]) -> None:
    await engine.run(task_status.started)


async def speak(it: World, text: str = "", files: tuple[Attachment, ...] = (VOICE,)) -> None:
    await it.family.receive(text, chat="9", sender=ANN, attachments=files)


@pytest.mark.shows("chats.voice")
async def test_a_voice_message_is_read_searched_and_answered(tmp_path: Path) -> None:
    async with hearing(tmp_path, "At nine.", usd_per_minute=0.006) as (it, server):
        server.says("when do we meet", seconds=30.0)
        await speak(it)
        await it.family.wait_for_sent(1)
        asked = cast("FakeModel", it.model).requests[0].messages[-1].text
        assert "when do we meet" in asked
        assert HEARD in asked
        (request,) = server.requests
        assert (request["file"], request["filename"], request["model"]) == (b"OggS voice", "voice.ogg", "whisper-1")
        (found,) = await it.bridge.search_messages(OWNER, "meet")
        assert found.text == f"{HEARD} when do we meet"
        assert found.attachments[0].name == "voice.oga", "the file stays beside it"
        (event,) = await it.events("message.transcribed")
        assert event.body["failed"] == ""
        spent = await it.store.spending.ever(CHAT)
        assert spent.calls == 2
        assert spent.nano_usd == 3_000_000
    assert verify(tmp_path) == ()


@pytest.mark.shows("chats.voice")
@pytest.mark.parametrize("how", ["refused", "no json", "no text", "too large", "gone", "unreachable"])
async def test_a_failure_leaves_the_note_says_so_and_the_turn_goes_on(tmp_path: Path, how: str) -> None:
    settings: dict[str, object] = {"max_bytes": 5} if how == "too large" else {}
    if how == "unreachable":
        settings["base_url"] = "http://127.0.0.1:9/v1"
    async with hearing(tmp_path, "I could not hear that.", **settings) as (it, server):
        if how == "refused":
            server.fails(400, "The audio file could not be decoded or its format is not supported.")
        if how == "no text":
            server.answers.append((200, {"words": []}))
        if how == "no json":
            server.answers.append((200, "x" * 10))
        if how == "gone":
            it.family.files.clear()
        await speak(it, "listen")
        await it.family.wait_for_sent(1)
        (event,) = await it.events("message.transcribed")
        assert event.body["failed"]
        text = (await it.bridge.read_messages(OWNER, CHAT)).messages[0].text
        assert text.startswith("listen\n\n🎤 (a voice message; its words are not known: ")
        assert "sk-speech" not in text


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    """It would take the voice, the key and the headers to a host that nobody configured, and its answer into a chat."""
    came: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        came.append(request.path)
        if request.path == "/elsewhere":
            return web.json_response({"text": "of another host"})
        await request.read()
        return web.Response(status=status, headers={"location": "/elsewhere"})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        transcriber = OpenAITranscriber(
            TranscriptionSettings(model="whisper-1", api_key="sk", base_url=str(server.make_url("/v1")))
        )
        with pytest.raises(ModelFailed, match="redirects"):
            await transcriber.transcribe(b"OggS voice", name="voice.ogg", mime="audio/ogg")
        await transcriber.close()
    assert came == ["/v1/audio/transcriptions"]


@pytest.mark.shows("chats.voice")
async def test_where_the_budget_is_spent_nobody_is_asked_and_the_message_says_so(tmp_path: Path) -> None:
    caps = Caps(conversation=Cap(usd=0.001))
    async with hearing(tmp_path, "At nine.", usd_per_minute=0.006, rules={"caps": caps}) as (it, server):
        server.says("when do we meet", seconds=30.0)
        await speak(it)
        await it.events("message.transcribed")
        await speak(it)
        (_, event) = await it.events("message.transcribed", 2)
        assert "budget" in str(event.body["failed"])
        assert len(server.requests) == 1


@pytest.mark.shows("chats.voice")
async def test_litellm_hears_too_and_tells_the_cost() -> None:
    async with serving() as server:
        server.says("when do we meet", seconds=30.0)
        settings = TranscriptionSettings(
            model="openai/whisper-1", api_key=server.key, base_url=server.url, via="litellm", language="en"
        )
        assert settings.by_litellm
        litellm = LitellmProcess()
        try:
            hears = LitellmTranscriber(settings, litellm)
            found = await hears.transcribe(b"OggS voice", name="voice.oga", mime="audio/ogg")
            assert found.text == "when do we meet"
            (request,) = server.requests
            assert (request["file"], request["filename"], request["language"]) == (b"OggS voice", "voice.ogg", "en")
            server.fails(400, "The audio file could not be decoded.")
            with pytest.raises(ModelFailed, match="could not be decoded"):
                await hears.transcribe(b"OggS voice", name="voice.ogg", mime="audio/ogg")
        finally:
            await litellm.close()


@pytest.mark.parametrize(
    ("model", "base_url", "via", "by_litellm"),
    [
        ("whisper-1", "", "auto", False),
        ("groq/whisper-large-v3", "", "auto", True),
        ("Systran/faster-whisper-small", "http://x/v1", "auto", False),
        ("groq/whisper-large-v3", "", "openai", False),
        ("whisper-1", "", "litellm", True),
    ],
)
def test_who_is_asked_follows_from_the_model(model: str, base_url: str, via: Any, by_litellm: bool) -> None:
    assert TranscriptionSettings(model=model, base_url=base_url, via=via).by_litellm is by_litellm


@pytest.mark.shows("chats.voice")
async def test_a_message_without_speech_asks_nobody(tmp_path: Path) -> None:
    async with hearing(tmp_path, "Hello.") as (it, server):
        await speak(it, "hi", ())
        await it.family.wait_for_sent(1)
        assert server.requests == []


def test_a_turn_waits_for_the_words_and_no_longer_than_it_takes() -> None:
    heard = Logged(0, 100.0, Heard("", ANN, "m", attachments=(VOICE,)))
    log: Log = (heard,)
    hears = Policy("family/9", hears=True)
    assert decide(log, hears, 101.0) == Wait(190.0)
    assert isinstance(decide(log, Policy("family/9"), 101.0), CallModel)
    assert isinstance(decide(log, hears, 190.0), CallModel)
    assert isinstance(decide((heard, Logged(1, 102.0, Transcribed(0, "x"))), hears, 102.0), CallModel)


def test_the_section_is_checked() -> None:
    assert complaint('[transcription]\nmodel = "whisper-1"\n') == ""
    assert "transcription.base_url" in complaint('[transcription]\nmodel = "w"\nbase_url = "nowhere"\n')
    assert "max_mb" in complaint('[transcription]\nmodel = "w"\nmax_mb = 100\n')
