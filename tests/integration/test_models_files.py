"""Photos, PDFs and what tools give, as a model is shown them: looked at on a server, through both ways to it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import pytest

from bridge_mcp.core.entries import Attachment, Call, Failed, Started
from bridge_mcp.core.errors import FetchFailed
from bridge_mcp.core.messages import ChatMessage
from bridge_mcp.core.tools import JSON, ToolResult
from bridge_mcp.models.registry import Models
from bridge_mcp.models.settings import ModelSettings
from bridge_mcp.ports import Capacity, ChannelRules, ModelRequest
from bridge_mcp.testing import FakeToolbox
from tests.integration.counting import request_tokens
from tests.integration.setup import OWNER, rules_for, world
from tests.servers.model_apis.answers import calling, failing, saying
from tests.servers.model_apis.anthropic_server import AnthropicServer
from tests.servers.model_apis.openai_server import OpenAIServer

Way = Literal["openai", "litellm"]

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 8
PDF = b"%PDF-1.7\n%%EOF\n"
PHOTO = Attachment("photo", "image", "image/png", name="cat.png", size=len(PNG))
CHART = Attachment("chart", "image", "image/png", name="chart.png", size=len(PNG))
SHEET = Attachment("sheet", "file", "application/pdf", name="plan.pdf", size=len(PDF))


def url(data: bytes, mime: str) -> str:
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"


IMAGE_PART = {"type": "image_url", "image_url": {"url": url(PNG, "image/png")}}
PDF_PART = {"type": "file", "file": {"filename": "plan.pdf", "file_data": url(PDF, "application/pdf")}}


@pytest.fixture(scope="module")
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


async def fetch(attachment: Attachment) -> bytes:
    files = {"photo": PNG, "chart": PNG, "sheet": PDF}
    if attachment.ref not in files:
        raise FetchFailed("It is gone.")
    return files[attachment.ref]


def drawn() -> ModelRequest:
    """Two calls at once, of which the first gave an image and the second a PDF; then more was said."""
    first, second = Call("1.0", "files__draw", "{}", model_id="a"), Call("1.1", "files__print", "{}", model_id="b")
    return ModelRequest(
        "default",
        (
            ChatMessage("user", "draw and print", attachments=(PHOTO,)),
            ChatMessage("assistant", "", calls=(first, second)),
            ChatMessage("tool", "drawn", call=first, attachments=(CHART,)),
            ChatMessage("tool", "printed", call=second, attachments=(SHEET,)),
            ChatMessage("user", "so?"),
        ),
        fetch=fetch,
    )


async def sent(server: OpenAIServer, settings: ModelSettings, request: ModelRequest) -> list[Mapping[str, Any]]:
    """The messages that the server got."""
    models = Models({"default": settings})
    await models.reply(request)
    await models.close()
    assert server.requests[-1].problems == ()
    return server.requests[-1].body["messages"]


@pytest.mark.parametrize("via", ["openai", "litellm"])
async def test_what_calls_gave_is_shown_behind_all_their_results(server: OpenAIServer, via: Way) -> None:
    settings = ModelSettings("default", "openai/gpt-test", "sk-a", base_url=server.url, via=via, vision=True, pdf=True)
    asked = await sent(server, settings, drawn())
    assert [message["role"] for message in asked] == ["user", "assistant", "tool", "tool", "user"]
    assert asked[0]["content"] == [{"type": "text", "text": "draw and print"}, IMAGE_PART]
    assert [message["content"] for message in asked[2:4]] == ["drawn", "printed"]
    assert asked[4]["content"][:4] == [
        {"type": "text", "text": "[Given by the tool files__draw, with its result above:]"},
        IMAGE_PART,
        {"type": "text", "text": "[Given by the tool files__print, with its result above:]"},
        PDF_PART,
    ]


async def test_a_model_that_sees_nothing_is_told_what_there_is(server: OpenAIServer) -> None:
    asked = await sent(server, ModelSettings("default", "m", base_url=server.url), drawn())
    assert [message["role"] for message in asked] == ["user", "assistant", "tool", "tool", "user"]
    assert asked[2]["content"] == f"drawn\n[image, not shown here: chart.png, image/png, {len(PNG)} bytes]"
    assert asked[3]["content"] == f"printed\n[file, not shown here: plan.pdf, application/pdf, {len(PDF)} bytes]"


@pytest.mark.parametrize(("model", "reads"), [("openai/gpt-4o-mini", True), ("openai/gpt-3.5-turbo", False)])
async def test_pdfs_go_to_models_that_are_known_to_read_them(server: OpenAIServer, model: str, reads: bool) -> None:
    settings = ModelSettings("default", model, "sk-a", base_url=server.url, via="litellm")
    asked = await sent(server, settings, drawn())
    assert (json.dumps(PDF_PART) in json.dumps(asked)) == reads


async def test_with_tools_in_words_files_come_with_the_words(server: OpenAIServer) -> None:
    settings = ModelSettings("default", "m", base_url=server.url, vision=True, tool_calling="prompt")
    asked = await sent(server, settings, drawn())
    assert [message["role"] for message in asked] == ["user", "assistant", "user"]
    assert asked[2]["content"][1:] == [IMAGE_PART]


async def test_anthropic_gets_images_and_pdfs_in_its_own_format() -> None:
    with AnthropicServer() as server:
        settings = ModelSettings(
            "default", "anthropic/claude-sonnet-5", "sk-a", base_url=server.base_url, via="litellm"
        )
        models = Models({"default": settings})
        assert await models.capacity("default") == Capacity(1_000_000, images=True, pdfs=True)
        await models.reply(drawn())
        await models.close()
        assert server.requests[-1].problems == ()
        told = json.dumps(server.requests[-1].body["messages"])
    assert told.count('"type": "image"') == 2
    assert told.count('"type": "document"') == 1


# -- what is known of a window ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "able"),
    [
        (ModelSettings("default", "openai/gpt-4o-mini"), Capacity(128_000, images=True, pdfs=True)),
        (ModelSettings("default", "openai/gpt-4"), Capacity(8_192, images=False, pdfs=False)),
        (ModelSettings("default", "openai/gpt-4", context_tokens=6_000, vision=True), Capacity(6_000, images=True)),
        (ModelSettings("default", "m", base_url="http://127.0.0.1:1/v1"), Capacity(None, images=False)),
        (ModelSettings("default", "m", base_url="http://127.0.0.1:1/v1", pdf=True), Capacity(None, False, pdfs=True)),
        (ModelSettings("default", "scripted"), Capacity(None, images=False)),
    ],
)
async def test_what_a_model_takes_is_as_the_owner_says_else_as_litellm_knows(
    settings: ModelSettings, able: Capacity
) -> None:
    models = Models({"default": settings})
    assert await models.capacity("default") == able
    assert await models.capacity("nowhere") == Capacity()
    await models.close()


async def test_a_model_that_cannot_be_loaded_takes_what_the_owner_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    models = Models({"default": ModelSettings("default", "gpt-4", via="openai", context_tokens=7_000)})
    assert (await models.capacity("default")).context_tokens == 7_000
    await models.close()


async def test_a_known_window_is_kept_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """gpt-4 reads 8,192 tokens, and nobody configured that."""
    with OpenAIServer(tokens_of=request_tokens, window=8_192 - 2_048) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        models = Models({"default": ModelSettings("default", "gpt-4", "sk-a", via="openai")})
        await models.warm()
        async with world(tmp_path, models) as it:
            for number in range(12):
                await it.settled(f"{number}: " + "word " * 600)
            log = [each.entry for each in await it.store.log.load("local/main")]
        await models.close()
    assert "summary" in {entry.effect for entry in log if isinstance(entry, Started)}
    assert not [entry for entry in log if isinstance(entry, Failed)]
    assert max(request.tokens for request in server.requests) > 3_000
    assert all(not request.problems for request in server.requests)


async def test_a_fallback_with_a_smaller_window_gets_what_fits_into_it(server: OpenAIServer) -> None:
    models = Models(
        {
            "default": ModelSettings("default", "one", base_url=server.url, fallbacks=("small", "other")),
            "small": ModelSettings("small", "two", base_url=server.url, context_tokens=2_000),
        }
    )
    said = tuple(
        message
        for number in range(20)
        for message in (ChatMessage("user", f"{number}: {'word ' * 50}"), ChatMessage("assistant", f"answer {number}"))
    )
    system, last = ChatMessage("system", "Be kind."), ChatMessage("user", "and now?")
    server.answer(failing(500, "Oops."), failing(500, "Oops."), saying("from the third"))
    reply = await models.reply(ModelRequest("default", (system, *said, last)))
    await models.close()
    assert reply.text == "from the third"
    first, second, third = (request.body["messages"] for request in server.requests[-3:])
    assert len(first) == len(third) == 42, "of the last one nothing is known, so it gets all"
    assert len(second) < 25
    assert (second[0]["content"], second[1]["role"], second[-1]["content"]) == ("Be kind.", "user", "and now?")
    assert second == [first[0], *first[-len(second) + 1 :]]


# -- a whole engine --------------------------------------------------------------------------------------------


@pytest.mark.shows("assistant.sees")
async def test_a_photo_from_a_chat_and_an_image_from_a_tool_are_seen_and_later_noted(
    server: OpenAIServer, tmp_path: Path
) -> None:
    toolbox = FakeToolbox()

    @toolbox.tool("files__draw", read_only=True)
    async def _draw(arguments: Mapping[str, JSON]) -> ToolResult:
        return ToolResult("drawn", attachments=(CHART,))

    models = Models({"default": ModelSettings("default", "m", base_url=server.url, vision=True)})
    rules = rules_for(channels={"family": ChannelRules("family", "assistant", builtin_tools=("send_message",))})
    before = len(server.requests)
    async with world(tmp_path, models, toolbox, rules=rules) as it:
        await it.bridge.pair_chat(OWNER, channel="family", chat="5")
        it.family.files = {"photo": PNG, "chart": PNG}
        server.answer(calling(("files__draw", {})), *(saying(f"answer {number}") for number in range(5)))
        await it.family.receive("draw this", chat="5", attachments=(PHOTO,))
        await it.events("message.sent")
        for number in range(1, 4):
            await it.family.receive(f"and {number}?", chat="5")
            await it.events("message.sent", number + 1)
    await models.close()
    asked = [request.body["messages"] for request in server.requests[before:]]
    assert all(not request.problems for request in server.requests[before:])
    photo, chart = asked[1][1]["content"], asked[1][4]["content"]
    assert asked[1][3]["content"] == "drawn"
    assert photo[1:] == chart[1:] == [IMAGE_PART]
    assert 'files: "family/5#0/0" (image)]\ndraw this' in photo[0]["text"]
    assert "files__draw" in chart[0]["text"]
    assert [json.dumps(messages).count("data:image/png") for messages in asked] == [1, 2, 2, 2, 0]
    last = json.dumps(asked[-1])
    assert "[an image was here: cat.png]" in last
    assert "[an image was here: chart.png]" in last
