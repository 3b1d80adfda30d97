"""A gate between a host and a server that mean no good: what may run is what was approved, and nothing beside it."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from bridge_mcp.core.approval_settings import PartialApprovalSettings
from bridge_mcp.core.policy import ToolRule
from bridge_mcp.stores.sqlite import open_store
from bridge_mcp.testing import ManualClock
from tests.integration.test_gate import MODERN, PROGRESS, RULES, SERVER, Gated, gated, opened


@pytest.fixture
async def at(tmp_path: Path) -> AsyncGenerator[Gated]:
    async with gated(tmp_path) as it:
        yield it


async def asks_back(at: Gated) -> None:
    """A call that was approved, and that the server has a question about."""
    number = at.host.calls("act", {**MODERN, **PROGRESS}, do="input")
    await at.approve(await at.approval())
    assert (await at.host.result(number))["resultType"] == "input_required"


@pytest.mark.parametrize(("tool", "arguments"), [("act", {"path": "/"}), ("act", {})])
async def test_another_call_that_shows_the_state_of_an_approved_one_is_asked_about(
    at: Gated, tool: str, arguments: dict[str, Any]
) -> None:
    await asks_back(at)
    number = at.host.calls(tool, MODERN, {"requestState": "s1", "inputResponses": {}}, **arguments)
    answer = json.loads(await at.host.line(id=number))
    assert "waits for approval" in json.dumps(answer)
    assert sum(each.get("method") == "tools/call" for each in await at.host.heard_by_server()) == 1
    number = at.host.calls("act", MODERN, {"requestState": "s1", "inputResponses": {}}, do="input")
    assert (await at.host.words(number)).startswith("run 2"), "the approved one goes on"


INNER = b'{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"act","arguments":{}}}'
PARTS = INNER.replace(b'"', b'\\"')


@pytest.mark.parametrize("end", [b"\xe2\x80\xa8", b"\xe2\x80\xa9", b"\xc2\x85"])
async def test_a_message_is_one_line_to_whoever_reads_lines(at: Gated, end: bytes) -> None:
    params = b'{"a":"' + end + PARTS + end + b'"}'
    at.host.said.append(b'{"jsonrpc":"2.0","id":5,"method":"x","params":' + params + b"}")
    at.host.wake()
    await at.host.line(id=5)
    (heard, _) = await at.host.heard_by_server()
    assert heard["params"] == json.loads(params)


async def test_a_carriage_return_ends_no_line(at: Gated) -> None:
    at.host.said.append(b'{"jsonrpc":"2.0","id":5,"method":"x","params":{"a":\r' + INNER + b"\r}}")
    at.host.wake()
    await at.host.line(id=5)
    assert [each["method"] for each in await at.host.heard_by_server()] == ["x", "heard"]


@pytest.mark.parametrize("odd", ["deep", "long number", "half"])
async def test_an_odd_answer_ends_its_call(at: Gated, odd: str) -> None:
    """What the gate cannot read is the host's to read; the call is over all the same, and answered once."""
    number = at.host.calls("act", PROGRESS, odd=odd)
    approval = await at.approval()
    await at.approve(approval)
    assert json.loads(await at.host.line(id=number))["id"] == number
    await at.comes_to("act", "ok")


async def test_an_answer_to_a_call_that_waits_goes_no_further(at: Gated) -> None:
    number = at.host.calls("act", PROGRESS, path="a")
    approval = await at.approval()
    at.host.say(id="e", method="early", params={"id": number})
    await at.host.line(id="e")
    await at.approve(approval)
    assert await at.host.words(number) == 'run 1: {"path": "a"}'


async def test_a_tool_with_an_odd_description_costs_no_other(at: Gated) -> None:
    at.host.say(id="odd", method="change", params={"odd": True})
    await at.host.line(id="odd")
    assert (await at.host.words(at.host.calls("look"))).startswith("run 1")
    answers = [
        await at.host.words(at.host.calls(name)) for name in ("half \ud83d\ude00", "*", "line\nend", "x" * 5000, "")
    ]
    for each in answers:
        assert "waits for approval" in each, each


async def test_each_of_many_tools_that_the_host_is_shown_can_be_called(at: Gated) -> None:
    at.host.say(id="many", method="change", params={"many": True})
    await at.host.line(id="many")
    assert (await at.host.words(at.host.calls("many 2499"))).startswith("run 1")


async def test_a_call_of_a_gate_that_was_killed_before_anybody_was_asked_is_taken_up(tmp_path: Path) -> None:
    store, clock, alive = (
        await open_store(tmp_path / "bridge.db", clock=ManualClock(1000.0)),
        ManualClock(1000.0),
        set[str](),
    )
    told: list[str] = []
    for caller in ("one", "two"):
        async with opened(store, clock, alive, SERVER, caller) as (host, _):
            told.append(await host.words(host.calls("act", path="a")))
        alive.clear()
    assert "waits for approval" in told[0]
    assert told[0] == told[1], "the same approval"
    await store.close()


async def test_one_verdict_that_came_while_nobody_waited_is_for_one_of_two_calls_at_once(at: Gated) -> None:
    await at.host.result(at.host.calls("act", path="a"))
    await at.approve(await at.approval())
    words = [await at.host.words(number) for number in [at.host.calls("act", path="a") for _ in range(5)]]
    assert sum(each.startswith("run") for each in words) == 1
    assert len(await at.store.approvals.find(status="waiting")) == 4


async def test_people_see_what_a_call_brings_beside_its_arguments(at: Gated) -> None:
    beside = {"requestState": "of-whom", "inputResponses": {"q": {"action": "accept"}}, "task": {"ttl": 60}}
    meta = {**MODERN, "traceparent": "00-1-2-3", "vendor/as": "root", "long": "x" * 5_000}
    number = at.host.calls("act", meta, beside, path="a")
    asked = await at.approval()
    for each in ('requestState = "of-whom"', 'inputResponses = {"q"', 'task = {"ttl":60}', '_meta vendor/as = "root"'):
        assert each in asked.reason
    assert "traceparent" not in asked.reason
    assert "protocolVersion" not in asked.reason
    assert "… (5,002 characters, sha256:" in asked.reason
    assert len(asked.reason) < 700
    await at.host.words(number)
    await at.approve(asked)
    other = await at.host.words(at.host.calls("act", meta, beside | {"requestState": "of-another"}, path="a"))
    assert "waits for approval" in other, "the verdict was about another one"
    assert (await at.host.words(at.host.calls("act", MODERN, beside, path="a"))).startswith("run 1")


async def test_a_server_that_does_not_tell_its_tools_is_said_not_to(at: Gated, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge_mcp.gate.relay.LIST_S", 0.05)
    at.host.say(id="mute", method="mute", params={"mute": True})
    await at.host.line(id="mute")
    words = await at.host.words(at.host.calls("look"))
    assert "Not run" in words
    assert "The server did not answer which tools it has within 0.05 s." in words
    assert "Unknown tool" not in words


async def test_a_call_that_takes_up_an_approved_one_brings_no_meta_that_nobody_was_shown(at: Gated) -> None:
    safe, other = {"vendor/dryRun": True}, {"vendor/dryRun": False, "traceparent": "00-1", "progressToken": "p"}
    assert "waits for approval" in await at.host.words(at.host.calls("act", safe, path="a"))
    approval = await at.approval()
    assert "vendor/dryRun = true" in approval.reason
    await at.approve(approval)
    assert await at.host.words(at.host.calls("act", other, path="a")) == 'run 1: {"path": "a"}'
    (ran,) = [each["params"] for each in await at.host.heard_by_server() if each.get("method") == "tools/call"]
    assert ran["_meta"] == {"traceparent": "00-1", "progressToken": "p"}
    assert ran["arguments"] == {"path": "a"}


async def test_with_the_meta_that_was_shown_the_call_is_the_hosts_own_line(at: Gated) -> None:
    meta = {"vendor/dryRun": True, "progressToken": "p"}
    number = at.host.calls("act", meta, path="a")
    await at.approve(await at.approval())
    await at.host.result(number)
    (ran,) = [each["params"] for each in await at.host.heard_by_server() if each.get("method") == "tools/call"]
    assert ran == {"name": "act", "arguments": {"path": "a"}, "_meta": meta}


async def test_what_is_cut_where_people_read_it_is_told_apart_all_the_same(at: Gated) -> None:
    long = "x" * 1_000
    await at.host.result(at.host.calls("act", {"vendor/note": f"{long}a"}, path="a"))
    await at.approve(await at.approval())
    await at.host.result(at.host.calls("act", {"vendor/note": f"{long}b"}, path="a"))
    (ran,) = [each["params"] for each in await at.host.heard_by_server() if each.get("method") == "tools/call"]
    assert ran["_meta"] == {}


async def test_a_parameter_that_nobody_knows_makes_another_call_and_is_shown(at: Gated) -> None:
    await at.host.result(at.host.calls("act", None, {"force": True}, path="a"))
    first = await at.approval()
    assert "force = true" in first.reason
    await at.approve(first)
    assert "waits for approval" in await at.host.words(at.host.calls("act", path="a"))
    assert "force" not in (await at.approval()).reason


@pytest.mark.shows("approvals.gate-asks")
@pytest.mark.parametrize("pattern", ["", "*", "*__act", "files__*", "hook:*"])
async def test_a_never_that_does_not_name_the_gate_frees_no_call_through_it(at: Gated, pattern: str) -> None:
    never: PartialApprovalSettings = {"confirmation": "never"}
    rule = ToolRule(pattern, never)
    rules = replace(RULES, tools=(rule,)) if pattern else replace(RULES, asking=replace(RULES.asking, **never))
    async with at.another(rules=rules) as host:
        assert "waits for approval" in await host.words(host.calls("act", path="a"))
        assert await host.words(host.calls("look", path="a"))
    named = replace(RULES, tools=(ToolRule("gate:files@*__act", never),))
    async with at.another(rules=named) as host:
        assert await host.words(host.calls("act", path="b")) == 'run 1: {"path": "b"}'
