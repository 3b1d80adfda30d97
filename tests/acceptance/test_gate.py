"""`bridge-mcp gate` as its host starts it, and the terminal in which its owner decides."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import IO, Any, cast

from tests.acceptance.parts import COMMAND, WAIT_S, Home
from tests.servers import behind_gate

GATE = (COMMAND, "gate", "--name", "files", "--", sys.executable, "-I", behind_gate.__file__)


class Host:
    """The other end of a gate's pipes."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.number = 0

    def call(self, tool: str, **arguments: Any) -> int:
        """Call a tool, and want to hear of its progress."""
        self.number += 1
        params = {"name": tool, "arguments": arguments, "_meta": {"progressToken": "p"}}
        line = json.dumps({"jsonrpc": "2.0", "id": self.number, "method": "tools/call", "params": params})
        cast("IO[bytes]", self.process.stdin).write(f"{line}\n".encode())
        cast("IO[bytes]", self.process.stdin).flush()
        return self.number

    def hear(self) -> dict[str, Any]:
        """The next message."""
        return json.loads(cast("IO[bytes]", self.process.stdout).readline())


@contextmanager
def gate(home: Home) -> Generator[Host]:
    """A gate before a server, with a host at it; it has left when the host has."""
    with subprocess.Popen(
        GATE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=home.work, env=home.environment()
    ) as process:
        try:
            yield Host(process)
            cast("IO[bytes]", process.stdin).close()
            assert process.wait(WAIT_S) in (0, -signal.SIGKILL)
        finally:
            process.kill()


def test_a_call_through_the_gate_is_decided_in_the_terminal(home: Home) -> None:
    with gate(home) as host:
        number = host.call("act", path="a")
        approval = host.hear()["params"]["message"].rpartition(" ")[2]
        told(home, "approval.requested")
        assert "act" in home.run("chat", stdin=f"/approve {approval}\n")
        while (answer := host.hear()).get("id") != number:
            pass
        assert answer["result"]["content"] == [{"type": "text", "text": 'run 1: {"path": "a"}'}]


def test_a_call_whose_gate_is_killed_is_unknown(home: Home) -> None:
    with gate(home) as host:
        host.call("slow", do="wait")
        assert host.hear()["method"] == "notifications/progress"
        told(home, "tool.started")
        host.process.kill()
    with gate(home) as host:
        number = host.call("look")
        while host.hear().get("id") != number:
            pass
        assert {event["body"]["outcome"] for event in told(home, "tool.finished", 2)} == {"ok", "unknown"}


def test_a_command_that_cannot_be_started_is_told_in_a_line(home: Home) -> None:
    said = home.run("gate", "--", "/no/such/server", code=1)
    assert said.splitlines()[-1] == (
        "error: The server behind the gate cannot be started: No such file or directory. Check its command."
    )


def test_a_server_that_ends_by_itself_gives_the_gate_its_exit_code(home: Home) -> None:
    with subprocess.Popen(
        GATE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=home.work, env=home.environment()
    ) as process:
        Host(process).call("look", do="die")
        assert process.wait(WAIT_S) == 3


def told(home: Home, kind: str, count: int = 1) -> list[dict[str, Any]]:
    """The events of a type, once there are so many."""
    deadline, events = time.monotonic() + WAIT_S, list[dict[str, Any]]()
    while len(events) < count:
        assert time.monotonic() < deadline, f"{kind}: {events}"
        events = [json.loads(line) for line in home.run("events", "--type", kind, "--json").splitlines()]
    return events
