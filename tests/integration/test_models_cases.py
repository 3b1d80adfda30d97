"""Answers of models and endpoints that once went wrong, each file of `tests/cases/models` with its right value."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from bridge_mcp.core.policy import Budget
from bridge_mcp.core.projections import Approval
from bridge_mcp.core.results import Ticket
from bridge_mcp.core.tools import JSON
from bridge_mcp.models.registry import Models
from bridge_mcp.models.settings import ModelSettings
from bridge_mcp.ports import ModelHealth
from bridge_mcp.testing import FakeToolbox
from tests.cases.model_rules import notes
from tests.cases.model_server import ModelServer
from tests.cases.model_tools import FILE_TOOLS
from tests.integration.setup import OWNER, World, rules_for, world

CASES = Path(__file__).parents[1] / "cases/models"
ATTEMPTS = 2
CUT = "[Cut off here: the answer reached the model's limit of tokens.]"


@dataclass
class Played:
    """What came of a case."""

    requests: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    refusals: list[str] = field(default_factory=list[str])
    tickets: list[Ticket] = field(default_factory=list[Ticket])
    calls: list[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])
    texts: list[str] = field(default_factory=list[str])
    approvals: tuple[Approval, ...] = ()
    failures: list[str] = field(default_factory=list[str])
    healths: tuple[ModelHealth, ...] = ()

    @property
    def text(self) -> str:
        return self.tickets[-1].text

    def asked(self, number: int = -1) -> list[dict[str, Any]]:
        """The calls that a request shows of the answers before it."""
        messages = self.requests[number]["messages"]
        return [call for message in messages for call in message.get("tool_calls") or ()]

    def everything(self) -> str:
        """All that people, clients and the model can have seen of the answers."""
        return json.dumps([self.requests, self.texts, self.failures]) + repr(self.tickets)


def tools(calls: list[tuple[str, Any]], offered: list[dict[str, Any]]) -> FakeToolbox:
    """The tools of the nested server that the cases were played with."""
    toolbox = FakeToolbox()
    for tool in offered:
        name = f"files__{tool['name']}"
        hints: dict[str, bool] = tool.get("annotations") or {}

        async def ran(arguments: Any, name: str = name) -> str:
            calls.append((name, dict(arguments)))
            return f"{name} ran"

        toolbox.tool(name, schema=tool["inputSchema"], read_only=hints.get("readOnlyHint", False))(ran)
    return toolbox


async def played(name: str, folder: Path, **changes: Any) -> Played:
    """Play one file as it stands."""
    case: dict[str, Any] = json.loads((CASES / f"{name}.json").read_text("utf-8")) | changes
    return await played_case(case, folder)


async def played_case(case: dict[str, Any], folder: Path) -> Played:
    came = Played()
    model: dict[str, Any] = tomllib.loads(case.get("model") or "")
    with ModelServer(case["script"], case.get("strict") or ()) as server:
        settings = replace(ModelSettings("default", "played", base_url=server.url), **model)
        rules = rules_for(budget=Budget(attempts=ATTEMPTS), confirmation=case.get("confirmation") or "by-annotation")
        said: list[str] = case["turns"]
        turns = list(enumerate(said))
        restarts: list[int] = case.get("restart_before") or []
        while turns:
            toolbox = tools(came.calls, case.get("tools") or FILE_TOOLS)
            async with asked(folder, settings, rules, toolbox) as (it, models):
                first = True
                while turns and (first or turns[0][0] not in restarts):
                    first = False
                    await take_turn(it, turns.pop(0)[1], came)
                came.texts = await it.texts()
                came.healths = models.health()
                events = (await it.bridge.wait_for_events(OWNER, after=0, timeout_s=0)).events
                came.failures = [str(event.body["reason"]) for event in events if event.type == "model.failed"]
        came.requests = [body for body, _ in server.requests]
        came.refusals = [refusal for _, refusal in server.requests if refusal]
    return came


@asynccontextmanager
async def asked(
    folder: Path, settings: ModelSettings, rules: Any, toolbox: FakeToolbox
) -> AsyncGenerator[tuple[World, Models]]:
    models = Models({"default": settings})
    try:
        async with world(folder, models, toolbox, rules=rules) as it:
            yield it, models
    finally:
        await models.close()


async def take_turn(it: World, text: str, came: Played) -> None:
    ticket = await it.bridge.wait_for(OWNER, f"turn:{await it.say(text)}", timeout_s=0.3)
    while ticket.state == "open" and not ticket.approvals:
        ticket = await it.bridge.wait_for(OWNER, ticket.id, timeout_s=10)
    came.tickets.append(ticket)
    if ticket.approvals:
        came.approvals = await it.approvals(len(ticket.approvals))


@pytest.mark.parametrize("name", ["reasoning-content", "reasoning"])
async def test_reasoning_comes_back_over_restarts_and_is_never_shown(name: str, tmp_path: Path) -> None:
    came = await played(f"01-{name}", tmp_path)
    key = name.replace("-", "_")
    assert came.refusals == []
    assert [ticket.text for ticket in came.tickets] == ["done", "done again"]
    answers = [message for message in came.requests[-1]["messages"] if message["role"] == "assistant"]
    assert [message[key] for message in answers] == ["hm, let me look", "now I know", "again"]
    shown = json.dumps(came.texts) + repr(came.tickets)
    assert "let me look" not in shown
    assert "now I know" not in shown


@pytest.mark.parametrize("stream", ["true", "false"])
@pytest.mark.parametrize("name", ["02-signature", "02-signature-parallel"])
async def test_a_signature_comes_back_with_its_call(name: str, stream: str, tmp_path: Path) -> None:
    came = await played(name, tmp_path, model=f"stream = {stream}")
    assert came.refusals == []
    first, *others = came.asked()
    assert first["extra_content"] == {"google": {"thought_signature": "abc"}}
    assert not [call for call in others if "extra_content" in call]
    assert came.text == "done"


ONE = sorted(path.stem for path in CASES.glob("03-*-one-name.json"))
SEVERAL = sorted(path.stem for path in CASES.glob("03-*-names.json"))


@pytest.mark.parametrize("stream", ["true", "false"])
@pytest.mark.parametrize("name", [*ONE, *SEVERAL])
async def test_calls_at_one_index_stay_apart(name: str, stream: str, tmp_path: Path) -> None:
    came = await played(name, tmp_path, confirmation="never", model=f"stream = {stream}")
    called = ["files__read"] * 3 if name in ONE else ["files__read", "files__list", "files__write"]
    assert sorted(came.calls, key=str) == sorted(zip(called, ({"path": path} for path in "abc"), strict=True), key=str)
    assert [call["function"]["name"] for call in came.asked()] == called
    assert len({call["id"] for call in came.asked()}) == 3


@pytest.mark.parametrize("name", ["05-ids-long", "05-ids-none", "05-ids-repeat"])
async def test_ids_are_plain_unique_and_stay_the_same(name: str, tmp_path: Path) -> None:
    came = await played(name, tmp_path, strict=["ids", "nine"])
    assert came.refusals == []
    ids = [call["id"] for call in came.asked()]
    assert len(set(ids)) == len(ids) > 0
    for number in range(len(came.requests)):
        assert [call["id"] for call in came.asked(number)] == ids[: len(came.asked(number))]
        assert notes(came.requests[number]) == []


THOUGHTS = ["06-think-tags", "06-think-closing-only", "06-think-then-call"]


@pytest.mark.shows("models.thoughts")
@pytest.mark.parametrize("stream", ["true", "false"])
@pytest.mark.parametrize("name", THOUGHTS)
async def test_thoughts_are_nowhere(name: str, stream: str, tmp_path: Path) -> None:
    came = await played(name, tmp_path, model=f"stream = {stream}")
    assert "secret" not in came.everything()
    assert came.tickets[0].text == ("done" if name == "06-think-then-call" else "Hello")


async def test_a_tag_in_a_fence_is_text(tmp_path: Path) -> None:
    came = await played("06-think-in-fence", tmp_path)
    assert "<think>some text</think>" in came.text


ONLY = {"06-only-reasoning-content": "only thought", "06-only-reasoning": "only thought", "09-cut-thinking": "used up"}


@pytest.mark.parametrize("name", ONLY)
async def test_an_answer_that_is_a_thought_alone_is_told_and_not_tried_again(name: str, tmp_path: Path) -> None:
    came = await played(name, tmp_path)
    assert len(came.requests) == 1
    assert ONLY[name] in came.text
    assert came.healths[0].kind in ("only_thought", "used_up")
    assert "my tokens" not in came.everything()


SCHEMAS: dict[str, Any] = json.loads((CASES / "07-schemas.json").read_text("utf-8"))


@pytest.mark.parametrize("strict", ["schemas", "unnamed_schemas"])
@pytest.mark.parametrize("name", [name for name, schema in SCHEMAS["bad"].items() if schema])
async def test_one_bad_schema_never_fails_the_chat(name: str, strict: str, tmp_path: Path) -> None:
    bad = {"name": "bad", "inputSchema": SCHEMAS["bad"][name], "annotations": {"readOnlyHint": True}}
    case: dict[str, Any] = {"script": [{"text": "hello"}], "strict": [strict], "turns": ["hi"]}
    came = await played_case({**case, "tools": [SCHEMAS["good"], bad]}, tmp_path)
    assert came.text == "hello"
    offered = [tool["function"]["name"] for tool in came.requests[-1]["tools"]]
    assert "files__good" in offered
    if came.refusals or name == "root-string":
        assert offered == ["files__good"]
        assert "files__bad" in came.healths[0].remark
    else:
        assert offered == ["files__good", "files__bad"]


WRITTEN = sorted(path.stem for path in CASES.glob("08-*.json"))


@pytest.mark.parametrize("name", WRITTEN)
async def test_a_call_written_as_text_passes_the_gate_or_is_told(name: str, tmp_path: Path) -> None:
    came = await played(name, tmp_path)
    if "fence" in name:
        assert (came.calls, len(came.requests)) == ([], 1)
        assert "<function=files__read>" in came.text
    elif name.endswith("prompt"):
        assert came.calls == [("files__read", {"path": "a.txt"})]
        assert came.text == "done"
    else:
        assert came.calls == []
        assert came.text == "I will look.\n\n[A call of files__read was written as text, and not run.]"
        assert 'tool_calling = "prompt"' in came.healths[0].remark


@pytest.mark.shows("models.cut-call")
@pytest.mark.parametrize("stream", ["true", "false"])
@pytest.mark.parametrize("name", ["09-cut-call", "09-cut-call-whole-arguments"])
async def test_a_cut_call_never_runs_and_the_model_is_told(name: str, stream: str, tmp_path: Path) -> None:
    came = await played(name, tmp_path, model=f"stream = {stream}")
    assert came.calls == []
    assert "cut off" in came.requests[-1]["messages"][-1]["content"]
    assert came.text == "done"


@pytest.mark.parametrize("name", ["09-cut-text", "09-cut-text-whole"])
async def test_a_cut_text_is_marked_for_people_and_for_the_model(name: str, tmp_path: Path) -> None:
    came = await played(name, tmp_path, turns=["how", "go on"])
    assert came.tickets[0].text.endswith(CUT)
    assert came.texts[1].endswith(CUT)
    assert came.requests[-1]["messages"][-2]["content"].endswith(CUT)


ENDINGS: list[tuple[str, str]] = [
    ("max_tokens", "limit of tokens"),
    ("content_filter", "content filter"),
    ("FINISH_REASON_SAFETY", "content filter"),
    ("odd_reason", "ended with 'odd_reason'"),
]


@pytest.mark.parametrize(("finish", "told"), ENDINGS)
async def test_other_endings_are_told_in_words_and_their_calls_do_not_run(
    finish: str, told: str, tmp_path: Path
) -> None:
    call: JSON = {"index": 0, "id": "a", "function": {"name": "files__write", "arguments": '{"path":"a"}'}}
    script: list[JSON] = [
        {"text": "half", "finish": finish},
        {"deltas": [{"tool_calls": [call]}], "finish": finish},
        {"text": "done"},
    ]
    came = await played_case({"script": script, "turns": ["a", "b"], "confirmation": "never"}, tmp_path)
    assert told in came.tickets[0].text
    assert came.calls == []
    assert "Not run" in came.requests[-1]["messages"][-1]["content"]


async def test_an_answer_that_ends_with_an_error_is_none(tmp_path: Path) -> None:
    script: list[JSON] = [{"text": "half", "finish": "error"}, {"text": "whole"}]
    came = await played_case({"script": script, "turns": ["a"]}, tmp_path)
    assert came.text == "whole"


async def test_content_is_never_null(tmp_path: Path) -> None:
    came = await played("31-null-content", tmp_path)
    assert (came.refusals, came.text) == ([], "done")


async def test_numbers_in_texts_are_mended_before_the_gate(tmp_path: Path) -> None:
    came = await played("32-number-texts", tmp_path)
    assert came.calls == [("files__read", {"path": "a", "depth": 3, "deep": True})] * 2


async def test_two_equal_calls_are_two_approvals_that_say_so(tmp_path: Path) -> None:
    came = await played("33-twice-the-same", tmp_path)
    assert len(came.approvals) == 2
    for number, approval in enumerate(sorted(came.approvals, key=lambda each: each.call), 1):
        assert f"the same call is asked for 2 times at once, this is number {number}" in approval.reason


IN_STREAMS = {
    "34-stream-error-key": "context size exceeded",
    "34-stream-error-text": "model runner has stopped",
    "34-stream-object-error": "the request exceeds the available context size",
    "34-stream-plain-error-line": "internal trouble 77",
}


@pytest.mark.parametrize("name", IN_STREAMS)
async def test_an_error_inside_a_stream_is_told_in_its_own_words(name: str, tmp_path: Path) -> None:
    came = await played(name, tmp_path)
    words = IN_STREAMS[name]
    assert words in came.text
    assert words in came.failures[0]
    assert words in came.healths[0].error
    assert not [text for text in came.texts if text.startswith("Hel")]
    assert len(came.requests) == (1 if "context" in words else ATTEMPTS)


FOREIGN: list[tuple[list[JSON], str]] = [
    ([{"error": {"message": "no such thing", "code": 400}}], "no such thing"),
    ([{"error": {"message": "no such thing", "type": "invalid_request_error"}}], "no such thing"),
    (['{"error": {"message": "bare line"}}'], "bare line"),
    (['event: error\ndata: {"message": "named event"}\n\n'], "named event"),
    (["data: Internal Server Error\n\n", "[DONE]"], "Internal Server Error"),
    ([{"message": "told without a key"}, "[DONE]"], "told without a key"),
]


@pytest.mark.parametrize(("events", "words"), FOREIGN, ids=[words for _, words in FOREIGN])
async def test_no_foreign_line_makes_half_an_answer_whole(events: list[JSON], words: str, tmp_path: Path) -> None:
    half: JSON = {"choices": [{"index": 0, "delta": {"content": "Hel"}}]}
    script: list[JSON] = [{"raw_events": [half, *events]}] * ATTEMPTS
    came = await played_case({"script": script, "turns": ["hi"]}, tmp_path)
    assert words in came.text
    assert len(came.requests) == (1 if words == "no such thing" else ATTEMPTS)


async def test_a_foreign_line_behind_a_whole_answer_changes_nothing(tmp_path: Path) -> None:
    whole: JSON = {"choices": [{"index": 0, "delta": {"content": "Hello"}, "finish_reason": "stop"}]}
    script: list[JSON] = [{"raw_events": [whole, {"detail": "late"}, "[DONE]"]}]
    came = await played_case({"script": script, "turns": ["hi"]}, tmp_path)
    assert came.text == "Hello"


async def test_a_refusal_in_a_list_is_told_in_words(tmp_path: Path) -> None:
    body: JSON = [{"error": {"code": 400, "message": "Please use a valid role.", "status": "INVALID_ARGUMENT"}}]
    came = await played_case({"script": [{"status": 400, "body": body}], "turns": ["hi"]}, tmp_path)
    assert "Please use a valid role." in came.failures[0]
    assert not re.search(r"[\[{]'", came.failures[0])


@pytest.mark.parametrize("wanted", ["reasoning", "signature"])
async def test_calls_of_another_model_do_not_shut_a_chat_out(wanted: str, tmp_path: Path) -> None:
    """What a provider wants back and another model never gave has something in its place once it is asked for."""
    call: JSON = {"index": 0, "id": "a", "function": {"name": "files__read", "arguments": "{}"}}
    asks: JSON = {"deltas": [{"tool_calls": [call]}], "finish": "tool_calls"}
    script: list[JSON] = [asks, {"text": "done"}, {"text": "more"}]
    came = await played_case({"script": script, "strict": [wanted], "turns": ["hi", "and"]}, tmp_path)
    assert [ticket.text for ticket in came.tickets] == ["done", "more"]
    assert len(came.refusals) == 1


async def test_a_server_that_takes_no_unknown_fields_gets_none(tmp_path: Path) -> None:
    refused: JSON = {"error": {"message": "'messages.1' : property 'reasoning' is unsupported", "code": 400}}
    script: list[JSON] = [
        {"deltas": [{"reasoning": "hm"}, {"content": "one"}]},
        {"status": 400, "body": refused},
        {"text": "two"},
        {"text": "three"},
    ]
    came = await played_case({"script": script, "turns": ["a", "b", "c"]}, tmp_path)
    assert [ticket.text for ticket in came.tickets] == ["one", "two", "three"]
    assert "reasoning" not in json.dumps(came.requests[-1]["messages"])


async def test_more_tools_than_a_provider_takes_are_fewer_the_next_time(tmp_path: Path) -> None:
    many = [{"name": f"t{number}", "inputSchema": {"type": "object"}} for number in range(100)]
    told = "Invalid 'tools': array too long. Expected an array with maximum length 64, but got an array of 100."
    script: list[JSON] = [{"status": 400, "body": {"error": {"message": told}}}, {"text": "hello"}]
    came = await played_case({"script": script, "turns": ["hi"], "tools": many}, tmp_path)
    assert came.text == "hello"
    assert len(came.requests[-1]["tools"]) == 64
    assert "first 64 of 100" in came.healths[0].remark
