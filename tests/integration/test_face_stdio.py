"""The stdio transport against peers that no library imitates: broken lines, big lines, early goodbyes, stray prints."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from tests.integration.face_clients import MODULE, ROOT, WAIT_S, RawChild, raw

CHAT = "local/main"


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def child(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RawChild]:
    """A child for tests that leave it alive, on either event loop. Starting one takes most of a second."""
    with raw(tmp_path_factory.mktemp("state"), loop=request.param) as child:
        yield child


@pytest.fixture(params=["asyncio", "uvloop"])
def lone(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RawChild]:
    """A child of one's own, for a test that ends it."""
    with raw(tmp_path, loop=request.param) as child:
        yield child


def text(child: RawChild, tool: str, /, **arguments: Any) -> str:
    result = child.call(tool, **arguments)
    assert not result["isError"], result
    return cast("str", result["content"][0]["text"])


def head(child: RawChild) -> int:
    """The newest event's cursor: it moves with every change."""
    return cast("int", json.loads(text(child, "get_status"))["event_cursor"])


@pytest.mark.parametrize(
    ("line", "code", "told"),
    [
        (b"this is no JSON", -32700, "at character 0"),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "pi', -32700, "at character"),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "\xff\xfe"}', -32700, "not UTF-8"),
        (b"[" * 100_000, -32700, "nested more than 200 levels"),
        (b'[{"jsonrpc": "2.0", "id": 7, "method": "ping"}]', -32600, "one JSON-RPC 2.0 message"),
        (b'{"id": 7, "method": "ping"}', -32600, "one JSON-RPC 2.0 message"),
        (b"{" + b" " * (17 * 1024 * 1024) + b"}", -32700, "16,777,216 bytes"),
    ],
    ids=["words", "cut", "bytes", "deep", "batch", "version", "huge"],
)
def test_a_broken_line_is_answered_and_the_next_one_read(child: RawChild, line: bytes, code: int, told: str) -> None:
    child.send(line)
    response = child.receive()
    assert response["error"]["code"] == code
    assert told in response["error"]["message"]
    assert response["id"] in (None, 7)
    assert child.ask("ping")["result"] == {}


def test_half_of_a_utf16_pair_is_refused_by_name_and_nothing_is_sent(child: RawChild) -> None:
    """Python's own client cannot send one; others do when they cut a text in the middle of an emoji."""
    before = head(child)
    half = rb'{"conversation": "local/main", "text": "cut \ud83d"}'
    for argument, named in ((half, "text"), (half.replace(b"text", b"conversation"), "conversation")):
        child.send(
            b'{"jsonrpc": "2.0", "id": "half", "method": "tools/call", "params": {"name": "send_message", "arguments": '
            + argument
            + b"}}"
        )
        result = child.receive()["result"]
        assert result["isError"]
        assert f"{named}: is not valid Unicode: half of a UTF-16 pair at character" in result["content"][0]["text"]
    nested = rb'{"tool": "files__delete", "arguments": {"name": "\udc00"}}'
    child.send(
        b'{"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": {"name": "call_tool", "arguments": '
        + nested
        + b"}}"
    )
    assert "arguments: is not valid Unicode" in child.receive()["result"]["content"][0]["text"]
    child.send(rb'{"jsonrpc": "2.0", "id": 6, "method": "tools/call", "params": {"name": "\ud800"}}')
    assert child.receive()["id"] == 6
    assert head(child) == before


def test_messages_of_several_megabytes_pass_both_ways(child: RawChild) -> None:
    big = "ä" * 90_000
    for index in range(40):
        text(child, "send_message", conversation="local/big", text=f"{index} {big}")
    found: list[str] = []
    before = ""
    while len(found) < 40:  # pages end where hosts would cut them
        page = json.loads(text(child, "read_messages", conversation="local/big", limit=200, before=before))
        found[:0] = [message["text"][:2].strip() for message in page["messages"]]
        before = page["before"]
    assert found == [str(index) for index in range(40)]
    refused = child.call("call_tool", tool="files__delete", arguments={"name": "x" * 8_000_000})
    assert refused["isError"]


def test_a_peer_that_reads_late_gets_everything(child: RawChild) -> None:
    """Answers far beyond what a pipe holds wait until somebody reads them."""
    text(child, "send_message", conversation="local/late", text="ä" * 90_000)
    asked = {"name": "read_messages", "arguments": {"conversation": "local/late"}}
    for index in range(60):
        request = {"jsonrpc": "2.0", "id": f"r{index}", "method": "tools/call", "params": asked}
        child.send(json.dumps(request).encode())
    answered = {child.receive()["id"] for _ in range(60)}
    assert answered == {f"r{index}" for index in range(60)}


@pytest.mark.shows("tools.stdio-clean")
def test_what_tools_print_never_reaches_the_protocol(child: RawChild) -> None:
    """The tool prints, and writes a forged response to descriptor 1."""
    assert json.loads(text(child, "call_tool", tool="noise__shout"))["text"] == "shouted"
    assert child.ask("ping")["result"] == {}


def test_the_end_of_input_ends_the_process_even_while_a_call_waits(lone: RawChild) -> None:
    waiting = {"name": "wait_for_events", "arguments": {"timeout_s": 50}}
    lone.send(json.dumps({"jsonrpc": "2.0", "id": "waits", "method": "tools/call", "params": waiting}).encode())
    lone.ask("ping")
    assert lone.close() == 0


def test_a_signal_ends_the_process_in_order(lone: RawChild) -> None:
    lone.process.send_signal(signal.SIGTERM)
    assert lone.process.wait(WAIT_S) == 0


def test_the_keyboard_ends_it_too(tmp_path: Path) -> None:
    with raw(tmp_path) as child:
        child.process.send_signal(signal.SIGINT)
        assert child.process.wait(WAIT_S) == 0


def test_a_cancelled_call_ends_its_wait_and_the_connection_lives(child: RawChild) -> None:
    waiting = {"name": "wait_for_events", "arguments": {"timeout_s": 50}}
    child.send(json.dumps({"jsonrpc": "2.0", "id": "waits", "method": "tools/call", "params": waiting}).encode())
    child.send(b'{"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "waits"}}')
    text(child, "send_message", conversation=CHAT, text="would have ended the wait")
    assert child.ask("ping")["id"] == child.next_id


def test_a_cancelled_run_turn_stops_its_turn_and_nothing_else_does(child: RawChild) -> None:
    there = CHAT.partition("/")[0] + "/cancelled"
    asking = {"name": "run_turn", "arguments": {"conversation": there, "text": "think", "wait_s": 50}}
    child.send(json.dumps({"jsonrpc": "2.0", "id": "turn", "method": "tools/call", "params": asking}).encode())
    while not (said := json.loads(text(child, "read_messages", conversation=there))["messages"]):
        pass
    ticket = f"turn:{said[0]['id']}"
    child.send(b'{"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "other"}}')
    assert json.loads(text(child, "wait_for", ticket=ticket, timeout_s=0))["state"] == "open"
    child.send(b'{"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "turn"}}')
    done = json.loads(text(child, "wait_for", ticket=ticket, timeout_s=WAIT_S))
    assert (done["state"], done["outcome"], done["text"]) == ("done", "cancelled", "its caller cancelled it")


@pytest.mark.shows("tools.progress")
def test_progress_is_told_only_to_who_asked_for_it(child: RawChild) -> None:
    events = {"name": "wait_for_events", "arguments": {"timeout_s": 1, "types": ["pairing.removed"]}}
    child.send(
        json.dumps(
            {
                "jsonrpc": "2.0",
                "id": "p",
                "method": "tools/call",
                "params": {**events, "_meta": {"progressToken": "mine"}},
            }
        ).encode()
    )
    told = child.receive()
    assert told["method"] == "notifications/progress"
    assert (told["params"]["progressToken"], told["params"]["total"]) == ("mine", 1)
    assert child.receive()["id"] == "p"
    child.send(json.dumps({"jsonrpc": "2.0", "id": "q", "method": "tools/call", "params": events}).encode())
    assert child.receive()["id"] == "q"


def script(*requests: tuple[str, dict[str, Any]]) -> bytes:
    """Requests as a script would pipe them in: the handshake, then these, with ids from 1."""
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "script", "version": "1"}}
    lines: list[dict[str, Any]] = [
        {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
    ]
    for index, (method, params) in enumerate(requests, 1):
        lines.append({"jsonrpc": "2.0", "id": index, "method": method, "params": params})
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


SCRIPT = script(
    ("tools/list", {}),
    ("tools/call", {"name": "send_message", "arguments": {"conversation": CHAT, "text": "from a script"}}),
)


def test_a_script_that_pipes_its_requests_in_gets_every_answer(tmp_path: Path) -> None:
    child = subprocess.Popen(child_command(tmp_path), stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
    out, _ = child.communicate(SCRIPT, WAIT_S)
    assert sorted(json.loads(line)["id"] for line in out.splitlines()) == [0, 1, 2]
    assert child.returncode == 0


def test_files_serve_as_input_and_output(tmp_path: Path) -> None:
    """Event loops cannot wait for files: the transport reads them in a thread."""
    (tmp_path / "in").write_bytes(SCRIPT)
    with (tmp_path / "in").open("rb") as given, (tmp_path / "out").open("wb") as taken:
        subprocess.run(child_command(tmp_path), stdin=given, stdout=taken, cwd=ROOT, timeout=WAIT_S, check=True)
    answers = [json.loads(line) for line in (tmp_path / "out").read_bytes().splitlines()]
    assert sorted(answer["id"] for answer in answers) == [0, 1, 2]


def test_one_socket_serves_both_ways(tmp_path: Path) -> None:
    """As inetd and socat start a program."""
    ours, theirs = socket.socketpair()
    with ours, ours.makefile("rb") as incoming:
        child = subprocess.Popen(child_command(tmp_path), stdin=theirs.fileno(), stdout=theirs.fileno(), cwd=ROOT)
        theirs.close()
        ours.sendall(SCRIPT)
        answers = [json.loads(incoming.readline()) for _ in range(3)]
        ours.shutdown(socket.SHUT_WR)
        assert child.wait(WAIT_S) == 0
    assert sorted(answer["id"] for answer in answers) == [0, 1, 2]


def test_the_process_ends_when_its_parent_is_gone(tmp_path: Path) -> None:
    """The input stays open here: somebody else holds it, as a crashed host's other children do."""
    reading, writing = os.pipe()
    parent = (
        "import subprocess, sys, os\n"
        "child = subprocess.Popen(sys.argv[1:], stdin=0, stdout=subprocess.PIPE)\n"
        "child.stdout.readline()\n"
        "os.write(1, str(child.pid).encode())\n"
        "os._exit(0)\n"
    )
    os.write(writing, script())
    told = subprocess.run(
        [sys.executable, "-c", parent, *child_command(tmp_path)], stdin=reading, stdout=subprocess.PIPE, cwd=ROOT
    )
    os.close(reading)
    try:
        assert gone(int(told.stdout))
    finally:
        os.close(writing)


def gone(pid: int) -> bool:
    """Whether a process that is no child of ours ends in time."""
    descriptor = os.pidfd_open(pid)
    try:
        return bool(select.select([descriptor], [], [], WAIT_S)[0])
    finally:
        os.close(descriptor)


def child_command(state: Path) -> list[str]:
    return [sys.executable, "-m", MODULE, "stdio", str(state)]
