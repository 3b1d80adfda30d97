"""Nested tools among a client's own: as their servers list them and answer, under the approvals that hold for all."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import anyio
import mcp_types as types
import pytest
from mcp.client.client import Client
from mcp_types import ToolListChangedNotification
from msgspec.structs import replace

from bridge_mcp.core.policy import Principal
from bridge_mcp.server.app import always, build_server
from bridge_mcp.toolservers.settings import ToolServer
from bridge_mcp.toolservers.toolbox import NestedToolbox
from tests.integration.setup import HOST, SUPERVISOR, World, world
from tests.integration.task_client import TaskClient, about, begin, ended
from tests.servers import behind_gate

SERVER = ToolServer("files", command=sys.executable, args=("-I", behind_gate.__file__))
EXPOSED = replace(HOST, expose=frozenset({"files"}))
SEATED = replace(EXPOSED, attended=True)
EVERYTHING = replace(HOST, expose=frozenset({"*"}))


@dataclass
class At:
    """A client, and the world behind it."""

    client: Client
    it: World
    changed: anyio.Event

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        with anyio.fail_after(30):
            result = await self.client.call_tool(tool, arguments)
        return json.loads(result.model_dump_json(by_alias=True, exclude_none=True))


@asynccontextmanager
async def at(
    folder: Path,
    who: Principal = EXPOSED,
    mode: Literal["legacy", "auto"] = "legacy",
    server: ToolServer = SERVER,
    **client_options: Any,
) -> AsyncGenerator[At]:
    changed = anyio.Event()

    async def hear(message: object) -> None:
        if isinstance(getattr(message, "root", message), ToolListChangedNotification):
            changed.set()

    async with world(folder, engine=False) as it:
        async with NestedToolbox([server], clock=it.clock) as box, it.engine_with(box):
            with anyio.fail_after(30), closing(it.store.agenda.watch()) as news:
                while len((await it.bridge.callable_tools(HOST)).tools) < 3:
                    await news.wait()
            face = build_server(it.bridge, always(who), exposes=bool(who.expose))
            async with Client(face, mode=mode, message_handler=hear, **client_options) as client:
                yield At(client, it, changed)


@pytest.mark.shows("tool-servers.exposed")
@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_the_tools_are_listed_as_their_server_lists_them(tmp_path: Path, mode: Any) -> None:
    async with at(tmp_path, mode=mode) as found:
        tools = {tool.name: tool for tool in (await found.client.list_tools()).tools}
        assert {"call_tool", "files__look", "files__act", "files__slow"} <= tools.keys()
        told = json.loads(tools["files__look"].model_dump_json(by_alias=True, exclude_none=True))
        (look, *_) = behind_gate.tools()
        assert told == {**look, "name": "files__look"}


async def test_without_the_scope_or_the_servers_name_there_are_none(tmp_path: Path) -> None:
    for who in (HOST, replace(HOST, expose=frozenset({"other"})), replace(EXPOSED, scopes=frozenset({"read"}))):
        async with at(tmp_path / who.name / str(len(who.scopes)) / str(len(who.expose)), who) as found:
            listed = [tool.name for tool in (await found.client.list_tools()).tools]
            assert not [name for name in listed if name.startswith("files__")]
            refused = await found.call("files__look")
            assert refused["isError"]


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_free_call_is_answered_with_the_servers_own_result(tmp_path: Path, mode: Any) -> None:
    async with at(tmp_path, mode=mode) as found:
        answer = await found.call("files__look", path="a")
        answer.pop("resultType", None)
        assert answer["_meta"]["vendor/y"] == 2
        assert answer["content"] == [{"type": "text", "text": 'run 1: {"path": "a"}'}]
        assert answer["structuredContent"] == {"n": 1}
        assert not answer.get("isError")
        failed = await found.call("files__look", do="fail")
        assert (failed["content"][0]["text"], failed["isError"]) == ("it failed", True)


async def test_a_star_exposes_every_server_and_none_of_the_tools_that_are_for_models(tmp_path: Path) -> None:
    async with at(tmp_path, EVERYTHING) as found:
        listed = [tool.name for tool in (await found.client.list_tools()).tools]
        assert "files__look" in listed
        assert not [name for name in listed if name.startswith("bridge__")]


@pytest.mark.shows("tool-servers.exposed-waits")
@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_call_that_waits_gives_a_ticket_and_its_result_is_the_servers_own(tmp_path: Path, mode: Any) -> None:
    async with at(tmp_path, mode=mode) as found:
        answer = await found.call("files__act", path="a")
        assert answer["isError"]
        words = answer["content"][0]["text"]
        (approval,) = await found.it.approvals()
        assert approval.id in words
        assert approval.requested_by == HOST.name
        ticket = json.loads(words[words.index("{") :])["id"]
        await found.it.bridge.approve_call(SUPERVISOR, approval.id)
        done = await found.it.bridge.wait_for(HOST, ticket, timeout_s=5)
        assert json.loads(done.raw)["structuredContent"] == {"n": 1}


class Person:
    """Who sits at a client, and fills in its forms."""

    def __init__(self, *decisions: str) -> None:
        self.decisions, self.seen = list(decisions), list[str]()

    async def fill_in(self, context: object, params: types.ElicitRequestParams) -> types.ElicitResult:
        assert isinstance(params, types.ElicitRequestFormParams)
        self.seen.append(params.message)
        decision = self.decisions.pop(0)
        if decision == "dismiss":
            return types.ElicitResult(action="cancel")
        return types.ElicitResult(action="accept", content={"decision": decision, "note": "as said"})


@pytest.mark.shows("tool-servers.exposed-waits")
@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_the_person_at_a_client_decides_and_the_result_is_the_servers_own(tmp_path: Path, mode: Any) -> None:
    person = Person("approve", "reject", "dismiss")
    async with at(tmp_path, SEATED, mode, elicitation_callback=person.fill_in) as found:
        ran = await found.call("files__act", path="a")
        assert ran["structuredContent"] == {"n": 1}
        assert ran["_meta"]["vendor/y"] == 2
        kept = await found.call("files__act", path="b")
        assert kept["isError"]
        assert "as said" in kept["content"][0]["text"]
        waits = await found.call("files__act", path="c")
        assert waits["isError"]
        (approval,) = await found.it.approvals()
        assert approval.id in waits["content"][0]["text"]
        assert ["files__act" in each for each in person.seen] == [True] * 3
        assert (await found.call("files__look", path="d"))["structuredContent"] == {"n": 2}  # "b" and "c" never ran


@pytest.mark.shows("tool-servers.exposed-waits")
async def test_a_client_with_tasks_polls_one_to_the_servers_own_result(tmp_path: Path) -> None:
    async with at(tmp_path, mode="auto", extensions=[TaskClient()]) as found:
        task = await begin(found.client, "files__act", {"path": "a"})
        (approval,) = await found.it.approvals()
        assert task.status == "working"
        assert approval.id in task.status_message
        await found.it.bridge.approve_call(SUPERVISOR, approval.id)
        with anyio.fail_after(30):
            done = await ended(found.client, task.task_id)
        assert done.status == "completed"
        assert done.result is not None
        assert (done.result["structuredContent"], done.result["_meta"]["vendor/y"]) == ({"n": 1}, 2)
        # What is free, or fails, is answered at once; and what is rejected is a result that says so.
        assert (await found.call("files__look", path="b"))["structuredContent"] == {"n": 2}
        other = await begin(found.client, "files__act", {"path": "c"})
        (approval,) = await found.it.approvals()
        await found.it.bridge.reject_call(SUPERVISOR, approval.id, reason="not today")
        with anyio.fail_after(30):
            over = await ended(found.client, other.task_id)
        assert over.result is not None
        assert over.result["isError"]
        assert "not today" in over.result["content"][0]["text"]


async def test_a_task_that_is_taken_back_never_runs(tmp_path: Path) -> None:
    async with at(tmp_path, mode="auto", extensions=[TaskClient()]) as found:
        task = await begin(found.client, "files__act", {"path": "a"})
        await found.it.approvals()
        await about(found.client.session, "cancel", task.task_id)
        with anyio.fail_after(30):
            assert (await ended(found.client, task.task_id)).status == "cancelled"
        assert (await found.call("files__look", path="b"))["structuredContent"] == {"n": 1}


async def test_a_client_is_told_when_the_tools_change(tmp_path: Path) -> None:
    async with at(tmp_path) as found:
        assert found.client.server_capabilities is not None
        assert found.client.server_capabilities.tools is not None
        assert found.client.server_capabilities.tools.list_changed
        await found.client.list_tools()
        await found.call("files__slow", do="change")
        with anyio.fail_after(30):
            await found.changed.wait()
        tools = {tool.name: tool for tool in (await found.client.list_tools()).tools}
        assert tools["files__look"].description == "Looks, and more"
