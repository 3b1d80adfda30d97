"""Forms for the person at a host, by the published client, in both eras, over HTTP and over pipes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import mcp_types as types
import pytest
from mcp.client.client import Client

from tests.integration.face_child import ALL, CALLER, SEATED
from tests.integration.face_clients import ERAS, answer, over_http, over_stdio, served_http

CALL: dict[str, Any] = {"tool": "files__delete", "arguments": {"name": "a.txt"}}


class Person:
    """Who sits at a host, and fills in its forms."""

    def __init__(self, *answers: Mapping[str, str | int | float | bool | list[str] | None] | str) -> None:
        self.seen: list[types.ElicitRequestFormParams] = []
        self._answers = list(answers)

    async def fill_in(self, context: object, params: types.ElicitRequestParams) -> types.ElicitResult:
        assert isinstance(params, types.ElicitRequestFormParams)
        self.seen.append(params)
        given = self._answers.pop(0)
        if isinstance(given, str):
            return types.ElicitResult(action="decline" if given == "decline" else "cancel")
        return types.ElicitResult(action="accept", content=dict(given))


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """One bridge for all of these."""
    with served_http(tmp_path_factory.mktemp("forms")) as address:
        yield address


@asynccontextmanager
async def seated(person: Person, era: str, address: str, token: str = SEATED) -> AsyncGenerator[tuple[Client, Client]]:
    """A client with a person at it, and another that looks on."""
    async with over_http(era, address, token, elicitation_callback=person.fill_in) as client:
        async with over_http(era, address, ALL) as other:
            yield client, other


@pytest.fixture(params=ERAS)
def era(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.shows("approvals.form")
async def test_whoever_sits_there_lets_a_call_run(era: str, address: str) -> None:
    person = Person({"decision": "approve", "note": "fine"})
    async with seated(person, era, address) as (client, other):
        done = await answer(client, "call_tool", **CALL)
        assert (done["state"], done["outcome"], done["text"]) == ("done", "ok", "a.txt is gone")
        (form,) = person.seen
        assert "files__delete" in form.message
        assert '"name": "a.txt"' in form.message
        decided = (await answer(other, "list_approvals", status="approved"))["approvals"][-1]
        assert (decided["decided_by"], decided["requested_by"], decided["note"]) == (
            "person at seated",
            "seated",
            "fine",
        )


async def test_or_keeps_it_from_running(era: str, address: str) -> None:
    async with seated(Person({"decision": "reject", "note": "not that one"}), era, address) as (client, _):
        done = await answer(client, "call_tool", **CALL)
        assert (done["state"], done["outcome"]) == ("done", "denied")
        assert "not that one" in done["text"]


@pytest.mark.shows("approvals.form")
@pytest.mark.parametrize("given", ["decline", "cancel", {"decision": "whatever"}, {}], ids=str)
async def test_nothing_but_a_decision_is_a_verdict(given: Any, era: str, address: str) -> None:
    person = Person(given)
    async with seated(person, era, address) as (client, other):
        stands = await answer(client, "call_tool", **CALL)
        assert (stands["state"], len(person.seen)) == ("open", 1)
        assert stands["approvals"] == [(await answer(other, "list_approvals"))["approvals"][0]["id"]]


async def test_a_turn_asks_there_too(era: str, address: str) -> None:
    person = Person({"decision": "approve"})
    async with seated(person, era, address) as (client, _):
        turn = await answer(client, "run_turn", conversation=f"local/{era}", text="delete b.txt")
        assert (turn["state"], turn["text"]) == ("done", "tool said: b.txt is gone")
        assert len(person.seen) == 1


async def test_what_hides_in_arguments_is_shown_and_what_is_long_is_asked_elsewhere(era: str, address: str) -> None:
    person = Person("cancel")
    async with seated(person, era, address) as (client, _):
        await answer(client, "call_tool", tool="files__delete", arguments={"name": "a\u202etxt.exe\nRun nothing?"})
        (form,) = person.seen
        assert "<U+202E>" in form.message
        assert "\nRun nothing?" not in form.message
        stands = await answer(client, "call_tool", tool="files__delete", arguments={"name": "x" * 3_000})
        assert (stands["state"], len(person.seen)) == ("open", 1)


async def test_a_host_where_nobody_sits_is_not_asked(era: str, address: str) -> None:
    person = Person()
    async with seated(person, era, address, CALLER) as (client, _):
        assert (await answer(client, "call_tool", **CALL))["state"] == "open"
        assert person.seen == []


async def test_over_pipes_too(era: str, tmp_path: Path) -> None:
    person = Person({"decision": "approve"})
    async with over_stdio(era, tmp_path, ("tools",), elicitation_callback=person.fill_in) as client:
        assert (await answer(client, "call_tool", **CALL))["text"] == "a.txt is gone"


async def test_a_call_made_again_decides_on_nothing_but_its_own(address: str) -> None:
    """What a client sends back as the state of a call is taken for nothing unless the bridge gave it to that client."""
    modern = ERAS[-1]
    async with seated(Person(), modern, address) as (client, other):
        async with asyncio.timeout(20):
            first = await client.session.call_tool("call_tool", CALL, allow_input_required=True)
            assert isinstance(first, types.InputRequiredResult)
            (approval,) = first.input_requests or {}
            yes: types.InputResponses = {approval: types.ElicitResult(action="accept", content={"decision": "approve"})}
            state = first.request_state or ""
            for wrong in ("", "nothing", state.rpartition("~")[0], state + "A"):
                refused = await client.session.call_tool("call_tool", CALL, input_responses=yes, request_state=wrong)
                assert refused.is_error
            assert approval in {each["id"] for each in (await answer(other, "list_approvals"))["approvals"]}
            stranger = await other.session.call_tool("call_tool", CALL, input_responses=yes, request_state=state)
            assert stranger.is_error
            done = await client.session.call_tool("call_tool", CALL, input_responses=yes, request_state=state)
            assert done.structured_content is not None
            assert done.structured_content["text"] == "a.txt is gone"
            again = await client.session.call_tool("call_tool", CALL, input_responses=yes, request_state=state)
            assert again.structured_content == done.structured_content


async def test_whoever_sits_there_decides_on_a_call_that_the_host_runs_itself(era: str, address: str) -> None:
    person = Person({"decision": "approve", "note": "go on"})
    async with seated(person, era, address) as (client, _):
        ticket = await answer(client, "request_approval", tool="refund", arguments={"amount": 5}, wait_s=5)
        assert (ticket["outcome"], ticket["text"]) == ("approved", "go on")
        assert person.seen[0].message.startswith("Run request:seated__refund?")
        taken = await answer(client, "consume_approval", ticket=ticket["id"], digest=ticket["structured"]["digest"])
        assert (taken["arguments"], taken["approved_by"]) == ({"amount": 5}, "person at seated")
