"""A gate before a server's own process: what passes as it came, and what waits until somebody has decided."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from bridge_mcp.core.entries import Finished, Log
from bridge_mcp.core.errors import StoreError
from bridge_mcp.core.external_calls import LOOK_S
from bridge_mcp.core.projections import Approval
from bridge_mcp.engine.engine import Engine
from bridge_mcp.gate.calls import GatedCalls
from bridge_mcp.gate.identity import GuardedServer, name_for
from bridge_mcp.gate.relay import Relay
from bridge_mcp.gate.server_process import ServerProcess, started
from bridge_mcp.gate.tools import GuardedTools
from bridge_mcp.operations.external_calls import Begun, ExternalCalls, Request
from bridge_mcp.ports import ChannelRules, Rules, Store
from bridge_mcp.service import Bridge
from bridge_mcp.stores.sqlite import open_store
from bridge_mcp.testing import FakeCallers, FakeChannel, FakeModel, FakeToolbox, ManualClock
from tests.integration.setup import SUPERVISOR
from tests.servers import behind_gate

COMMAND = (sys.executable, "-I", behind_gate.__file__)
SERVER = GuardedServer("files", COMMAND, "/somewhere/of/the/host")
RULES = Rules(channels={"local": ChannelRules("local")})
PROGRESS = {"progressToken": "p"}
MODERN = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}


async def no_complaint(*_: object) -> str:
    return ""


@dataclass
class Host:
    """The lines of a host, written and read by a test."""

    said: list[bytes] = field(default_factory=list[bytes])
    heard: list[bytes] = field(default_factory=list[bytes])
    news: anyio.Event = field(default_factory=anyio.Event)
    number: int = 0

    async def next(self) -> bytes | None:
        while not self.said:
            await self.news.wait()
        line = self.said.pop(0)
        return line or None

    async def write(self, line: bytes) -> None:
        self.heard.append(line)
        self.wake()

    def wake(self) -> None:
        self.news.set()
        self.news = anyio.Event()

    def say(self, **message: Any) -> None:
        self.said.append(json.dumps({"jsonrpc": "2.0", **message}).encode())
        self.wake()

    def calls(self, tool: str, meta: dict[str, Any] | None = None, /, more: Any = None, **arguments: Any) -> int:
        """Call a tool; the request's id."""
        self.number += 1
        params: dict[str, Any] = {"name": tool, "arguments": arguments, **(more or {})}
        if meta:
            params["_meta"] = meta
        self.say(id=self.number, method="tools/call", params=params)
        return self.number

    async def line(self, **wanted: Any) -> bytes:
        """The first line not read so far in which these stand."""
        with anyio.fail_after(5):
            while True:
                for line in self.heard:
                    if wanted.items() <= json.loads(line).items():
                        self.heard.remove(line)
                        return line
                await self.news.wait()

    async def result(self, number: int) -> dict[str, Any]:
        return json.loads(await self.line(id=number))["result"]

    async def words(self, number: int) -> str:
        """What a call is answered in words."""
        return (await self.result(number))["content"][0]["text"]

    async def heard_by_server(self) -> list[Any]:
        """Every message that came through."""
        self.number += 1
        self.say(id=self.number, method="heard")
        return (await self.result(self.number))["heard"]


@dataclass
class Gated:
    """A host, a gate before a server, and the bridge that decides."""

    host: Host
    store: Store
    bridge: Bridge
    clock: ManualClock
    process: ServerProcess
    alive: set[str]
    tasks: Any

    async def approval(self, count: int = 1) -> Approval:
        """The newest of so many calls that wait."""
        with anyio.fail_after(5), closing(self.store.agenda.watch()) as changes:
            while len(found := await self.store.approvals.find(status="waiting")) < count:
                await changes.wait()
        assert len(found) == count
        return found[0]

    async def approve(self, approval: Approval, **how: Any) -> None:
        await self.bridge.approve_call(SUPERVISOR, approval.id, **how)

    async def outcomes(self) -> list[tuple[str, str]]:
        """Of every call that was begun: its tool, and what came of it ("" for nothing so far)."""
        page = await self.store.feed.read(0, 1000, types=("tool.started",))
        found: list[tuple[str, str]] = []
        for event in page.events:
            log = await self.store.log.load(event.conversation)
            ended = [e.entry.outcome for e in log if isinstance(e.entry, Finished)]
            found.append((str(event.body["tool"]), ended[0] if ended else ""))
        return found

    async def comes_to(self, tool: str, outcome: str) -> None:
        """Wait until the one call that was begun has come to this."""
        with anyio.fail_after(5), closing(self.store.agenda.watch()) as changes:
            while await self.outcomes() != [(f"{SERVER.id}__{tool}", outcome)]:
                await changes.wait()

    async def come_to(self, *outcomes: str) -> None:
        """Wait until the calls that were begun have come to these."""
        with anyio.fail_after(5), closing(self.store.agenda.watch()) as changes:
            while [ended for _, ended in await self.outcomes()] != list(outcomes):
                await changes.wait()

    @asynccontextmanager
    async def another(
        self, server: GuardedServer = SERVER, caller: str = "two", rules: Rules = RULES
    ) -> AsyncGenerator[Host]:
        """Another gate in front of another process, by the same store."""
        async with opened(self.store, self.clock, self.alive, server, caller, rules=rules) as (host, _):
            yield host


@asynccontextmanager
async def opened(
    store: Store,
    clock: ManualClock,
    alive: set[str],
    server: GuardedServer,
    caller: str,
    hold_s: float = 0.05,
    rules: Rules = RULES,
) -> AsyncGenerator[tuple[Host, ServerProcess]]:
    tools, host = GuardedTools(server, store.tool_pins), Host()
    alive.add(caller)
    calls = GatedCalls(
        server, tools, ExternalCalls(store, rules, clock, caller), callers=FakeCallers(alive), hold_s=hold_s
    )

    async def gate() -> GatedCalls:
        return calls

    async with started(COMMAND) as process, anyio.create_task_group() as tasks:
        tasks.start_soon(Relay(host, host, process, tools, gate).run)
        yield host, process
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def gated(tmp_path: Path) -> AsyncGenerator[Gated]:
    """A gate before a scripted server, and an engine on the same store."""
    clock, alive, local = ManualClock(1000.0), set[str](), FakeChannel("local", delivered_by_commit=True)
    store = await open_store(tmp_path / "bridge.db", clock=clock)
    engine = Engine(store, RULES, {"local": local}, FakeModel(), FakeToolbox(), clock, callers=FakeCallers(alive))
    bridge = Bridge(store, RULES, {"local": local.traits}, clock=clock, check=no_complaint)
    async with anyio.create_task_group() as tasks, opened(store, clock, alive, SERVER, "one") as (host, process):
        tasks.start_soon(engine.run)
        yield Gated(host, store, bridge, clock=clock, process=process, alive=alive, tasks=tasks)
        tasks.cancel_scope.cancel()
    await store.close()


@pytest.fixture
async def at(tmp_path: Path) -> AsyncGenerator[Gated]:
    async with gated(tmp_path) as it:
        yield it


async def test_what_is_no_call_passes_as_the_very_bytes_it_came_as(at: Gated) -> None:
    at.host.said.append(b'{"jsonrpc" :"2.0","id":"i",  "method":"initialize","params":{}}')
    at.host.wake()
    assert (await at.host.line(id="i")).startswith(b'{"jsonrpc" : "2.0" , "id" : "i"')
    at.host.say(id=7, method="tools/list", params={})
    listed = json.loads(await at.host.line(id=7))["result"]
    assert listed == {"tools": behind_gate.tools(), "extra": True}
    at.host.say(id=8, method="no/such", params={"a": [1, 2.50]})
    assert json.loads(await at.host.line(id=8))["error"] == {"code": -32601, "message": "no/such"}
    at.host.say(method="notifications/some", params={"x": None})
    heard = await at.host.heard_by_server()
    assert [each["method"] for each in heard] == ["initialize", "tools/list", "no/such", "notifications/some", "heard"]


async def test_a_call_that_only_reads_is_answered_with_the_servers_own_line(at: Gated) -> None:
    number = at.host.calls("look", path="a")
    line = await at.host.line(id=number)
    assert line == (
        b'{"jsonrpc" : "2.0" , "id" : 1 , "result" : {"content" : [{"type" : "text" , '
        b'"text" : "run 1: {\\"path\\": \\"a\\"}"}] , "structuredContent" : {"n" : 1} , "_meta" : {"vendor/y" : 2}}}\n'
    )
    await at.comes_to("look", "ok")
    failing = at.host.calls("look", do="fail")
    assert (await at.host.result(failing))["isError"] is True
    error = at.host.calls("look", do="error")
    assert json.loads(await at.host.line(id=error))["error"]["data"] == {"why": [1]}
    await at.come_to("ok", "error", "error")


async def test_a_call_that_only_reads_is_answered_once_it_is_written_that_it_began(
    at: Gated, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, finish = ExternalCalls.begin, ExternalCalls.finish
    may_begin, may_end, over = anyio.Event(), anyio.Event(), anyio.Event()

    async def slow_begin(self: ExternalCalls, request: Request, free: Begun) -> Begun:
        await may_begin.wait()
        return await begin(self, request, free)

    async def slow_finish(self: ExternalCalls, begun: Begun, finished: Finished, **how: Any) -> bool:
        await may_end.wait()
        told = await finish(self, begun, finished, **how)
        over.set()
        return told

    monkeypatch.setattr(ExternalCalls, "begin", slow_begin)
    monkeypatch.setattr(ExternalCalls, "finish", slow_finish)
    number = at.host.calls("look", path="a")
    with anyio.fail_after(5):  # the server works on it meanwhile
        while "tools/call" not in [each.get("method") for each in await at.host.heard_by_server()]:
            pass
    assert not [line for line in at.host.heard if json.loads(line).get("id") == number]
    may_begin.set()
    assert await at.host.words(number) == 'run 1: {"path": "a"}'
    assert await at.outcomes() == [(f"{SERVER.id}__look", "")], "its outcome follows"
    may_end.set()
    with anyio.fail_after(5):
        await over.wait()
    await at.comes_to("look", "ok")


async def test_nothing_is_given_of_a_call_that_only_reads_and_cannot_be_written_down(
    at: Gated, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(self: ExternalCalls, request: Request, free: Begun) -> Begun:
        raise StoreError("The disk is full.")

    monkeypatch.setattr(ExternalCalls, "begin", broken)
    answer = await at.host.result(at.host.calls("look", path="a"))
    assert answer["isError"]
    assert "cannot write this call down" in answer["content"][0]["text"]
    assert await at.outcomes() == []


async def test_a_call_that_waits_is_told_so_and_the_same_call_again_gets_its_result_once(at: Gated) -> None:
    first = await at.host.result(at.host.calls("act", path="a"))
    assert first["isError"] is True
    approval = await at.approval()
    assert approval.id in first["content"][0]["text"]
    assert json.loads(approval.arguments) == {"path": "a"}
    assert approval.asked_in == "local/main"
    assert "waits for approval" in await at.host.words(at.host.calls("act", path="a"))
    assert (await at.approval()).id == approval.id, "one approval, whoever asks again"
    await at.approve(approval, digest=approval.digest)
    assert await at.host.words(at.host.calls("act", path="a")) == 'run 1: {"path": "a"}'
    again = await at.host.words(at.host.calls("act", path="a"))
    assert "waits for approval" in again, "what was approved ran, once"
    assert (await at.approval()).id != approval.id


async def test_a_host_that_wants_progress_is_held_until_there_is_a_verdict(at: Gated) -> None:
    number = at.host.calls("act", PROGRESS, path="a")
    told = json.loads(await at.host.line(method="notifications/progress"))["params"]
    approval = await at.approval()
    assert told["progressToken"] == "p"
    assert -1 < told["progress"] < 0, "a server may begin at 0, and progress only grows"
    assert approval.id in told["message"]
    await at.approve(approval)
    assert await at.host.words(number) == 'run 1: {"path": "a"}'


async def test_what_a_person_rejects_never_runs_and_says_why(at: Gated) -> None:
    number = at.host.calls("act", PROGRESS, path="a")
    await at.bridge.reject_call(SUPERVISOR, (await at.approval()).id, reason="not that one")
    assert "not that one" in await at.host.words(number)
    assert "waits for approval" in await at.host.words(at.host.calls("act", path="a"))
    assert await at.outcomes() == []


async def test_a_verdict_that_came_while_nobody_waited_is_told_once(at: Gated) -> None:
    await at.host.result(at.host.calls("act", path="a"))
    await at.bridge.reject_call(SUPERVISOR, (await at.approval()).id, reason="no")
    assert "rejected: no" in await at.host.words(at.host.calls("act", path="a"))
    assert "waits for approval" in await at.host.words(at.host.calls("act", path="a"))


async def test_edited_arguments_are_what_the_server_gets(at: Gated) -> None:
    number = at.host.calls("act", PROGRESS, path="a")
    await at.approve(await at.approval(), arguments={"path": "b"})
    assert await at.host.words(number) == 'run 1: {"path": "b"}'


async def test_the_same_call_twice_at_once_is_two_calls(at: Gated) -> None:
    one, two = at.host.calls("act", PROGRESS, path="a"), at.host.calls("act", PROGRESS, path="a")
    await at.approve(await at.approval(2))
    await at.approve(await at.approval())
    assert {await at.host.words(one), await at.host.words(two)} == {'run 1: {"path": "a"}', 'run 2: {"path": "a"}'}


async def test_a_host_that_takes_a_waiting_call_back_finds_it_again(at: Gated) -> None:
    number = at.host.calls("act", PROGRESS, path="a")
    approval = await at.approval()
    at.host.say(method="notifications/cancelled", params={"requestId": number})
    heard = await at.host.heard_by_server()
    assert [each for each in heard if each["method"] in ("tools/call", "notifications/cancelled")] == []
    again = at.host.calls("act", PROGRESS, path="a")
    await at.approve(approval)
    assert await at.host.words(again) == 'run 1: {"path": "a"}'


async def test_a_call_that_runs_is_taken_back_by_telling_the_server(at: Gated) -> None:
    number = at.host.calls("slow", PROGRESS, do="wait")
    await at.host.line(method="notifications/progress")
    at.host.say(method="notifications/cancelled", params={"requestId": number})
    assert [each["method"] for each in await at.host.heard_by_server()][-2:] == ["notifications/cancelled", "heard"]
    await at.comes_to("slow", "stopped")


async def test_a_call_that_is_taken_back_as_it_begins_did_not_run(at: Gated, monkeypatch: pytest.MonkeyPatch) -> None:
    take, begun = ExternalCalls.take, anyio.Event()

    async def taken(self: ExternalCalls, conversation: str, log: Log) -> Begun | None:
        found = await take(self, conversation, log)
        if found is not None:
            begun.set()
            await anyio.sleep_forever()  # its intent is written, and that is not known here yet
        return found

    monkeypatch.setattr(ExternalCalls, "take", taken)
    number = at.host.calls("act", PROGRESS, path="a")
    await at.approve(await at.approval())
    await begun.wait()
    at.host.say(method="notifications/cancelled", params={"requestId": number})
    await at.comes_to("act", "stopped")
    assert "tools/call" not in [each["method"] for each in await at.host.heard_by_server()]


async def test_a_server_that_dies_leaves_an_unknown_outcome(at: Gated) -> None:
    at.host.calls("act", PROGRESS, do="die")
    await at.approve(await at.approval())
    await at.comes_to("act", "unknown")


async def test_a_later_process_of_the_same_server_takes_up_what_waits(at: Gated) -> None:
    await at.host.result(at.host.calls("act", path="a"))
    approval = await at.approval()
    async with at.another() as other:
        assert "waits for approval" in await other.words(other.calls("act", path="a"))
        assert len(await at.store.approvals.find(status="waiting")) == 2, "the first gate lives, and may ask again"
    at.alive.clear()
    async with at.another(caller="three") as other:
        number = other.calls("act", PROGRESS, path="a")
        await other.line(method="notifications/progress")
        for each in await at.store.approvals.find(status="waiting"):
            await at.approve(each)
        assert await other.words(number) == 'run 1: {"path": "a"}'
    assert approval.digest


async def test_unknown_is_told_to_whoever_asks_again_and_only_once(at: Gated) -> None:
    await at.host.result(at.host.calls("act", path="a"))
    approval = await at.approval()
    await at.approve(approval)
    dead = ExternalCalls(at.store, RULES, at.clock, "dead")
    await dead.cleared(approval.conversation, 1)
    at.clock.advance(LOOK_S + 1)
    await at.comes_to("act", "unknown")
    assert "Outcome unknown" in await at.host.words(at.host.calls("act", path="a"))
    assert "waits for approval" in await at.host.words(at.host.calls("act", path="a"))


async def test_a_grant_is_for_one_server_and_no_other_of_the_same_name(at: Gated) -> None:
    number = at.host.calls("act", PROGRESS, path="a")
    await at.approve(await at.approval(), remember="always")
    await at.host.result(number)
    assert await at.host.words(at.host.calls("act", path="b")) == 'run 2: {"path": "b"}'
    for other in (replace(SERVER, folder="/elsewhere"), replace(SERVER, command=(*COMMAND, "-v"))):
        async with at.another(other) as host:
            assert "waits for approval" in await host.words(host.calls("act", path="b"))


async def test_a_tool_that_has_changed_asks_though_it_only_reads(at: Gated) -> None:
    await at.host.result(at.host.calls("look"))
    at.host.say(id="c", method="change")
    await at.host.line(id="c")
    number = at.host.calls("look", PROGRESS)
    approval = await at.approval()
    assert "its description is another one" in approval.reason
    await at.approve(approval)
    await at.host.result(number)
    await at.host.result(at.host.calls("look"))


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call","params":{"name":"act"}}', -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call","params":{"name":"act"}}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"look","Name":"act"}}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":["act"]}}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"no_such"}}', -32602),
        (b'{"jsonrpc":"2.0","method":"tools/call","params":{"name":"act"}}', -32600),
        (b'[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"act"}}]', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"tools/call"', -32700),
    ],
)
async def test_a_message_that_two_readers_could_take_for_two_things_goes_no_further(
    at: Gated, line: bytes, code: int
) -> None:
    at.host.said.append(line)
    at.host.wake()
    with anyio.fail_after(5):
        while not at.host.heard:
            await at.host.news.wait()
    assert json.loads(at.host.heard.pop())["error"]["code"] == code
    assert "tools/call" not in json.dumps(await at.host.heard_by_server())


async def test_what_the_server_asks_of_its_host_goes_through(at: Gated) -> None:
    number = at.host.calls("look", do="ask")
    assert json.loads(await at.host.line(id="from-server"))["method"] == "sampling/createMessage"
    at.host.say(id="from-server", result={"text": "yes"})
    assert await at.host.words(number) == 'the host says {"text": "yes"}'


async def test_a_call_that_goes_on_after_a_question_to_the_host_is_the_same_call(at: Gated) -> None:
    number = at.host.calls("act", {**MODERN, **PROGRESS}, do="input")
    await at.approve(await at.approval())
    assert (await at.host.result(number))["resultType"] == "input_required"
    number = at.host.calls("act", MODERN, {"requestState": "s1", "inputResponses": {}}, do="input")
    assert (await at.host.words(number)).startswith("run 2")
    assert await at.outcomes() == [(f"{SERVER.id}__act", "ok")]


async def test_in_the_newer_era_a_call_that_waits_is_answered_in_its_form(at: Gated) -> None:
    assert (await at.host.result(at.host.calls("act", MODERN)))["resultType"] == "complete"


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["npx", "-y", "@modelcontextprotocol/server-filesystem@2026.1.1", "/notes"], "server-filesystem"),
        (["uvx", "mcp-server-git"], "mcp-server-git"),
        (["/usr/bin/python3", "-m", "my_server.main"], "my_server-main"),
        (["C:\\tools\\files.exe"], "files"),
        (["./server.py", "--x"], "server"),
        (["/"], "server"),
    ],
)
def test_a_server_is_called_after_what_is_started(command: list[str], name: str) -> None:
    assert name_for(command) == name
