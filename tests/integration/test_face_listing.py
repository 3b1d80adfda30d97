"""What a client is shown before it does anything: tools, resources and prompts, by its scopes, and small."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest
from mcp.client.client import Client
from mcp.shared.exceptions import MCPError
from mcp_types import TextResourceContents

from bridge_mcp.server.app import STDIO_SCOPES
from bridge_mcp.server.tools.json_schema import lean_schema
from bridge_mcp.server.tools.registry import TOOLS as TOOLS_OF_FACE
from tests.integration.face_clients import ERAS, answer, over_stdio, raw, refusal

TOOLS = {
    "read": (
        "list_channels list_conversations read_messages search_messages fetch_attachment wait_for_events wait_for "
        "list_approvals list_tools get_status"
    ),
    "send": (
        "send_message scheduled_messages edit_message react create_topic edit_topic ask_user run_turn set_responder "
        "claim_conversation"
    ),
    "approve": "approve_call reject_call",
    "tools": "call_tool request_approval consume_approval report_outcome",
    "admin": "list_pairings pair_chat unpair_chat list_grants revoke_grant run_command",
}
READ_ONLY = {*TOOLS["read"].split(), "list_pairings", "list_grants"}
DESTRUCTIVE = {"edit_message", "run_turn", "approve_call", "call_tool", "unpair_chat", "revoke_grant", "run_command"}
IDEMPOTENT = READ_ONLY | {
    "edit_message", "react", "set_responder", "approve_call", "reject_call", "pair_chat", "unpair_chat", "revoke_grant",
    "consume_approval", "report_outcome", "claim_conversation", "scheduled_messages", "edit_topic",
}  # fmt: skip
OPEN_WORLD = {
    "fetch_attachment", "send_message", "edit_message", "react", "ask_user", "run_turn", "approve_call", "call_tool",
    "request_approval", "create_topic", "edit_topic",
}  # fmt: skip
PROVIDER = {
    "request_approval",
    "consume_approval",
    "report_outcome",
    "claim_conversation",
    "create_topic",
    "edit_topic",
}
"""What is there only where the bridge is an approval provider, clients answer on some channel, or chats have topics."""


def names_of(*scopes: str) -> list[str]:
    return [name for scope in scopes for name in TOOLS[scope].split()]


UNTOLD = {
    "fetch_attachment", "wait_for", "call_tool",  # what they show as content has no structured content beside it
    "list_channels", "search_messages", "list_tools", "get_status", "approve_call", "reject_call",  # for the size
    "request_approval", "report_outcome", "claim_conversation", "scheduled_messages", "create_topic",
    "edit_topic",
}  # fmt: skip
"""The tools whose answers have no schema in the list."""


def written(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


@pytest.mark.shows("tools.list-small")
def test_the_list_of_tools_is_small_for_a_client_with_the_scopes_of_stdio(tmp_path: Path) -> None:
    with raw(tmp_path, scopes=STDIO_SCOPES) as child:
        result = child.ask("tools/list")["result"]
    with_provider = len(written(result))
    result["tools"] = [tool for tool in result["tools"] if tool["name"] not in PROVIDER]
    whole = len(written(result))
    schemas = sum(len(written(each["outputSchema"])) for each in result["tools"] if "outputSchema" in each)
    left_out = [each for each in TOOLS_OF_FACE if each.answer and not each.answer_listed and each.name not in PROVIDER]
    more = sum(len(written(lean_schema(each.answer, "serialization"))) for each in left_out if each.answer)
    print(f"tools/list: {whole:,} bytes, {schemas:,} of them schemas of answers; {more:,} more are left out")  # noqa: T201
    listed = [name for name in names_of("read", "send", "approve", "tools") if name not in PROVIDER]
    assert [tool["name"] for tool in result["tools"]] == listed
    assert with_provider - whole < 5_000
    assert whole < 20_000
    assert whole - schemas < 13_100
    assert whole + more > 20_000, "there is room for the schemas of all answers"


def test_the_list_of_tools_is_ordered_and_says_what_each_takes_answers_and_may_do(tmp_path: Path) -> None:
    with raw(tmp_path) as child:
        tools = child.ask("tools/list")["result"]["tools"]
    assert [tool["name"] for tool in tools] == names_of(*TOOLS)
    for tool in tools:
        name, hints = tool["name"], tool["annotations"]
        assert tool["description"].endswith(".")
        assert tool["inputSchema"]["type"] == "object"
        for argument in tool["inputSchema"]["properties"].values():
            assert argument["type"] not in ("integer", "number") or {"minimum", "maximum"} <= argument.keys()
        assert ("outputSchema" in tool) == (name not in UNTOLD), name
        assert tool.get("outputSchema", {"type": "object"})["type"] == "object"
        assert hints == {
            "readOnlyHint": name in READ_ONLY,
            "destructiveHint": name in DESTRUCTIVE,
            "idempotentHint": name in IDEMPOTENT,
            "openWorldHint": name in OPEN_WORLD,
        }, name


@pytest.mark.shows("tools.scopes")
@pytest.mark.parametrize("era", ERAS)
async def test_a_client_sees_what_its_scopes_allow(tmp_path: Path, era: str) -> None:
    async with over_stdio(era, tmp_path, scopes=["read", "approve"]) as client:
        shown = (await client.list_tools()).tools
        assert [tool.name for tool in shown] == names_of("read", "approve")
        for scope in ("send", "tools", "admin"):
            for name in names_of(scope):
                code, message, fix = await refusal(client, name)
                assert (code, message) == ("denied", f"This needs the scope '{scope}'; stdio has: read, approve.")
                assert "--scopes" in fix
        assert [prompt.name for prompt in (await client.list_prompts()).prompts] == ["work_through_approvals"]
        with pytest.raises(MCPError, match="This needs the scope 'send'"):
            await client.get_prompt("answer_chat", {"conversation": "local/main"})


@pytest.mark.shows("tools.resources")
@pytest.mark.parametrize("era", ERAS)
async def test_resources_and_prompts_hold_what_the_tools_answer(tmp_path: Path, era: str) -> None:
    async with over_stdio(era, tmp_path) as client:
        assert client.server_info is not None
        assert (client.server_info.name, bool(client.server_info.version)) == ("bridge-mcp", True)
        assert "wait_for_events" in (client.instructions or "")
        await answer(client, "send_message", conversation="local/a_b", text="Grüße 👋")
        resources = [str(resource.uri) for resource in (await client.list_resources()).resources]
        assert resources == ["bridge://channels", "bridge://approvals", "bridge://status"]
        (template,) = (await client.list_resource_templates()).resource_templates
        assert template.uri_template == "bridge://conversations/{+conversation}"
        for uri, tool in (("bridge://channels", "list_channels"), ("bridge://approvals", "list_approvals")):
            assert await held(client, uri) == await answer(client, tool)
        assert (await held(client, "bridge://status"))["version"]
        plain = await held(client, "bridge://conversations/local/a_b")
        assert plain == await held(client, "bridge://conversations/local%2Fa_b")
        assert (plain["conversation"]["id"], plain["messages"][0]["text"]) == ("local/a_b", "Grüße 👋")

        prompt = await client.get_prompt("answer_chat", {"conversation": "local/a_b", "wishes": "be brief"})
        text = str(prompt.messages[0].content)
        assert "be brief" in text
        assert "Grüße 👋" in text
        decide = await client.get_prompt("work_through_approvals")
        assert '{"approvals":[],"count":0,"cursor":""}' in str(decide.messages[0].content)


async def held(client: Client, uri: str) -> dict[str, Any]:
    """The JSON that a resource holds."""
    (content,) = (await client.read_resource(uri)).contents
    assert isinstance(content, TextResourceContents)
    assert content.mime_type == "application/json"
    return cast("dict[str, Any]", json.loads(content.text))


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("bridge://nothing", "The resources are: bridge://channels"),
        ("bridge://conversations/family/77", "See list_conversations"),
        ("bridge://conversations/nowhere/1", "The channels are: local, family"),
        ("file:///etc/passwd", "There is no resource"),
    ],
)
async def test_a_resource_that_is_not_there(tmp_path: Path, uri: str, told: str) -> None:
    async with over_stdio("2025-11-25", tmp_path) as client:
        with pytest.raises(MCPError) as caught:
            await client.read_resource(uri)
        error = caught.value.error
        assert told in error.message
        assert error.data["error"]["code"] == "not_found"
        with pytest.raises(MCPError, match="needs 'conversation'"):
            await client.get_prompt("answer_chat")
        with pytest.raises(MCPError, match="The prompts are: answer_chat"):
            await client.get_prompt("nothing")
