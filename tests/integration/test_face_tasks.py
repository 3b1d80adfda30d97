"""The Tasks extension, by the published client with a claim on tasks, over HTTP and over pipes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Collection, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import mcp_types as types
import pytest
from mcp.client.client import Client
from mcp.shared.exceptions import MCPError

from tests.integration.face_child import ALL, CALLER
from tests.integration.face_clients import WAIT_S, answer, over_http, over_stdio, served_http
from tests.integration.task_client import Task, TaskClient, about, begin, ended, got

MODERN = "2026-07-28"
CALL: dict[str, Any] = {"tool": "files__delete", "arguments": {"name": "a.txt"}}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """One bridge for all that need none of their own."""
    with served_http(tmp_path_factory.mktemp("tasks")) as address:
        yield address


@asynccontextmanager
async def both(address: str) -> AsyncGenerator[tuple[Client, Client]]:
    """A client that may call tools but not decide, and another that may do all. Both understand tasks."""
    async with over_http(MODERN, address, CALLER, extensions=[TaskClient()]) as caller:
        async with over_http(MODERN, address, ALL, extensions=[TaskClient()]) as decider:
            yield caller, decider


def waited_for(task: Task) -> str:
    """The approval that a task says it waits for."""
    (found,) = re.findall("ap_[0-9a-f]{16}", task.status_message)
    return found


async def newest(client: Client, before: Collection[str]) -> str:
    """The approval that comes up beside those before."""
    while True:
        for each in (await answer(client, "list_approvals"))["approvals"]:
            if each["id"] not in before:
                return each["id"]


@pytest.mark.shows("tools.tasks")
async def test_a_call_that_waits_for_a_verdict_is_a_task_until_it_has_run(address: str) -> None:
    async with both(address) as (caller, decider):
        task = await begin(caller, "call_tool", CALL)
        approval = waited_for(task)
        assert (task.status, task.ttl_ms) == ("working", None)
        assert (await got(caller, task.task_id)).status == "working"
        await answer(decider, "approve_call", approval_id=approval)
        done = await ended(caller, task.task_id)
        assert (done.status, done.created_at) == ("completed", task.created_at)
        assert done.result is not None
        structured = done.result["structuredContent"]
        assert (structured["outcome"], structured["text"]) == ("ok", "a.txt is gone")
        assert done.result["content"][0]["type"] == "text"


async def test_a_client_with_tasks_may_simply_call(address: str) -> None:
    async with both(address) as (caller, decider), asyncio.timeout(WAIT_S):
        before = {each["id"] for each in (await answer(decider, "list_approvals"))["approvals"]}

        async def decide() -> None:
            await answer(decider, "reject_call", approval_id=await newest(decider, before), reason="not today")

        deciding = asyncio.create_task(decide())
        result = await caller.call_tool("call_tool", CALL)
        await deciding
        assert result.structured_content is not None
        assert (result.structured_content["outcome"], result.structured_content["state"]) == ("denied", "done")
        assert "not today" in result.structured_content["text"]


async def test_what_is_done_at_once_is_no_task(address: str) -> None:
    async with both(address) as (caller, _):
        shouted = await answer(caller, "call_tool", tool="noise__shout")
        assert (shouted["state"], shouted["text"]) == ("done", "shouted")


async def test_a_question_that_nobody_answers_is_a_task_too(address: str) -> None:
    async with both(address) as (caller, _):
        question = {"conversation": "local/main", "question": "Which?", "choices": ["a", "b"], "expires_s": 0.5}
        task = await begin(caller, "ask_user", question)
        assert task.status_message == "Waits for an answer."
        done = await ended(caller, task.task_id)
        assert done.result is not None
        assert done.result["structuredContent"]["outcome"] == "expired"


async def test_a_task_that_is_taken_back_never_runs(address: str) -> None:
    async with both(address) as (caller, decider):
        task = await begin(caller, "call_tool", CALL)
        approval = waited_for(task)
        await about(caller.session, "cancel", task.task_id)
        done = await ended(caller, task.task_id)
        assert (done.status, done.result) == ("cancelled", None)
        listed = (await answer(decider, "list_approvals", status="cancelled"))["approvals"]
        assert (approval, "caller") in [(each["id"], each["decided_by"]) for each in listed]
        turn = await begin(caller, "run_turn", {"conversation": "local/main", "text": "think", "wait_s": 0})
        await about(caller.session, "cancel", turn.task_id)
        assert (await ended(caller, turn.task_id)).status == "cancelled"


@pytest.mark.shows("tools.tasks-private")
async def test_a_task_is_its_callers_and_cannot_be_guessed(address: str) -> None:
    async with both(address) as (caller, decider):
        task = (await begin(caller, "call_tool", CALL)).task_id
        await about(caller.session, "update", task, input_responses={"x": {}})
        other = task[:-1] + ("A" if task[-1] != "A" else "B")
        tried = [(caller, wrong) for wrong in (task.rpartition("~")[0], other, "nothing", "~")]
        for client, wrong in (*tried, (decider, task)):
            for method in ("get", "update", "cancel"):
                with pytest.raises(MCPError, match="has no such task") as refused:
                    await about(client.session, method, wrong, input_responses={})
                assert refused.value.error.code == types.INVALID_PARAMS
        assert (await got(caller, task)).status == "working"


async def test_a_task_outlives_its_server(tmp_path: Path) -> None:
    with served_http(tmp_path) as address:
        async with both(address) as (caller, _):
            task = await begin(caller, "call_tool", CALL)
    with served_http(tmp_path) as address:
        async with both(address) as (caller, decider):
            assert (await got(caller, task.task_id)).status == "working"
            await answer(decider, "approve_call", approval_id=waited_for(task))
            assert (await ended(caller, task.task_id)).status == "completed"


async def test_who_may_decide_on_a_turn_keeps_its_ticket(address: str) -> None:
    async with both(address) as (_, decider):
        turn = await answer(decider, "run_turn", conversation="local/kept", text="delete a.txt")
        assert (turn["state"], len(turn["approvals"])) == ("open", 1)


@pytest.mark.shows("tools.wait-bounded")
async def test_without_the_extension_a_ticket_is_all_there_is(address: str) -> None:
    async with over_http(MODERN, address, CALLER) as client:
        assert client.server_capabilities.extensions == {TaskClient.identifier: {}}
        ticket = await answer(client, "call_tool", **CALL)
        assert ticket["state"] == "open"
        for method in ("get", "update", "cancel"):
            with pytest.raises(MCPError) as refused:
                await about(client.session, method, ticket["id"], input_responses={})
            error = refused.value.error
            assert error.code == types.MISSING_REQUIRED_CLIENT_CAPABILITY
            assert error.data["requiredCapabilities"]["extensions"] == {TaskClient.identifier: {}}


async def test_the_older_era_knows_no_tasks(tmp_path: Path) -> None:
    async with over_stdio("2025-11-25", tmp_path, ("send", "tools"), extensions=[TaskClient()]) as client:
        assert (await answer(client, "call_tool", **CALL))["state"] == "open"


@pytest.mark.shows("tools.tasks")
async def test_over_pipes_too(tmp_path: Path) -> None:
    async with over_stdio(MODERN, tmp_path, ("send", "tools"), extensions=[TaskClient()]) as client:
        task = await begin(client, "call_tool", CALL)
        await about(client.session, "cancel", task.task_id)
        assert (await ended(client, task.task_id)).status == "cancelled"
