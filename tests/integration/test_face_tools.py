"""Every tool of the face by the published client, over real pipes, in both eras: with good input, and with bad."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mcp.client.client import Client
from mcp_types import TextContent

from tests.integration.face_clients import ERAS, answer, deletion, over_stdio, refusal, text_of

CHAT = "local/main"
MEGABYTE = "x" * 1_000_000


@pytest.fixture(params=ERAS)
async def client(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Client]:
    async with over_stdio(request.param, tmp_path) as client:
        yield client


@pytest.mark.shows("tools.relay")
async def test_relaying(client: Client) -> None:
    channels = (await answer(client, "list_channels"))["channels"]
    assert [(c["name"], c["needs_pairing"]) for c in channels] == [("local", False), ("family", True)]

    begin = (await answer(client, "get_status"))["event_cursor"]
    sent = await answer(client, "send_message", conversation=CHAT, text="Grüße 👋", idempotency_key="one")
    assert (sent["status"], sent["repeated"]) == ("sent", False)
    again = await answer(client, "send_message", conversation=CHAT, text="Grüße 👋", idempotency_key="one")
    assert (again["message"], again["repeated"]) == (sent["message"], True)
    to_family = await answer(client, "send_message", conversation="family/42", text="hi", buttons=["Yes", "No"])
    assert (to_family["status"], to_family["parts"]) == ("sent", ["1"])

    events = await answer(client, "wait_for_events", after=begin)
    assert events["events"][0]["type"] == "message.sent"
    assert events["events"][0]["body"]["text"] == "Grüße 👋"
    assert events["cursor"] > begin
    nothing = await answer(client, "wait_for_events", after=events["cursor"], types=["pairing.added"], timeout_s=0)
    assert nothing["events"] == []
    named = await answer(client, "wait_for_events", consumer="me", after=begin, limit=1)
    resumed = await answer(client, "wait_for_events", consumer="me", timeout_s=0)
    assert resumed["events"] == events["events"][: len(resumed["events"])]
    assert named["events"] == resumed["events"][:1]

    page = await answer(client, "read_messages", conversation=CHAT, limit=1)
    assert [(m["id"], m["text"], m["at"][-1]) for m in page["messages"]] == [(sent["message"], "Grüße 👋", "Z")]
    older = await answer(client, "read_messages", conversation=CHAT, before=page["before"])
    assert older["messages"] == []
    found = await answer(client, "search_messages", query="grüße")
    assert [m["id"] for m in found["messages"]] == [sent["message"]]
    listed = await answer(client, "list_conversations", channel="local")
    assert [(c["id"], c["messages"]) for c in listed["conversations"]] == [(CHAT, 1)]


@pytest.mark.shows("tools.edit-react")
async def test_editing_and_reacting(client: Client) -> None:
    sent = await answer(client, "send_message", conversation="family/42", text="teh answer")
    new: dict[str, Any] = {"message": sent["message"], "text": "the answer", "buttons": ["OK"], "idempotency_key": "e"}
    told = [await answer(client, "edit_message", **new) for _ in range(2)]
    assert [(each["status"], each["repeated"]) for each in told] == [("sent", False), ("sent", True)]
    assert (await answer(client, "react", message=sent["message"], emoji="👍"))["status"] == "sent"
    (message,) = (await answer(client, "read_messages", conversation="family/42"))["messages"]
    assert (message["text"], message["edited"]) == ("the answer", True)


@pytest.mark.shows("tools.files")
async def test_files_that_came_in(client: Client) -> None:
    message = "family/50#0"
    text = await answer(client, "fetch_attachment", message=message, index=1)
    assert (text["text"], text["bytes"], text["name"]) == ("Grüße", 7, "a.txt")
    image = await client.call_tool("fetch_attachment", {"message": message})
    assert [block.type for block in image.content] == ["text", "image"]
    assert image.structured_content is None  # hosts would show it in the place of the image
    (told_as_text, _) = image.content
    assert isinstance(told_as_text, TextContent)
    told = json.loads(told_as_text.text)
    assert (told["mime"], told["bytes"]) == ("image/png", 8)
    other = await answer(client, "fetch_attachment", message=message, index=2)
    assert "base64" in other["shown"]
    whole = await client.call_tool("fetch_attachment", {"message": message, "index": 2, "form": "base64"})
    assert whole.structured_content is None  # the bytes stand in the answer once
    assert b64decode(json.loads(text_of(whole))["base64"]) == b"PK\0"


async def test_asking_and_answering(client: Client) -> None:
    asked = await answer(client, "ask_user", conversation=CHAT, question="Tea or coffee?", choices=["tea", "coffee"])
    assert (asked["kind"], asked["state"]) == ("question", "open")
    (message,) = (await answer(client, "read_messages", conversation=CHAT))["messages"]
    assert message["question"]["choices"] == ["tea", "coffee"]
    assert (await answer(client, "wait_for", ticket=asked["id"], timeout_s=0))["state"] == "open"

    relayed = await answer(client, "set_responder", conversation=CHAT, responder="relay")
    assert relayed == {"conversation": CHAT, "responder": "relay"}
    back = await answer(client, "set_responder", conversation=CHAT, responder="default")
    assert back["responder"] == "assistant"

    turn = await answer(client, "run_turn", conversation=CHAT, text="hello")
    assert (turn["state"], turn["outcome"]) == ("done", "replied")
    assert "hello" in turn["text"]


async def test_approving_rejecting_and_granting(client: Client) -> None:
    waiting = await deletion(client, CHAT, "a.txt")
    assert waiting["arguments"] == {"name": "a.txt"}
    assert waiting["digest"].startswith("sha256:")
    made = await answer(
        client,
        "approve_call",
        approval_id=waiting["id"],
        digest=waiting["digest"],
        arguments={"name": "b.txt"},
        remember="conversation",
        note="b, not a",
    )
    assert (made["approval"]["status"], made["approval"]["decided_by"]) == ("approved", "stdio")
    done = await answer(client, "wait_for", ticket=waiting["turn"])
    assert done["text"] == "tool said: b.txt is gone"

    (grant,) = (await answer(client, "list_grants"))["grants"]
    assert (grant["id"], grant["tool"], grant["conversation"]) == (made["grant"], "files__delete", CHAT)
    free = await answer(client, "run_turn", conversation=CHAT, text="delete c.txt")
    assert free["text"] == "tool said: c.txt is gone"
    assert await answer(client, "revoke_grant", grant=grant["id"]) == {"grant": grant["id"], "revoked": True}
    assert (await answer(client, "list_grants"))["grants"] == []

    kept = await deletion(client, CHAT, "d.txt")
    decided = await answer(client, "reject_call", approval_id=kept["id"], reason="keep it")
    assert (decided["approval"]["status"], decided["approval"]["note"]) == ("rejected", "keep it")
    assert "keep it" in (await answer(client, "wait_for", ticket=kept["turn"]))["text"]
    told = await answer(client, "wait_for", ticket=kept["id"])
    assert (told["kind"], told["state"], told["outcome"]) == ("approval", "done", "rejected")
    every = (await answer(client, "list_approvals", status="any"))["approvals"]
    assert [a["status"] for a in every] == ["rejected", "approved"]
    first = await answer(client, "list_approvals", status="any", limit=1)
    second = await answer(client, "list_approvals", status="any", limit=1, cursor=first["cursor"])
    assert [*first["approvals"], *second["approvals"]] == every
    assert (first["count"], second["count"], second["cursor"]) == (2, 2, "")


async def test_calling_tools(client: Client) -> None:
    tools = (await answer(client, "list_tools"))["tools"]
    assert [t["name"] for t in tools] == ["files__delete", "noise__shout"]
    assert tools[0]["schema"]["required"] == ["name"]
    assert [t["name"] for t in (await answer(client, "list_tools", query="DELETE"))["tools"]] == ["files__delete"]

    shouted = await answer(client, "call_tool", tool="noise__shout")
    assert (shouted["outcome"], shouted["text"], shouted["structured"]) == ("ok", "shouted", {"loud": True})
    held = await answer(client, "call_tool", tool="files__delete", arguments={"name": "e.txt"}, wait_s=0)
    assert held["state"] == "open"


@pytest.mark.shows("tools.command-as-tool")
async def test_administering(client: Client) -> None:
    (ann,) = (await answer(client, "list_pairings"))["pairings"]
    assert (ann["channel"], ann["chat"], ann["role"]) == ("family", "42", "user")
    bob = await answer(client, "pair_chat", channel="family", chat="43", role="approver", name="Bob")
    assert (bob["chat"], bob["role"], bob["by"]) == ("43", "approver", "stdio")
    gone = await answer(client, "unpair_chat", channel="family", chat="43")
    assert gone == {"channel": "family", "chat": "43", "paired": False}
    said = await answer(client, "run_command", conversation=CHAT, command="/status")
    assert said["conversation"] == CHAT
    assert said["text"]
    status = await answer(client, "get_status")
    assert status["role"] == "engine"
    assert status["warnings"] == []


@dataclass(frozen=True)
class Prepared:
    """A bridge with one approval that was decided and one that waits, and nothing going on."""

    client: Client
    decided: str
    waiting: str


@pytest.fixture(scope="module", params=ERAS)
async def prepared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Prepared]:
    async with over_stdio(request.param, tmp_path_factory.mktemp("state")) as client:
        decided = await deletion(client, CHAT, "a.txt")
        await answer(client, "reject_call", approval_id=decided["id"])
        await answer(client, "wait_for", ticket=decided["turn"])
        waiting = await deletion(client, CHAT, "b.txt")
        yield Prepared(client, decided["id"], waiting["id"])


NOWHERE = "local/main#999999"
BAD: tuple[tuple[str, dict[str, Any], str, str], ...] = (
    # tool, arguments, code, what the message or its fix names
    ("list_channels", {"channel": "local"}, "bad_input", "channel: there is no such argument"),
    (
        "list_conversations",
        {"limit": "many"},
        "bad_input",
        "limit: expected a whole number from 1 to 200, got the text",
    ),
    ("list_conversations", {"channel": "nowhere"}, "not_found", "The channels are: local, family."),
    ("list_conversations", {"query": MEGABYTE}, "bad_input", "query: has 1,000,000 characters; at most 400"),
    ("read_messages", {}, "bad_input", "conversation: is missing"),
    ("read_messages", {"conversation": 7.5}, "bad_input", "conversation: expected a text, got 7.5"),
    ("read_messages", {"conversation": "family/77"}, "not_found", "See list_conversations"),
    ("read_messages", {"conversation": "local"}, "bad_input", "Write channel/chat_id"),
    ("read_messages", {"conversation": CHAT, "before": "family/42#1"}, "bad_input", "Pass an id from read_messages"),
    ("read_messages", {"conversation": CHAT, "limit": 0}, "bad_input", "limit: expected a whole number from 1 to 200"),
    ("search_messages", {"query": MEGABYTE}, "bad_input", "query has 1,000,000 characters"),
    ("search_messages", {"query": "x", "conversation": "family/77"}, "not_found", "See list_conversations"),
    ("fetch_attachment", {"message": "family/50#0", "index": 7}, "not_found", "has 3 files"),
    ("fetch_attachment", {"message": "family/50#0", "max_bytes": 2}, "fetch_failed", "larger than 2 bytes"),
    ("fetch_attachment", {"message": "family/50"}, "bad_input", "Pass an id from read_messages"),
    ("edit_message", {"message": "family/42#999", "text": "x"}, "not_found", "See read_messages"),
    ("edit_message", {"message": "family/77#0", "text": "x"}, "not_paired", "pair add family 77"),
    ("react", {"message": NOWHERE, "emoji": "x"}, "not_found", "See read_messages"),
    ("react", {"message": NOWHERE, "emoji": "x" * 40}, "not_found", "See read_messages"),
    ("send_message", {"conversation": CHAT, "text": "x", "files": ["/etc/passwd"]}, "bad_input", "[files] outbox"),
    ("send_message", {"conversation": CHAT, "text": "x", "reply_to": NOWHERE}, "not_found", "See read_messages"),
    ("send_message", {"conversation": CHAT, "text": "x", "buttons": ["a", "a"]}, "bad_input", "20 different texts"),
    ("wait_for_events", {"after": 10**9, "timeout_s": 0}, "bad_input", "future"),
    ("wait_for_events", {"after": -1}, "bad_input", "after: expected a whole number from 0"),
    ("wait_for_events", {"types": ["rain"]}, "bad_input", "There is no event type 'rain'"),
    ("wait_for_events", {"types": "rain"}, "bad_input", "types: expected a list of texts, such as"),
    ("wait_for_events", {"timeout_s": 600}, "bad_input", "timeout_s: expected a number from 0 to 50, got 600"),
    ("wait_for", {"ticket": "turn:nowhere"}, "bad_input", "no message id"),
    ("wait_for", {"ticket": f"turn:{NOWHERE}", "timeout_s": 0}, "not_found", "points nowhere"),
    ("wait_for", {"ticket": "ap_0123456789abcdef", "timeout_s": 0}, "not_found", "See list_approvals"),
    ("list_approvals", {"status": "maybe"}, "bad_input", "status: expected one of waiting, approved"),
    ("list_tools", {"query": ["x"]}, "bad_input", "query: expected a text, got a list"),
    ("get_status", {"verbose": True}, "bad_input", "verbose: there is no such argument"),
    ("send_message", {"conversation": CHAT}, "bad_input", "text: is missing"),
    ("send_message", {"conversation": CHAT, "text": "   "}, "bad_input", "Pass a text"),
    ("send_message", {"conversation": CHAT, "text": MEGABYTE}, "bad_input", "at most 100,000"),
    ("send_message", {"conversation": "family/77", "text": "x"}, "not_paired", "bridge-mcp pair add family 77"),
    ("send_message", {"conversation": "nowhere/1", "text": "x"}, "not_found", "The channels are: local, family."),
    (
        "send_message",
        {"conversation": CHAT, "text": "x", "silent": "yes"},
        "bad_input",
        "silent: expected true or false",
    ),
    ("ask_user", {"conversation": CHAT, "question": "?", "choices": ["a", "a"]}, "bad_input", "20 different"),
    ("ask_user", {"conversation": "family/77", "question": "?"}, "not_paired", "pair add family 77"),
    ("run_turn", {"conversation": CHAT, "text": ""}, "bad_input", "Say what the assistant shall do"),
    ("run_turn", {"conversation": "family/77", "text": "x"}, "not_paired", "pair add family 77"),
    ("set_responder", {"conversation": CHAT, "responder": "me"}, "bad_input", "responder: expected one of assistant"),
    ("approve_call", {"approval_id": "ap_0123456789abcdef"}, "not_found", "list_approvals"),
    ("approve_call", {"approval_id": "DECIDED"}, "already_decided", "stdio"),
    ("approve_call", {"approval_id": "WAITING", "digest": "sha256:0"}, "bad_input", "digest"),
    ("approve_call", {"approval_id": "WAITING", "arguments": {"name": 7}}, "bad_input", "name"),
    ("approve_call", {"approval_id": "WAITING", "arguments": [1]}, "bad_input", "arguments: expected an object"),
    ("approve_call", {"approval_id": "WAITING", "remember": "ever"}, "bad_input", "remember: expected one of once"),
    ("reject_call", {"approval_id": "nonsense"}, "not_found", "list_approvals"),
    ("reject_call", {"approval_id": "DECIDED"}, "already_decided", "stdio"),
    ("reject_call", {"approval_id": "WAITING", "reason": MEGABYTE}, "bad_input", "reason has 1,000,000 characters"),
    ("call_tool", {"tool": "files__create"}, "not_found", "files__delete, noise__shout"),
    ("call_tool", {"tool": "files__delete", "arguments": {}}, "bad_input", "See its schema in list_tools"),
    ("call_tool", {"tool": "files__delete", "arguments": {"name": "x" * 2_000_000}}, "bad_input", "at most 1,000,000"),
    ("list_pairings", {"channel": "nowhere"}, "not_found", "The channels are"),
    ("pair_chat", {"role": "king"}, "bad_input", "role: expected one of user, approver"),
    ("pair_chat", {"code": "NOPE42"}, "not_found", "code"),
    ("unpair_chat", {"channel": "family", "chat": "77"}, "not_found", "See list_pairings"),
    ("list_grants", {"all": 1}, "bad_input", "all: there is no such argument"),
    ("revoke_grant", {"grant": 7}, "not_found", "See list_grants"),
    ("revoke_grant", {"grant": "first"}, "bad_input", "grant: expected a whole number"),
    ("run_command", {"conversation": CHAT, "command": "/fly"}, "bad_input", "The commands are"),
    ("fly", {}, "not_found", "The tools are: list_channels"),
)


@pytest.mark.shows("tools.bad-input")
@pytest.mark.parametrize(("tool", "arguments", "code", "named"), BAD, ids=[f"{t}-{n[:24]}" for t, _, _, n in BAD])
async def test_bad_input_is_refused_with_its_fix_and_changes_nothing(
    prepared: Prepared, tool: str, arguments: dict[str, Any], code: str, named: str
) -> None:
    ids = {"DECIDED": prepared.decided, "WAITING": prepared.waiting}
    given = {name: ids.get(value, value) if isinstance(value, str) else value for name, value in arguments.items()}
    before = await everything(prepared.client)

    told, message, fix = await refusal(prepared.client, tool, **given)

    assert told == code
    assert named in f"{message} {fix}"
    assert len(message) + len(fix) < 1_000
    assert await everything(prepared.client) == before


async def everything(client: Client) -> list[dict[str, Any]]:
    """What any change would show in."""
    state = await answer(client, "get_status")
    approvals = await answer(client, "list_approvals", status="any")
    return [state, approvals, await answer(client, "list_pairings"), await answer(client, "list_grants")]
