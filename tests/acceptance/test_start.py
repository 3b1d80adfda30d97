"""How the plain command starts: nothing heavy before the host has its tools, and nothing but MCP on standard output."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.parts import COMMAND, Home

pytestmark = pytest.mark.usefixtures("new_interpreters")

HEAVY = {"litellm", "fastmcp", "telegram", "openai", "cyclopts", "rich", "jsonschema_rs"}


class Pipe:
    """A host that speaks bare JSON-RPC, so that the test sees every byte."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._ids = 0

    def ask(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """Send a request, and read lines until its answer; each must be JSON-RPC."""
        self._ids += 1
        self.tell({"jsonrpc": "2.0", "id": self._ids, "method": method, "params": dict(params or {})})
        assert self.process.stdout is not None
        while line := self.process.stdout.readline():
            message = json.loads(line)
            assert message["jsonrpc"] == "2.0"
            if message.get("id") == self._ids:
                return message["result"]
        raise AssertionError("the bridge is gone")

    def tell(self, message: Mapping[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def shake_hands(self) -> None:
        self.ask(
            "initialize",
            {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
        )
        self.tell({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def until_engine(self) -> None:
        """Wait until this process is the engine."""
        for _ in range(600):
            status = self.ask("tools/call", {"name": "get_status", "arguments": {}})["structuredContent"]
            if status["role"] == "engine":
                return
            self.ask("tools/call", {"name": "wait_for_events", "arguments": {"timeout_s": 0.05}})
        raise AssertionError("it never became the engine")


@contextmanager
def started(home: Home, *command: str, **env: str) -> Generator[Pipe]:
    """The command on a pipe; what it says on standard error goes to `stderr.log`."""
    with (
        (home.root / "stderr.log").open("wb") as log,
        subprocess.Popen(
            command or (COMMAND,), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
            cwd=home.work, env=home.environment(**env),
        ) as process,
    ):  # fmt: skip
        try:
            yield Pipe(process)
        finally:
            process.kill()


def imported(log: Path) -> set[str]:
    """The top-level packages that `-X importtime` told of."""
    lines = log.read_text("utf-8", "replace").splitlines()
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines if line.startswith("import time:")}


@pytest.mark.shows("models.not-loaded")
def test_the_host_has_its_tools_before_anything_heavy_is_imported(home: Home) -> None:
    home.scripted('[models.real]\nmodel = "openai/gpt-5-mini"\n')
    command = (sys.executable, "-X", "importtime", "-m", "bridge_mcp")
    with started(home, *command, PYTHONDONTWRITEBYTECODE="", OPENAI_API_KEY="sk-planted-for-nobody") as pipe:
        pipe.shake_hands()
        assert pipe.ask("tools/list")["tools"]
        # Read at once: the engine's imports begin some milliseconds after the answer.
        early = imported(home.root / "stderr.log")
        assert "mcp" in early, "the test sees imports at all"
        assert early & HEAVY == set()
        pipe.until_engine()
        pipe.ask("tools/call", {"name": "run_turn", "arguments": {"conversation": "desk/main", "text": "hi"}})
        late = imported(home.root / "stderr.log")
        assert "jsonschema_rs" in late, "the test would see them"
        assert "fastmcp" not in late, "it is for logins to servers alone"
    assert "sk-planted" not in (home.root / "stderr.log").read_text("utf-8", "replace")


def test_a_host_that_never_asks_for_tools_gets_an_engine_too(home: Home) -> None:
    home.write('[channels.desk]\ntype = "local"\n')
    with started(home) as pipe:
        pipe.shake_hands()
        seen = [home.json("status")["engine_pid"] for _ in range(5)]
        assert seen[-1] == pipe.process.pid


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_in_order(home: Home, number: signal.Signals) -> None:
    home.scripted()
    with started(home) as pipe:
        pipe.shake_hands()
        pipe.until_engine()
        pipe.process.send_signal(number)
        assert pipe.process.wait(15) == 0
    assert json.loads(home.run("status", "--json"))["engine_pid"] is None, "it said goodbye"


def test_the_end_of_input_ends_it_in_order(home: Home) -> None:
    home.scripted()
    with started(home) as pipe:
        pipe.shake_hands()
        pipe.until_engine()
        assert pipe.process.stdin is not None
        pipe.process.stdin.close()
        assert pipe.process.wait(15) == 0
    assert home.json("status")["engine_pid"] is None
    assert home.json("status")["servers"][0]["name"] == "files"


@pytest.mark.shows("tools.stdio-scopes")
def test_scopes_of_the_command_line_and_of_the_settings(home: Home) -> None:
    home.write('[channels.desk]\ntype = "local"\n[clients.stdio]\nscopes = ["read"]\n')
    with started(home) as pipe:
        pipe.shake_hands()
        names = {tool["name"] for tool in pipe.ask("tools/list")["tools"]}
        assert "list_channels" in names
        assert "send_message" not in names
    with started(home, COMMAND, "--scopes", "read, send,admin", "--log-level=error") as pipe:
        pipe.shake_hands()
        names = {tool["name"] for tool in pipe.ask("tools/list")["tools"]}
        assert {"send_message", "pair_chat"} <= names
        assert not {"approve_call", "call_tool"} & names
    assert (home.root / "stderr.log").read_text() == "", "at this level, all is quiet"


def test_no_settings_at_all_still_serve(home: Home) -> None:
    with started(home) as pipe:
        pipe.shake_hands()
        channels = pipe.ask("tools/call", {"name": "list_channels", "arguments": {}})["structuredContent"]["channels"]
        assert [(c["name"], c["type"], c["responder"]) for c in channels] == [("local", "local", "relay")]


@pytest.mark.shows("tools.stdio-clean")
def test_what_children_and_libraries_print_never_reaches_standard_output(home: Home) -> None:
    shouting = "import os; os.write(1, b'noise from a child\\n'); print('more noise', flush=True)"
    home.scripted()
    site = home.root / "site"
    site.mkdir()
    # Runs in the bridge itself, when its engine loads the nested side.
    (site / "sitecustomize.py").write_text(
        "import importlib.abc, sys\n"
        "class Loud(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        f"        if name == 'bridge_mcp.toolservers.mcp_connection': exec({shouting!r})\n"
        "sys.meta_path.insert(0, Loud())\n",
        "utf-8",
    )
    with started(home, PYTHONPATH=str(site)) as pipe:
        pipe.shake_hands()
        pipe.until_engine()
        turn = {"conversation": "desk/main", "text": "delete nothing.txt", "wait_s": 0}
        pipe.ask("tools/call", {"name": "run_turn", "arguments": turn})
        waiting = {"after": 0, "types": ["approval.requested"], "timeout_s": 20}
        page = pipe.ask("tools/call", {"name": "wait_for_events", "arguments": waiting})
        assert page["structuredContent"]["events"]
    assert "noise from a child" in (home.root / "stderr.log").read_text()
