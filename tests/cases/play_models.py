"""Plays a file of a model's odd answers: the installed bridge, a nested server and a scripted endpoint, end to end.

A file is a JSON object; every key is optional, and one that nobody knows is named in the transcript:

    script          what the endpoint answers in turn: {"text"}, {"deltas", "finish", "pace"}, {"message"},
                    {"raw_events"}, or an error {"status", "body"}
    strict          the rules by which it refuses requests (`model_rules.RULES`)
    turns           what people say, one turn each
    restart_before  indexes of turns before which the bridge ends and starts again
    model           further lines of `[models.default]`; `config`: of the whole file; `channel`: of `[channels.local]`
    confirmation    of the nested server: never, required
    wait_s          how long a turn is waited for, in seconds; without it until it is over or waits for people
    verdict         what is said to calls that wait: approve, reject; without it nothing
    tools           what the nested server `files` offers, as `tools/list` gives it
    good, bad       a tool, and schemas by name: each is offered beside the good one, to a server that is strict with it
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.cases.model_rules import notes
from tests.cases.model_server import ModelServer
from tests.cases.model_tools import FILE_TOOLS

__all__ = ["play"]

COMMAND = str(Path(sys.executable).with_name("bridge-mcp"))
KEYS = frozenset(
    {"script", "strict", "turns", "restart_before", "model", "config", "channel", "confirmation", "wait_s"}
    | {"verdict", "tools", "good", "bad"}
)
CONVERSATION = "local/main"
WAIT_S = 40.0
START_S = 60.0
READY_S = 15.0
TOLD_S = 2.0
"""How long the engine may take to put up how things are."""
MAX_LINE = 600
"""Characters of one value that a transcript shows."""


def play(path: Path) -> str:
    """The transcript of one file."""
    case: dict[str, Any] = json.loads(path.read_text("utf-8"))
    lines = [f"(unknown key: {name})" for name in case if name not in KEYS]
    if "bad" not in case:
        return "\n".join([*lines, *played(case)])
    good = case.get("good") or {"name": "good", "inputSchema": {"type": "object"}}
    for name, schema in case["bad"].items():
        bad = {"name": "bad", "description": name, "inputSchema": schema, "annotations": {"readOnlyHint": True}}
        for strict in ("schemas", "unnamed_schemas"):
            lines += ["", f"-- {name} ({strict})"]
            lines += played(
                {"turns": ["hi"], **case, "tools": [good, bad], "strict": [strict, *case.get("strict", [])]}
            )
    return "\n".join(lines)


def played(case: Mapping[str, Any]) -> Iterator[str]:
    """The lines of a transcript."""
    with (
        tempfile.TemporaryDirectory() as folder,
        ModelServer(case.get("script") or [], case.get("strict") or ()) as server,
    ):
        yield from (f"(unknown rule: {rule})" for rule in server.unknown)
        home = Path(folder)
        write_config(home, server.url, case)
        restarts: set[int] = set(case.get("restart_before") or ())
        turns = list(enumerate(case.get("turns") or ["hi"]))
        seen = 0
        while turns:
            with host(home) as bridge:
                wait_for_tools(bridge)
                first = True
                while turns and (first or turns[0][0] not in restarts):
                    first = False
                    yield from turn_lines(bridge, str(turns.pop(0)[1]), case)
                    for body, refusal in server.requests[seen:]:
                        yield from request_lines(body, refusal)
                    seen = len(server.requests)
                if turns:
                    yield "== the bridge ends and starts again"
                else:
                    yield from closing_lines(bridge)
        yield from complaint_lines(home)


def write_config(home: Path, url: str, case: Mapping[str, Any]) -> None:
    """The bridge's settings, with a folder of their own for its state."""
    (home / "tools.json").write_text(json.dumps(case.get("tools") or FILE_TOOLS), "utf-8")
    server = [str(Path(__file__).with_name("model_tools.py")), str(home / "tools.json")]
    confirmation = case.get("confirmation")
    lines = [
        "[models.default]",
        'model = "played"',
        f"base_url = {json.dumps(url)}",
        str(case.get("model") or ""),
        "[channels.local]",
        'type = "local"',
        str(case.get("channel") or ""),
        "[tool_servers.files]",
        f"command = {json.dumps(sys.executable)}",
        f"args = {json.dumps(server)}",
        f"confirmation = {json.dumps(confirmation)}" if confirmation else "",
        "[clients.stdio]",
        'scopes = ["read", "send", "approve", "tools"]',
        str(case.get("config") or ""),
    ]
    (home / "bridge.toml").write_text("\n".join(filter(None, lines)) + "\n", "utf-8")


class Host:
    """An MCP host of the installed command: JSON-RPC, a message a line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self._number = 0
        self._takes: dict[str, set[str]] = {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            message = json.loads(line)
            if "id" in message and "method" not in message:
                self._answers.put(message)

    def close(self) -> None:
        """Once the process has ended: read what is left of its words."""
        assert self._process.stdout is not None
        self._reader.join(10)
        self._process.stdout.close()

    def tell(self, message: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        self._process.stdin.flush()

    def ask(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """The result of a request, or its error."""
        self._number += 1
        self.tell({"id": self._number, "method": method, "params": params})
        while True:
            answer = self._answers.get(timeout=START_S)
            if answer.get("id") == self._number:
                result: dict[str, Any] | None = answer.get("result")
                failed: dict[str, Any] = {"error": answer.get("error")}
                return result or failed

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """What a tool answers; an error as {"error": its words}. Arguments that it does not take are left out."""
        if not self._takes:
            for each in self.ask("tools/list", {}).get("tools") or ():
                self._takes[each["name"]] = set(each["inputSchema"].get("properties") or {})
        arguments = {name: value for name, value in arguments.items() if name in self._takes.get(tool, ())}
        result = self.ask("tools/call", {"name": tool, "arguments": arguments})
        told: dict[str, Any] | None = result.get("structuredContent")
        if told is not None and not result.get("isError"):
            return told
        return {"error": result.get("content") or result.get("error")}


@contextmanager
def host(home: Path) -> Generator[Host]:
    """The bridge as a host starts it, engine included, for the time of a block."""
    environment = {name: os.environ[name] for name in ("PATH", "TMPDIR", "LANG") if name in os.environ}
    environment |= {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "xdg"),
        "BRIDGE_MCP_STATE_DIR": str(home / "state"),
    }
    with (home / "stderr.log").open("a", encoding="utf-8") as log:
        process = subprocess.Popen(
            [COMMAND, "--config", str(home / "bridge.toml")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=log, text=True, encoding="utf-8", cwd=home, env=environment,
        )  # fmt: skip
        made = Host(process)
        try:
            client = {"name": "player", "version": "1"}
            made.ask("initialize", {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client})
            made.tell({"method": "notifications/initialized"})
            yield made
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            made.close()


def wait_for_tools(bridge: Host) -> None:
    """Until the nested server has connected, or has had its time: what a turn is waited for counts from then on."""
    ends = time.monotonic() + READY_S
    while "files__" not in json.dumps(bridge.call("list_tools")) and time.monotonic() < ends:
        time.sleep(0.1)


def turn_lines(bridge: Host, text: str, case: Mapping[str, Any]) -> Iterator[str]:
    """One turn, and what came of it."""
    yield f"== they say: {text}"
    patience = float(case.get("wait_s") or WAIT_S)
    ends = time.monotonic() + patience
    ticket = bridge.call("run_turn", conversation=CONVERSATION, text=text, wait_s=min(patience, 3.0))
    decided: set[str] = set()
    while ticket.get("state") == "open" and time.monotonic() < ends:
        waiting = [str(each) for each in ticket.get("approvals") or () if each not in decided]
        if waiting and case.get("verdict") in ("approve", "reject"):
            for each in waiting:
                bridge.call(f"{case['verdict']}_call", approval_id=each)
            decided.update(waiting)
        elif waiting and "wait_s" not in case:
            break
        ticket = bridge.call("wait_for", ticket=ticket.get("ticket") or ticket.get("id"), timeout_s=2.0, wait_s=2.0)
    yield f"ticket: {shown({name: value for name, value in ticket.items() if value not in ('', [], None)})}"
    if ticket.get("state") == "open":
        for approval in bridge.call("list_approvals").get("approvals") or ():
            yield f"waits for a verdict: {shown(approval)}"


def request_lines(body: Mapping[str, Any], refusal: str) -> Iterator[str]:
    """A request as the provider saw it."""
    functions: list[dict[str, Any]] = [tool.get("function") or {} for tool in body.get("tools") or ()]
    tools = [str(function.get("name")) for function in functions]
    rest = {name: value for name, value in body.items() if name not in ("messages", "tools", "model", "stream_options")}
    yield f"request: {shown(rest)}, tools: {', '.join(tools) or 'none'}"
    for message in body.get("messages") or ():
        yield f"    {shown(message)}"
    if refusal:
        yield f"    REFUSED: {refusal}"
    yield from (f"    note: {note}" for note in notes(body))


def closing_lines(bridge: Host) -> Iterator[str]:
    """What stands in the chat, in the feed and in the status at the end."""
    yield "== the chat"
    for message in bridge.call("read_messages", conversation=CONVERSATION).get("messages") or ():
        yield f"    {shown(message)}"
    yield "== events"
    for event in (
        bridge.call("wait_for_events", cursor=0, after=0, timeout_s=0, wait_s=0, limit=200).get("events") or ()
    ):
        yield f"    {shown(event)}"
    yield "== status"
    time.sleep(TOLD_S)
    status = bridge.call("get_status")
    yield from (f"    warning: {warning}" for warning in status.get("warnings") or ())
    if "error" in status:
        yield f"    {shown(status)}"


def complaint_lines(home: Path) -> Iterator[str]:
    """What the bridge logged."""
    yield "== log"
    for line in (home / "stderr.log").read_text("utf-8", "replace").splitlines()[-40:]:
        yield f"    {line[:MAX_LINE]}"


def shown(value: Any) -> str:
    """A value as JSON on one line, not longer than a reader bears."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_LINE else f"{text[:MAX_LINE]}… ({len(text)} characters)"
