"""How large answers are: what is long comes in pages and pieces that hosts take, and all of it can be read."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from mcp.client.client import Client

from bridge_mcp.core.entries import Attachment, Heard
from bridge_mcp.core.token_estimate import tokens_of
from bridge_mcp.core.tools import JSON, ToolResult
from bridge_mcp.ports import ModelReply, ModelRequest
from bridge_mcp.server.app import always, build_server
from bridge_mcp.testing import FakeModel, FakeToolbox, calls, says
from tests.integration.face_clients import answer, refusal, text_of
from tests.integration.setup import ANN, OWNER, World, world

CHAT = "local/main"
MAX_TOKENS = 25_000
LONG = "".join(f"{number:07}\n" for number in range(12_000))


def client_of(at: World) -> Client:
    return Client(build_server(at.bridge, always(OWNER)))


def long_tools() -> FakeToolbox:
    toolbox = FakeToolbox()

    @toolbox.tool("files__read", read_only=True)
    async def read(arguments: Mapping[str, JSON]) -> ToolResult:  # pyright: ignore[reportUnusedFunction]
        return ToolResult(LONG, structured=json.dumps({"lines": LONG.split()}))

    @toolbox.tool("files__write")
    async def write(arguments: Mapping[str, JSON]) -> str:  # pyright: ignore[reportUnusedFunction]
        return "written"

    return toolbox


def many_tools(number: int) -> FakeToolbox:
    toolbox = FakeToolbox()
    for index in range(number):

        @toolbox.tool(f"shop__item_{index}", description=f"Tells of item {index}. " + "All there is to know. " * 20)
        async def tell(arguments: Mapping[str, JSON]) -> str:  # pyright: ignore[reportUnusedFunction]
            return "it is blue"

    return toolbox


async def whole_text(client: Client, of: str, form: str) -> str:
    """A text that is fetched piece by piece, each as small as hosts want it."""
    text, offset = "", 0
    while True:
        piece = await answer(client, "fetch_attachment", message=of, form=form, offset=offset)
        assert tokens_of(json.dumps(piece)) < MAX_TOKENS
        text += piece["text"]
        if "truncated" not in piece:
            return text
        offset = len(text)


@pytest.mark.shows("tools.pages")
async def test_pages_of_messages_and_events_end_where_hosts_would_cut(tmp_path: Path) -> None:
    texts = [f"{number} " + "word " * 4_000 for number in range(9)]
    async with world(tmp_path) as at, client_of(at) as client:
        for text in texts:
            await answer(client, "send_message", conversation="local/other", text=text)
        read: list[str] = []
        before = ""
        while True:
            page = await answer(client, "read_messages", conversation="local/other", before=before)
            assert tokens_of(json.dumps(page)) < MAX_TOKENS
            read[:0] = [message["text"] for message in page["messages"]]
            before = page["before"]
            if not before:
                break
        assert read == texts

        heard: list[str] = []
        cursor = 0
        while True:
            events = await answer(client, "wait_for_events", after=cursor, types=["message.sent"], timeout_s=0)
            if not events["events"]:
                break
            assert tokens_of(json.dumps(events)) < MAX_TOKENS
            heard += [event["body"]["text"] for event in events["events"]]
            cursor = events["cursor"]
        assert heard == read

        found = await answer(client, "search_messages", query="word", limit=100)
        assert tokens_of(json.dumps(found)) < MAX_TOKENS
        assert "older ones are left out" in found["truncated"]


@pytest.mark.shows("tools.long-texts")
async def test_a_text_that_is_too_long_for_an_answer_is_read_in_pieces(tmp_path: Path) -> None:
    async with world(tmp_path) as at, client_of(at) as client:
        sent = await answer(client, "send_message", conversation="local/other", text=LONG)
        (message,) = (await answer(client, "read_messages", conversation="local/other"))["messages"]
        assert LONG.startswith(message["text"])
        assert f"fetch_attachment with message={sent['message']}, form=text, offset=" in message["truncated"]
        assert await whole_text(client, sent["message"], "text") == LONG
        (event,) = (await answer(client, "wait_for_events", after=0, types=["message.sent"]))["events"]
        assert event["body"]["truncated"] == message["truncated"]
        assert (await refusal(client, "fetch_attachment", message=sent["message"], form="json"))[0] == "not_found"


@pytest.mark.shows("tools.long-texts")
async def test_a_long_result_and_long_arguments_are_read_in_pieces(tmp_path: Path) -> None:
    given: dict[str, JSON] = {"text": LONG}

    def reply(request: ModelRequest) -> ModelReply:
        return says("done") if request.messages[-1].role == "tool" else calls(("files__write", given))

    model = FakeModel(reply)
    async with world(tmp_path, model, long_tools()) as at, client_of(at) as client:
        ticket = await answer(client, "call_tool", tool="files__read")
        assert tokens_of(json.dumps(ticket)) < MAX_TOKENS
        assert LONG.startswith(ticket["text"])
        assert "form=text" in ticket["truncated"]
        assert await whole_text(client, ticket["id"], "text") == LONG
        assert json.loads(await whole_text(client, ticket["id"], "json")) == {"lines": LONG.split()}

        await at.say("write it")
        await at.approvals()
        (waiting,) = (await answer(client, "list_approvals"))["approvals"]
        assert tokens_of(json.dumps(waiting)) < MAX_TOKENS
        assert "form=json" in waiting["truncated"]
        assert json.loads(await whole_text(client, waiting["id"], "json")) == given


async def test_a_page_of_approvals_ends_where_hosts_would_cut(tmp_path: Path) -> None:
    async with world(tmp_path, toolbox=long_tools()) as at, client_of(at) as client:
        for number in range(5):
            given = {"tool": "files__write", "arguments": {"text": f"{number}: {LONG[:16_000]}"}, "wait_s": 0}
            await client.call_tool("call_tool", given)
            await at.approvals(number + 1)
        found: list[str] = []
        cursor = ""
        while True:
            page = await answer(client, "list_approvals", cursor=cursor)
            assert tokens_of(json.dumps(page)) < MAX_TOKENS
            assert page["count"] == 5
            found += [approval["arguments"]["text"][:1] for approval in page["approvals"]]
            cursor = page["cursor"]
            if not cursor:
                break
        assert found == ["4", "3", "2", "1", "0"]


async def test_base64_stands_once_in_an_answer_and_comes_in_pieces(tmp_path: Path) -> None:
    data = bytes(range(256)) * 400
    async with world(tmp_path) as at, client_of(at) as client:
        message = await with_file(at, Attachment("ref", "file", "application/zip", name="a.zip", size=len(data)), data)
        whole, offset = b"", 0
        while True:
            arguments: dict[str, Any] = {"message": message, "form": "base64", "offset": offset}
            result = await client.call_tool("fetch_attachment", arguments)
            assert result.structured_content is None
            piece = json.loads(text_of(result))
            assert len(text_of(result)) < 50_000
            whole += b64decode(piece["base64"])
            if "truncated" not in piece:
                break
            offset = len(whole)
        assert whole == data
        at_once = await client.call_tool(
            "fetch_attachment", {"message": message, "form": "base64", "max_bytes": len(data)}
        )
        assert b64decode(json.loads(text_of(at_once))["base64"]) == data
        code, told, _ = await refusal(client, "fetch_attachment", message=message, form="base64", offset=len(data))
        assert (code, "behind its end" in told) == ("bad_input", True)


@pytest.mark.shows("tools.files")
@pytest.mark.parametrize(
    ("data", "blocks"),
    [
        (b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR\0\0\0\x02\0\0\0\x02", ["text", "image"]),
        (b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR\0\0\x23\x28\0\0\0\x0a", ["text"]),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 700_000, ["text"]),
        (b"\xff\xd8\xff\xe0 a JPEG", ["text", "image"]),
        (b"no picture", ["text"]),
        (b"", ["text"]),
    ],
    ids=["a PNG", "one too wide", "one too large", "a JPEG called PNG", "a text called PNG", "nothing"],
)
async def test_an_image_is_content_of_the_type_its_bytes_are(tmp_path: Path, data: bytes, blocks: list[str]) -> None:
    async with world(tmp_path) as at, client_of(at) as client:
        message = await with_file(at, Attachment("ref", "image", "image/png", name="a.png", size=len(data)), data)
        result = await client.call_tool("fetch_attachment", {"message": message})
        assert [block.type for block in result.content] == blocks
        # Hosts that show structured content in the place of content would not see the image.
        assert (result.structured_content is None) == ("image" in blocks)
        if "image" in blocks:
            assert result.content[1].model_dump()["mime_type"] == ("image/png" if data[1:4] == b"PNG" else "image/jpeg")


@pytest.mark.shows("tools.many-tools")
async def test_many_tools_come_as_lines_and_the_schema_of_those_asked_for(tmp_path: Path) -> None:
    async with world(tmp_path, toolbox=many_tools(211)) as at, client_of(at) as client:
        names: list[str] = []
        cursor = ""
        while True:
            page = await answer(client, "list_tools", cursor=cursor)
            assert len(json.dumps(page)) < 12_000
            assert page["found"] == 211
            assert all(set(tool) == {"name", "server", "description"} for tool in page["tools"])
            assert page["tools"][0]["description"].startswith("Tells of item")
            names += [tool["name"] for tool in page["tools"]]
            cursor = page["cursor"]
            if not cursor:
                break
        assert names == [f"shop__item_{index}" for index in range(211)]

        (one,) = (await answer(client, "list_tools", names=["shop__item_42"]))["tools"]
        assert (one["schema"]["type"], one["read_only"]) == ("object", False)
        best = (await answer(client, "list_tools", query="item_42"))["tools"]
        assert best[0]["name"] == "shop__item_42"
        assert (await refusal(client, "list_tools", names=["shop__none"]))[0] == "not_found"
        assert (await refusal(client, "list_tools", cursor="-1"))[0] == "bad_input"


async def test_a_few_tools_come_whole(tmp_path: Path) -> None:
    async with world(tmp_path, toolbox=many_tools(3)) as at, client_of(at) as client:
        tools = (await answer(client, "list_tools"))["tools"]
        assert ["schema" in tool for tool in tools] == [True, True, True]


async def with_file(at: World, file: Attachment, data: bytes) -> str:
    """A message in a paired chat that brought a file; its id."""
    at.family.files[file.ref] = data
    (place,) = await at.store.log.record("family/42", Heard("here", ANN, "m1", to="off", attachments=(file,)))
    return f"family/42#{place.seq}"


async def test_a_nested_tools_error_is_marked_as_one(tmp_path: Path) -> None:
    toolbox = FakeToolbox()

    @toolbox.tool("files__read", read_only=True)
    async def read(arguments: Mapping[str, JSON]) -> ToolResult:  # pyright: ignore[reportUnusedFunction]
        return ToolResult("no such file", is_error=bool(arguments.get("missing")))

    async with world(tmp_path, toolbox=toolbox) as at, client_of(at) as client:
        for missing in (True, False):
            given = {"tool": "files__read", "arguments": {"missing": missing}}
            result = await client.call_tool("call_tool", given)
            assert result.is_error == missing
            assert result.structured_content is not None
            assert result.structured_content["text"] == "no such file"
