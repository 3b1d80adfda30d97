"""What each model can take: images for those that see, tools in words for those that cannot call them.

Both SDKs against a real server on loopback; where a whole turn matters, the real engine and store around them.
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import pytest

from bridge_mcp.core.entries import Attachment, Finished, Stopped
from bridge_mcp.core.errors import FetchFailed
from bridge_mcp.core.tools import FIND_TOOLS, JSON
from bridge_mcp.core.transcript import ChatMessage
from bridge_mcp.models.litellm_process import LitellmProcess
from bridge_mcp.models.model_info import UNKNOWN, look_up, read_map
from bridge_mcp.models.registry import Models
from bridge_mcp.models.settings import ModelSettings
from bridge_mcp.ports import ModelRequest
from bridge_mcp.testing import FakeModel, FakeToolbox, calls, says
from tests.integration.setup import world
from tests.servers.model_apis.answers import calling, saying
from tests.servers.model_apis.openai_server import OpenAIServer
from tests.unit.logs import TOOLS

Way = Literal["openai", "litellm"]
How = Literal["auto", "native", "prompt"]

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 8
PHOTO = Attachment("photo", "image", "image/png", name="cat.png", size=len(PNG))
NOTES = Attachment("notes", "file", "text/plain", name="notes.txt")
URL = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"


@pytest.fixture(scope="module")
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


async def fetch(attachment: Attachment) -> bytes:
    files = {"photo": PNG, "notes": b"Buy milk."}
    if attachment.ref not in files:
        raise FetchFailed("It is gone.")
    return files[attachment.ref]


SEE = ModelRequest("default", (ChatMessage("user", "What is this?", attachments=(PHOTO, NOTES)),), fetch=fetch)
WORDS = "What is this?\n[file: notes.txt, text/plain]\nBuy milk.\n[end of the file]"


async def sent(
    server: OpenAIServer, settings: ModelSettings, request: ModelRequest = SEE, litellm: LitellmProcess | None = None
) -> Mapping[str, Any]:
    """The body of the request that the server got."""
    models = Models({"default": settings}, litellm=litellm)
    await models.reply(request)
    await models.close()
    assert server.requests[-1].problems == ()
    return server.requests[-1].body


# -- images ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "via", "vision", "sees"),
    [
        ("gpt-test", "openai", True, True),
        ("gpt-test", "openai", None, False),
        ("openai/gpt-4o-mini", "litellm", None, True),
        ("openai/gpt-4o-mini", "litellm", False, False),
        ("openai/gpt-3.5-turbo", "litellm", None, False),
        ("openai/nobody-knows-it", "litellm", None, False),
        ("openai/nobody-knows-it", "litellm", True, True),
    ],
)
async def test_images_go_to_models_that_see(
    server: OpenAIServer, litellm: LitellmProcess, model: str, via: Way, vision: bool | None, sees: bool
) -> None:
    settings = ModelSettings("default", model, "sk-a", base_url=server.url, via=via, vision=vision)
    (message,) = (await sent(server, settings, litellm=litellm))["messages"]
    if sees:
        image = {"type": "image_url", "image_url": {"url": URL}}
        assert message["content"] == [{"type": "text", "text": WORDS}, image]
    else:
        note = f"[image, not shown here: cat.png, image/png, {len(PNG)} bytes]"
        assert message["content"] == WORDS.replace("\n[file", f"\n{note}\n[file", 1)


async def test_openai_itself_is_known_without_litellm(server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    body = await sent(server, ModelSettings("default", "gpt-4o-mini", "sk-a", via="openai"))
    assert URL in json.dumps(body)


async def test_an_image_without_words_is_a_message_too(server: OpenAIServer) -> None:
    request = ModelRequest("default", (ChatMessage("user", "", attachments=(PHOTO,)),), fetch=fetch)
    (message,) = (await sent(server, ModelSettings("default", "m", base_url=server.url, vision=True), request))[
        "messages"
    ]
    assert message["content"] == [{"type": "image_url", "image_url": {"url": URL}}]


def test_what_litellm_knows_is_read_from_its_map() -> None:
    known = read_map()
    mini = look_up("openai/gpt-4o-mini", known)
    assert (mini.calls_tools, mini.sees) == (True, True)
    assert mini.reads is not None
    assert mini.reads > 100_000
    assert look_up("gpt-4o-mini", known) == mini
    assert look_up("anthropic/claude-sonnet-5", known).sees is True
    assert look_up("ollama/llama2", known).calls_tools is False
    assert look_up("acme/gpt-4o-mini", known) == UNKNOWN
    assert look_up("openai/text-embedding-3-small", known) == UNKNOWN
    assert look_up("openai/nobody-knows-it", known) == UNKNOWN


def test_entries_of_the_map_are_found_in_its_text() -> None:
    spec = find_spec("litellm")
    assert spec is not None
    assert spec.origin is not None
    whole = json.loads((Path(spec.origin).parent / "model_prices_and_context_window_backup.json").read_text("utf-8"))
    known = read_map()
    some = [*whole][::50]
    assert {name: known.get(name) for name in some} == {name: whole[name] for name in some}
    assert known.get("gpt") is None


# -- tools in words --------------------------------------------------------------------------------------------

ASK = ModelRequest("default", (ChatMessage("user", "list"),), tuple(TOOLS.values()))


@pytest.mark.shows("models.no-tools")
@pytest.mark.parametrize(
    ("model", "via", "tool_calling", "native"),
    [
        ("gpt-test", "openai", "auto", True),
        ("gpt-test", "openai", "prompt", False),
        ("openai/gpt-4o-mini", "litellm", "auto", True),
        ("openai/gpt-4o-mini", "litellm", "prompt", False),
        ("openai/nobody-knows-it", "litellm", "auto", True),
    ],
)
async def test_tools_go_into_the_prompt_where_they_cannot_be_called(
    server: OpenAIServer, litellm: LitellmProcess, model: str, via: Way, tool_calling: How, native: bool
) -> None:
    settings = ModelSettings("default", model, "sk-a", base_url=server.url, via=via, tool_calling=tool_calling)
    body = await sent(server, settings, ASK, litellm)
    assert ("tools" in body) == native
    assert ("files__read" in str(body["messages"])) != native


@pytest.fixture(params=["openai", "litellm"])
async def models(
    request: pytest.FixtureRequest, server: OpenAIServer, litellm: LitellmProcess
) -> AsyncIterator[Models]:
    settings = ModelSettings(
        "default", "openai/gpt-test", "sk-a", base_url=server.url, via=request.param, tool_calling="prompt"
    )
    made = Models({"default": settings}, litellm=litellm)
    yield made
    await made.close()


def written(tool: str, arguments: str) -> str:
    return f'```tool_call\n{{"tool": "{tool}", "arguments": {arguments}}}\n```'


@pytest.mark.shows("models.no-tools")
async def test_calls_are_read_out_of_the_text_and_not_shown(models: Models, server: OpenAIServer) -> None:
    calls = [written("files__read", '{"path": "a"}'), written("files__put", '{"path": "b"}')]
    server.answer(saying("\n".join(["Looking twice.", *calls])))
    seen: list[str] = []
    reply = await models.reply(ASK, seen.append)
    assert reply.text == "Looking twice."
    assert [(call.tool, call.arguments) for call in reply.calls] == [
        ("files__read", '{"path": "a"}'),
        ("files__put", '{"path": "b"}'),
    ]
    assert seen[-1] == "Looking twice."
    assert all("Looking twice.".startswith(each) for each in seen)


def toolbox() -> FakeToolbox:
    made = FakeToolbox()
    path: Mapping[str, JSON] = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}

    @made.tool("files__list", read_only=True, schema=path)
    async def _list(arguments: Mapping[str, JSON]) -> str:
        return f"{arguments['path']}: a.txt"

    return made


@pytest.mark.parametrize("tool_calling", ["native", "prompt"])
async def test_a_malformed_call_comes_back_and_can_be_mended(
    server: OpenAIServer, tmp_path: Path, tool_calling: How
) -> None:
    settings = ModelSettings("default", "m", base_url=server.url, tool_calling=tool_calling)
    models = Models({"default": settings})
    tries = [("files__list", '{"path": '), ("files__lst", '{"path": "."}'), ("files__list", '{"path": "."}')]
    server.answer(
        *(calling(each) if tool_calling == "native" else saying(written(*each)) for each in tries), saying("One file.")
    )
    async with world(tmp_path, models, toolbox()) as it:
        assert await it.settled("what is there?") == "One file."
        log = [each.entry for each in await it.store.log.load("local/main")]
        await models.close()
    outcomes = [(each.outcome, each.content) for each in log if isinstance(each, Finished)]
    assert [outcome for outcome, _ in outcomes] == ["error", "error", "ok"]
    assert "not valid JSON" in outcomes[0][1]
    assert "There is no tool 'files__lst' here. The tools are: files__list" in outcomes[1][1]
    assert outcomes[2][1] == ".: a.txt"
    told = json.dumps(server.requests[-1].body["messages"])
    assert all(json.dumps(content)[1:-1] in told for _, content in outcomes)
    assert all(not request.problems for request in server.requests[-4:])


@pytest.mark.parametrize("tool_calling", ["native", "prompt"])
async def test_a_model_that_mends_nothing_is_stopped(server: OpenAIServer, tmp_path: Path, tool_calling: How) -> None:
    settings = ModelSettings("default", "m", base_url=server.url, tool_calling=tool_calling)
    models = Models({"default": settings})
    broken = ("files__list", '{"wrong": 1}')
    before = len(server.requests)
    server.answer(*[calling(broken) if tool_calling == "native" else saying(written(*broken))] * 3)
    async with world(tmp_path, models, toolbox()) as it:
        assert await it.settled("what is there?")
        log = [each.entry for each in await it.store.log.load("local/main")]
        await models.close()
    (stopped,) = [each for each in log if isinstance(each, Stopped)]
    assert "3 times in a row for calls that cannot be made" in stopped.reason
    assert "do not fit files__list" in stopped.reason
    assert len(server.requests) == before + 3


async def test_with_more_tools_than_a_request_holds_the_model_searches_and_calls_what_it_found(tmp_path: Path) -> None:
    toolbox = FakeToolbox()
    for number in range(200):

        async def ran(arguments: object, number: int = number) -> str:
            return f"t{number} ran"

        toolbox.tool(f"many__t{number}", read_only=True)(ran)

    @toolbox.tool(FIND_TOOLS, read_only=True)
    async def find(arguments: object) -> str:
        return "- many__t199: the one\n  {}"

    model = FakeModel([calls((FIND_TOOLS, {"query": "one"})), calls(("many__t199", {})), says("done")])
    async with world(tmp_path, model, toolbox) as it:
        assert await it.settled("use the one") == "done"
        offers = [[spec.name for spec in request.tools] for request in model.requests]
        assert [len(names) for names in offers] == [128, 128, 128]
        assert ["many__t199" in names for names in offers] == [False, True, True]
        assert FIND_TOOLS in offers[0]
        assert model.requests[-1].messages[-1].text == "t199 ran"
