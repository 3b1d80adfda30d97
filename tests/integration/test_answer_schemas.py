"""Every tool answers what the schema of its answer says, and nothing beside it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from mcp.client.client import Client

from bridge_mcp.server.tools.registry import TOOLS
from tests.integration.answer_schemas import check_answer
from tests.integration.face_clients import ERAS, answer, deletion, over_stdio

CHAT = "local/main"

Ask: TypeAlias = Callable[..., Awaitable[dict[str, Any]]]
"""Calls a tool with these arguments, and holds its answer to its schema."""


@pytest.mark.shows("tools.answers-by-schema")
@pytest.mark.parametrize("era", ERAS)
async def test_each_tool_answers_by_its_schema(tmp_path: Path, era: str) -> None:
    answered: set[str] = set()
    async with over_stdio(era, tmp_path) as client:

        async def ask(tool: str, /, **arguments: Any) -> dict[str, Any]:
            answered.add(tool)
            return await answer(client, tool, **arguments)

        await chat(ask)
        await decide(client, ask)
        await administrate(ask)
    assert answered == {tool.name for tool in TOOLS}


async def chat(ask: Ask) -> None:
    sent = await ask("send_message", conversation="family/42", text="hi", buttons=["Yes", "No"])
    await ask("scheduled_messages")
    await ask("edit_message", message=sent["message"], text="hello")
    await ask("react", message=sent["message"], emoji="👍")
    question = await ask("ask_user", conversation=CHAT, question="Tea?", choices=["yes", "no"])
    await ask("wait_for", ticket=question["id"], timeout_s=0)
    await ask("run_turn", conversation=CHAT, text="hello")
    await ask("set_responder", conversation=CHAT, responder="default")
    await ask("claim_conversation", conversation=CHAT, for_s=60)
    made = await ask("create_topic", conversation="family/42", name="Plans")
    await ask("edit_topic", conversation=made["conversation"] or "family/42/1", name="Trip")
    await ask("claim_conversation", conversation=CHAT, for_s=0)
    for conversation in (CHAT, "family/42", "family/50"):
        assert (await ask("read_messages", conversation=conversation, calls=True))["messages"]
    assert (await ask("search_messages", query="hello"))["messages"]
    assert (await ask("fetch_attachment", message="family/50#0", index=1))["text"]
    await ask("fetch_attachment", message=sent["message"], form="text")
    for tool in ("list_channels", "list_conversations", "get_status", "list_tools"):
        await ask(tool)
    await ask("list_tools", names=["files__delete"])


async def decide(client: Client, ask: Ask) -> None:
    one, two, three = [await deletion(client, f"local/{name}", name) for name in ("a", "b", "c")]
    assert (await ask("list_approvals"))["approvals"]
    await ask("approve_call", approval_id=one["id"], also=[two["id"]], remember="conversation")
    await ask("reject_call", approval_id=three["id"], reason="no")
    await ask("wait_for", ticket=one["turn"])
    record = (await ask("read_messages", conversation="local/a", calls=True))["calls"][0]
    assert record["verdict"]
    await ask("list_approvals", status="any")
    open_ticket = await ask("call_tool", tool="files__delete", arguments={"name": "d"}, wait_s=0)
    assert open_ticket["state"] == "open"
    done = await ask("call_tool", tool="noise__shout")
    assert done["structured"] == {"loud": True}
    assert (await ask("wait_for_events", after=0, limit=500))["events"]
    free = await ask("request_approval", tool="look", arguments={"at": 1}, wait_s=0)
    assert free["outcome"] == "approved"
    await ask("consume_approval", ticket=free["id"], digest=free["structured"]["digest"])
    assert (await ask("report_outcome", ticket=free["id"], outcome="ok", text="seen"))["outcome"] == "ok"


async def administrate(ask: Ask) -> None:
    (grant, *_) = (await ask("list_grants"))["grants"]
    await ask("revoke_grant", grant=grant["id"])
    await ask("pair_chat", channel="family", chat="77")
    assert (await ask("list_pairings"))["pairings"]
    await ask("unpair_chat", channel="family", chat="77")
    await ask("run_command", conversation=CHAT, command="/status")


def test_a_field_that_no_schema_names_is_found() -> None:
    told: dict[str, object] = {"conversation": CHAT, "responder": "relay"}
    check_answer("set_responder", told)
    for wrong in (told | {"more": 1}, told | {"responder": None}, {"conversation": CHAT}):
        with pytest.raises(AssertionError, match="set_responder answered what its schema does not have"):
            check_answer("set_responder", wrong)
