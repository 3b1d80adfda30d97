"""Every reference server of the MCP project, directly and through `bridge-mcp gate`: the host hears the same bytes.

What it hears are lines, and each line through the gate is the very line without it: lists, results, errors, progress,
logging, what the server asks of its host (sampling, elicitation, roots), completion, subscriptions, tasks, and a call
that is taken back. Only times of the day and ids that a server draws are made alike first. Not compared is a call of a
tool that is none: the gate says so itself, for nobody could judge what the server would do.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

import pytest

from bridge_mcp.toolservers.settings import ToolServer
from tests.acceptance.parts import COMMAND, Home
from tests.integration.test_nested_official import pages, run_git
from tests.servers import official
from tests.servers.wire import Heard, Line, Step, play

Era: TypeAlias = Literal["handshake", "2026-07-28"]
Requests: TypeAlias = "list[tuple[str, dict[str, Any]]]"

NOTHING_ASKS = """
[approvals.tools."gate:*"]
confirmation = "never"
"""
ME = {"name": "host", "version": "1"}
ABLE: dict[str, Any] = {"sampling": {}, "elicitation": {"form": {}, "url": {}}, "roots": {"listChanged": True}}
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": ME,
    "io.modelcontextprotocol/clientCapabilities": {},
}
ANSWERS: dict[str, Any] = {
    "sampling/createMessage": {"role": "assistant", "model": "none", "content": {"type": "text", "text": "sampled"}},
    "elicitation/create": {"action": "accept", "content": {"name": "Ann", "check": True}},
    "roots/list": {"roots": [{"uri": "file:///somewhere", "name": "some"}]},
}
DRAWN = (
    (rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?", b"TIME"),
    (rb"\d{1,2}:\d\d:\d\d( [AP]M)?", b"TIME"),
    (rb'"taskId":"[0-9a-f-]+"', b'"taskId":"TASK"'),
)
"""What differs between two runs of the same server."""


def opening(era: Era, able: Mapping[str, Any] = ABLE) -> list[Step]:
    """How a host begins that is able to do these things."""
    if era == "2026-07-28":
        return [{"id": 0, "method": "server/discover", "params": {"_meta": ENVELOPE}}]
    first = {"protocolVersion": "2025-11-25", "capabilities": able, "clientInfo": ME}
    return [{"id": 0, "method": "initialize", "params": first}, {"method": "notifications/initialized"}]


def asked(era: Era, *requests: tuple[str, dict[str, Any]]) -> list[Step]:
    """Requests, one after the other; `tools/call:NAME` is one of a tool with these arguments, and tells progress."""
    steps: list[Step] = []
    for number, (method, given) in enumerate(requests, start=1):
        method, _, tool = method.partition(":")
        params: Line = {"name": tool, "arguments": given} if tool else dict(given)
        meta: Line = {"progressToken": f"p{number}"} if tool else {}
        meta |= ENVELOPE if era == "2026-07-28" else {}
        steps.append({"id": number, "method": method, "params": {**params, **({"_meta": meta} if meta else {})}})
    return steps


def lists(era: Era) -> Requests:
    """What hosts ask for first, whether there is any or not; and what nobody knows."""
    found = ["tools/list", "prompts/list", "resources/list", "resources/templates/list", "no/such"]
    return [(method, {}) for method in (["ping", *found] if era == "handshake" else found)]


async def compared(
    home: Home, server: ToolServer, steps: Sequence[Step], *, undo: Callable[[], object] | None = None
) -> Heard:
    """What a host hears of a server, once it is known that it hears the same through a gate.

    The two run one after the other where `undo` says how what the first did is undone.
    """
    own = {**os.environ, **server.env}
    command = [server.command, *server.args]
    gate = [COMMAND, "gate", "--", *command]
    through = play(gate, {**own, **home.environment(), **server.env}, home.work, steps, ANSWERS)
    alone = play(command, own, home.work, steps, ANSWERS)
    if undo is None:
        direct, gated = await asyncio.gather(alone, through)
    else:
        direct = await alone
        undo()
        gated = await through
    assert alike(gated) == alike(direct)
    return direct


def alike(heard: Heard) -> Heard:
    """What was heard, with the same in the place of what a server draws."""
    found: Heard = {}
    for method, lines in heard.items():
        for line in lines:
            for pattern, same in DRAWN:
                line = re.sub(pattern, same, line)
            found.setdefault(method, []).append(line)
    return found


def said(heard: Heard, method: str = "") -> str:
    """All of one kind that was heard, as text."""
    return b"".join(heard.get(method, [])).decode()


@pytest.fixture
def quiet(home: Home) -> Home:
    home.write(NOTHING_ASKS)
    return home


ERAS: tuple[Era, ...] = ("handshake", "2026-07-28")
SAMPLE: Mapping[str, tuple[Era, ...]] = {
    "test_the_git_server": ("2026-07-28",),
    "test_the_fetch_server": ("handshake",),
}
"""Of servers that speak both eras by one library, one does so in every run, and these one each; `--full` has all."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Have a test run for the eras of its sample."""
    if "era" in metafunc.fixturenames:
        full = metafunc.config.getoption("--full")
        metafunc.parametrize("era", ERAS if full else SAMPLE.get(metafunc.function.__name__, ERAS))


@pytest.mark.shows("approvals.gate-transparent")
async def test_the_time_server(quiet: Home, era: Era) -> None:
    noon = {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}
    calls: Requests = [
        ("tools/call:convert_time", noon),
        ("tools/call:convert_time", {**noon, "source_timezone": "Mars"}),
        ("tools/call:convert_time", {"time": "12:00"}),
        ("tools/call:get_current_time", {"timezone": "UTC"}),
    ]
    heard = await compared(quiet, official.time(), opening(era) + asked(era, *lists(era), *calls))
    assert "+09:00" in said(heard)
    assert "Mars" in said(heard)


async def test_the_git_server(quiet: Home, tmp_path: Path, era: Era) -> None:
    repository = tmp_path / "repository"
    repository.mkdir()
    server, where = official.git(repository), str(repository)
    run_git(repository, "config", "user.email", "ann@example.org")
    run_git(repository, "config", "user.name", "Ann")
    (repository / "a.txt").write_text("one\n")

    def undo() -> None:
        run_git(repository, "rm", "--cached", "-q", "a.txt")

    calls: Requests = [
        ("tools/call:git_status", {"repo_path": where}),
        ("tools/call:git_add", {"repo_path": where, "files": ["a.txt"]}),
        ("tools/call:git_diff_staged", {"repo_path": where}),
        ("tools/call:git_log", {"repo_path": where}),
        ("tools/call:git_diff_unstaged", {"repo_path": "/nowhere"}),
    ]
    heard = await compared(quiet, server, opening(era) + asked(era, *lists(era), *calls), undo=undo)
    assert "+one" in said(heard)


async def test_the_fetch_server(quiet: Home, era: Era) -> None:
    with pages() as site:
        calls: Requests = [
            ("tools/call:fetch", {"url": f"{site}/tides"}),
            ("tools/call:fetch", {"url": f"{site}/private/diary"}),
            ("prompts/get", {"name": "fetch", "arguments": {"url": f"{site}/tides"}}),
            ("prompts/get", {"name": "fetch"}),
        ]
        heard = await compared(quiet, official.fetch(), opening(era) + asked(era, *lists(era), *calls))
    assert "High at four." in said(heard)


async def test_the_filesystem_server(quiet: Home, tmp_path: Path) -> None:
    root = tmp_path / "notes"
    root.mkdir()
    (root / "a.txt").write_text("A note.")
    path = str(root / "b.txt")
    calls: Requests = [
        ("tools/call:list_allowed_directories", {}),
        ("tools/call:read_text_file", {"path": str(root / "a.txt")}),
        ("tools/call:write_file", {"path": path, "content": "héllo\n"}),
        ("tools/call:edit_file", {"path": path, "edits": [{"oldText": "héllo", "newText": "bye"}], "dryRun": True}),
        ("tools/call:move_file", {"source": path, "destination": str(root / "c.txt")}),
        ("tools/call:list_directory", {"path": str(root)}),
        ("tools/call:read_text_file", {"path": "/etc/passwd"}),
        ("tools/call:read_text_file", {}),
    ]
    # A host with roots would be asked for them, and they would take the place of its folder.
    steps = opening("handshake", {}) + asked("handshake", *lists("handshake"), *calls)
    heard = await compared(quiet, official.filesystem(root), steps, undo=(root / "c.txt").unlink)
    assert "A note." in said(heard)
    assert "c.txt" in said(heard)


async def test_the_memory_server(quiet: Home, tmp_path: Path) -> None:
    kept = tmp_path / "graph.jsonl"
    ann = {"name": "Ann", "entityType": "person", "observations": ["sails"]}
    calls: Requests = [
        ("tools/call:create_entities", {"entities": [ann, {**ann, "name": "Bob"}]}),
        ("tools/call:create_relations", {"relations": [{"from": "Ann", "to": "Bob", "relationType": "knows"}]}),
        ("tools/call:search_nodes", {"query": "sails"}),
        ("tools/call:delete_entities", {"entityNames": ["Bob"]}),
        ("tools/call:read_graph", {}),
        ("tools/call:open_nodes", {"names": 7}),
        ("resources/subscribe", {"uri": "memory://graph"}),
    ]
    steps = opening("handshake") + asked("handshake", *lists("handshake"), *calls)
    heard = await compared(quiet, official.memory(kept), steps, undo=kept.unlink)
    assert '"relationType":"knows"' in said(heard)


async def test_the_sequential_thinking_server(quiet: Home) -> None:
    thought = {"thought": "The tide is out.", "nextThoughtNeeded": True, "thoughtNumber": 1, "totalThoughts": 2}
    calls: Requests = [
        ("tools/call:sequentialthinking", thought),
        ("tools/call:sequentialthinking", {**thought, "thoughtNumber": 2, "branchId": "b", "branchFromThought": 1}),
        ("tools/call:sequentialthinking", {"thought": 1}),
    ]
    steps = opening("handshake") + asked("handshake", *lists("handshake"), *calls)
    heard = await compared(quiet, official.sequential_thinking(), steps)
    assert "branches" in said(heard)


async def test_server_everything(quiet: Home) -> None:
    data = {"name": "a.gz", "data": "data:text/plain,hello", "outputType": "resourceLink"}
    prompt = {"type": "ref/prompt", "name": "completable-prompt"}
    calls: Requests = [
        ("logging/setLevel", {"level": "debug"}),
        ("tools/call:echo", {"message": "héllo\u2028"}),
        ("tools/call:get-sum", {"a": 2, "b": 3}),
        ("tools/call:get-sum", {"a": "x"}),
        ("tools/call:get-tiny-image", {}),
        ("tools/call:get-structured-content", {"location": "Chicago"}),
        ("tools/call:get-annotated-message", {"messageType": "error", "includeImage": True}),
        ("tools/call:get-resource-links", {"count": 3}),
        ("tools/call:get-resource-reference", {"resourceType": "Text", "resourceId": 2}),
        ("tools/call:gzip-file-as-resource", data),
        ("tools/call:trigger-long-running-operation", {"duration": 0.4, "steps": 4}),
        ("tools/call:trigger-sampling-request", {"prompt": "Say it", "maxTokens": 10}),
        ("tools/call:trigger-elicitation-request", {}),
        ("tools/call:get-roots-list", {}),
        ("resources/read", {"uri": "demo://resource/dynamic/text/1"}),
        ("resources/read", {"uri": "demo://resource/session/a.gz"}),
        ("resources/read", {"uri": "demo://no/such"}),
        ("prompts/get", {"name": "args-prompt", "arguments": {"city": "Kiel"}}),
        ("prompts/get", {"name": "no-such"}),
        ("completion/complete", {"ref": prompt, "argument": {"name": "department", "value": "E"}}),
        ("completion/complete", {"ref": {**prompt, "name": "none"}, "argument": {"name": "x", "value": ""}}),
        ("resources/subscribe", {"uri": "demo://resource/dynamic/text/1"}),
        ("tools/call:toggle-subscriber-updates", {}),
        ("tools/call:toggle-subscriber-updates", {}),
        ("resources/unsubscribe", {"uri": "demo://resource/dynamic/text/1"}),
    ]
    steps = opening("handshake") + asked("handshake", *lists("handshake"), *calls)
    heard = await compared(quiet, official.everything(), [*steps, *a_task(), *taken_back()])
    assert "héllo" in said(heard)
    assert "sampled" in said(heard)
    assert "Ann" in said(heard)
    assert {"sampling/createMessage", "elicitation/create", "roots/list"} <= heard.keys()
    assert len(heard["notifications/progress"]) >= 5
    assert "notifications/resources/updated" in heard
    assert "notifications/message" in heard
    assert '"status":"completed"' in said(heard)
    assert not [line for line in heard[""] if b'"id":400,' in line]


def a_task() -> list[Step]:
    """A call as a task, from the beginning to its result."""

    def task(heard: list[Line]) -> str:
        return next(str(each["result"]["task"]["taskId"]) for each in heard if "task" in each.get("result", {}))

    def about(number: int, method: str) -> Step:
        return lambda heard: {"id": number, "method": method, "params": {"taskId": task(heard)}}

    begun: Line = {"name": "simulate-research-query", "arguments": {"topic": "tides"}, "task": {"ttl": 60_000}}
    return [
        {"id": 300, "method": "tools/call", "params": begun},
        about(301, "tasks/result"),
        about(302, "tasks/get"),
    ]


def taken_back() -> list[Step]:
    """A call that its host takes back once it is under way, and what comes after."""
    slow = {"name": "trigger-long-running-operation", "arguments": {"duration": 20, "steps": 100}}
    return [
        {
            "taken back": True,
            "id": 400,
            "method": "tools/call",
            "params": {**slow, "_meta": {"progressToken": "slow"}},
        },
        {"id": 401, "method": "ping"},
    ]
