"""The servers of the MCP project itself when they are killed or start slowly: no other suffers, and nothing is left."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import pytest
from msgspec.structs import replace

from bridge_mcp.assembly import WallClock
from bridge_mcp.core.errors import ToolFailed, ToolUncertain
from bridge_mcp.toolservers.orphan_reaper import group_alive
from bridge_mcp.toolservers.settings import ToolServer
from bridge_mcp.toolservers.toolbox import NestedToolbox
from tests.servers import official
from tests.servers.launch import PATIENCE_S, Opened, descendants, module, opened

pytestmark = pytest.mark.usefixtures("only_own_children")

Arguments: TypeAlias = "dict[str, Any]"


@dataclass(frozen=True)
class Subject:
    """A server in a folder, a call of it that only reads, and one that changes something, where it has such a one."""

    server: Callable[[Path], ToolServer]
    reads: tuple[str, Arguments]
    changes: tuple[str, Arguments] | None = None


SUBJECTS = {
    "everything": Subject(
        lambda folder: official.everything(), ("echo", {"message": "hi"}), ("toggle-simulated-logging", {})
    ),
    "filesystem": Subject(
        official.filesystem,
        ("list_directory", {"path": "{folder}"}),
        ("write_file", {"path": "{folder}/a", "content": "a"}),
    ),
    "memory": Subject(
        lambda folder: official.memory(folder / "graph.jsonl"),
        ("read_graph", {}),
        ("create_entities", {"entities": [{"name": "Ann", "entityType": "person", "observations": []}]}),
    ),
    "git": Subject(
        official.git, ("git_status", {"repo_path": "{folder}"}), ("git_add", {"repo_path": "{folder}", "files": ["."]})
    ),
    "fetch": Subject(lambda folder: official.fetch(), ("fetch", {"url": "http://127.0.0.1:9/"})),
    "time": Subject(lambda folder: official.time(), ("get_current_time", {"timezone": "UTC"})),
}

SAMPLE = {
    "test_killed_between_calls_and_in_the_middle_of_one": ("everything", "git", "time"),
    "test_a_slow_start_holds_nobody_up_and_a_call_waits_for_it": ("filesystem", "time"),
}
"""Of each test some servers, on Node and on Python, with a call that changes something and without; all by `--full`."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Have a test run for its sample of the servers, or with `--full` for all of them."""
    if "subject" in metafunc.fixturenames:
        names = tuple(SUBJECTS) if metafunc.config.getoption("--full") else SAMPLE[metafunc.function.__name__]
        metafunc.parametrize("subject", [SUBJECTS[name] for name in names], ids=names)


def groups() -> set[int]:
    """The process groups that nested servers of this process lead. The warden is one more."""
    return {pid for pid in descendants(os.getpid()) if os.getpgid(pid) == pid}


async def call(at: Opened, made: tuple[str, Arguments], folder: Path) -> str:
    tool, arguments = made
    filled = {
        name: value.format(folder=folder) if isinstance(value, str) else value for name, value in arguments.items()
    }
    return await at.text(tool, **filled)


async def killed_in_mid_call(at: Opened, made: tuple[str, Arguments], folder: Path, group: int) -> Exception | None:
    """What becomes of a call whose server has got it and is then killed; it is held still until then."""
    raised: list[Exception | None] = []

    async def tell() -> None:
        try:
            await call(at, made, folder)
            raised.append(None)
        except ToolFailed as exc:
            raised.append(exc)

    os.killpg(group, signal.SIGSTOP)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tell)
        await anyio.wait_all_tasks_blocked()
        os.killpg(group, signal.SIGKILL)
    return raised[0]


async def test_killed_between_calls_and_in_the_middle_of_one(subject: Subject, tmp_path: Path) -> None:
    before = groups()
    server = subject.server(tmp_path)
    async with opened(server, module("wild", "chatter"), pause_s=0.05) as at:
        seen = set(groups() - before)

        def group() -> int:
            """The one that leads the server's group now."""
            seen.update(groups() - before)
            (found,) = [pid for pid in seen if group_alive(pid) and runs(pid, server)]
            return found

        await call(at, subject.reads, tmp_path)
        os.killpg(group(), signal.SIGKILL)
        await at.until(lambda: at.box.status()[0].restarts == 1 and at.state(server.name) == "ready")
        await call(at, subject.reads, tmp_path)

        reading = await killed_in_mid_call(at, subject.reads, tmp_path, group())
        assert isinstance(reading, ToolFailed)
        assert not isinstance(reading, ToolUncertain)
        assert "it only reads, so nothing was changed" in str(reading)
        await call(at, subject.reads, tmp_path)

        if subject.changes is not None:
            changing = await killed_in_mid_call(at, subject.changes, tmp_path, group())
            assert isinstance(changing, ToolUncertain)
            assert "it may have taken effect" in str(changing)
            await call(at, subject.changes, tmp_path)
        assert await at.text("stay") == "stayed"
        assert at.box.status()[1].restarts == 0
        seen |= groups() - before
    assert not {pid for pid in seen if group_alive(pid)}


def runs(pid: int, server: ToolServer) -> bool:
    """Whether this process was started as that server."""
    words = subprocess.run(
        ["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout
    return " ".join((server.command, *server.args)) in words


async def test_a_slow_start_holds_nobody_up_and_a_call_waits_for_it(subject: Subject, tmp_path: Path) -> None:
    server = subject.server(tmp_path)
    async with opened(server) as at:
        spec = at.spec(subject.reads[0])
    gate = tmp_path.parent / f"{tmp_path.name}.gate"
    os.mkfifo(gate)
    # The shell waits until the test has opened the other end, and becomes the server then.
    slow = replace(
        server, command="/bin/sh", args=("-c", 'read _ <"$0"; exec "$@"', str(gate), server.command, *server.args)
    )
    async with NestedToolbox([slow, module("wild", "chatter")], clock=WallClock()) as box:
        await box.ready(frozenset({"wild"}), PATIENCE_S)
        assert [status.state for status in box.status()] == ["connecting", "ready"]
        filled = {
            name: value.format(folder=tmp_path) if isinstance(value, str) else value
            for name, value in subject.reads[1].items()
        }
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(box.call, spec, filled)
            await anyio.wait_all_tasks_blocked()
            assert [status.state for status in box.status()] == ["connecting", "ready"]
            await anyio.to_thread.run_sync(gate.write_text, "go\n")
        assert [status.state for status in box.status()] == ["ready", "ready"]


async def test_a_long_call_that_tells_how_far_it_is_breaks_off_when_its_server_dies() -> None:
    before = groups()
    async with opened(official.everything(), pause_s=0.05) as at:
        (server,) = [pid for pid in groups() - before if runs(pid, official.everything())]
        heard: list[float] = []

        def hear(done: float, total: float | None, words: str) -> None:
            heard.append(done)
            os.killpg(server, signal.SIGKILL)

        with pytest.raises(ToolFailed, match=r"broke off while 'trigger-long-running-operation' was running; it only"):
            await at.box.call(
                at.spec("trigger-long-running-operation"), {"duration": 600, "steps": 6000}, progress=hear
            )
        assert heard == [1]
        assert await at.text("echo", message="again") == "Echo: again"
