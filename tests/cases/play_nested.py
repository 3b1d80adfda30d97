"""Plays what nested servers send, and what hosts send for them, through the installed command.

By the shape of the file: a Python file is a stdio server; a JSON object holds results of calls, by name; a JSON list
holds calls of the bridge's own tools (`[tool, arguments]`), or definitions that a server has `first` and `then`.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

from tests.cases.piped_bridge import PipedBridge
from tests.cases.transcripts import short

__all__ = ["play"]

ROOT = Path(__file__).resolve().parents[2]
CHANNEL = '[channels.local]\ntype = "local"\nresponder = "relay"\n'
READY_S = 30.0
READS = {"readOnlyHint": True}


def play(path: Path) -> str:
    """Run one file; a transcript.

    Raises:
        ValueError: the file has none of these shapes.
    """
    if path.suffix == ".py":
        return "\n".join(line for options in argument_lists(path) for line in play_server(path, options))
    given: object = json.loads(path.read_text("utf-8-sig"))
    if isinstance(given, dict):
        return "\n".join(play_results(path))
    if isinstance(given, list):
        items = cast("list[Any]", given)
        if all(isinstance(each, dict) and "first" in each for each in items):
            return "\n".join(play_definitions(items))
        if all(isinstance(each, list) for each in items):
            return "\n".join(play_calls(items))
    raise ValueError(f"{path.name}: neither results, nor definitions, nor calls")


def section(name: str, command: Sequence[str], **settings: Any) -> str:
    """A stdio server as a part of a config."""
    lines = [f"[tool_servers.{name}]", f"command = {json.dumps(command[0])}", f"args = {json.dumps(list(command[1:]))}"]
    lines += [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    return "\n".join(lines) + "\n"


def own(name: str, module: str, *args: object, **settings: Any) -> str:
    """A server of these tests as a part of a config."""
    command = [sys.executable, "-m", f"tests.servers.{module}", *map(str, args)]
    return section(name, command, cwd=str(ROOT), confirmation="never", **settings)


@contextmanager
def bridge(folder: Path, config: str) -> Generator[PipedBridge]:
    """The installed command with this config, once its servers have been tried."""
    folder.mkdir(exist_ok=True)
    made = PipedBridge(folder, config, {})
    made.start()
    try:
        ends = time.monotonic() + READY_S
        while time.monotonic() < ends:
            servers = cast("list[dict[str, Any]]", made.call("get_status").get("servers") or [])
            if servers and all(each["state"] in ("ready", "degraded") for each in servers):
                break
            time.sleep(0.1)
        yield made
    finally:
        made.stop()


def shown(answer: dict[str, Any]) -> str:
    """A ticket, or another answer, in one line."""
    if "outcome" in answer:
        told = {name: answer[name] for name in ("outcome", "text", "structured", "attachments", "truncated")}
        return short({name: value for name, value in told.items() if value not in ("", None, [])})
    return short(answer)


def alike(told: str, server: str) -> str:
    """An answer without what differs from server to server: its name, and the ids of calls."""
    return re.sub(r"calls/[\w.]+", "calls/…", told.replace(f"'{server}'", "'…'"))


# -- results of calls ----------------------------------------------------------------------------------------


def play_results(path: Path) -> Generator[str]:
    """Each result over pipes, over HTTP as JSON and as a stream, and over the older SSE."""
    names = list(json.loads(path.read_text("utf-8-sig")))
    ways = {"json": (), "stream": ("--stream",), "sse": ("--sse",)}
    processes: list[subprocess.Popen[str]] = []
    config = CHANNEL + own("stdio", "replies", path.resolve())
    try:
        for way, options in ways.items():
            command = [sys.executable, "-m", "tests.servers.replies", str(path.resolve()), *options, "--http", "0"]
            process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
            processes.append(process)
            assert process.stdout is not None
            place = "sse" if way == "sse" else "mcp"
            url = f"http://127.0.0.1:{process.stdout.readline().strip()}/{place}"
            config += f'[tool_servers.{way}]\nurl = "{url}"\nconfirmation = "never"\n'
        with tempfile.TemporaryDirectory() as folder, bridge(Path(folder) / "run", config) as made:
            for name in names:
                answers = {
                    way: alike(shown(made.call("call_tool", tool=f"{way}__{name}")), way) for way in ("stdio", *ways)
                }
                yield f"{name}: {answers['stdio']}"
                yield from [f"  {way} differs: {told}" for way, told in answers.items() if told != answers["stdio"]]
            yield from told_servers(made)
    finally:
        for process in processes:
            process.kill()
            process.wait()


def told_servers(made: PipedBridge) -> list[str]:
    """How the servers are."""
    return [
        f"server {each['name']}: {each['state']}, {each['tools']} tools, {each['restarts']} restarts {each['error']}"
        for each in made.call("get_status")["servers"]
    ]


# -- servers -------------------------------------------------------------------------------------------------


def argument_lists(path: Path) -> list[list[str]]:
    """The command lines to try a server with, as its docstring tells them behind `argv:`."""
    doc = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    found = re.search(r"argv:\s*([^.\n]*)", doc)
    if not found:
        return [[]]
    lists: list[list[str]] = [[]]
    for wanted in re.sub(r"\([^)]*\)", "", found[1]).split(","):
        options = [option.strip() for option in wanted.split("|")]
        if "file" in options[0]:
            options = ["$FILE"]
        elif "second" in options[0]:
            options = ["4"]
        lists = [[*before, option] for before in lists for option in options]
    return lists


def play_server(path: Path, options: Sequence[str]) -> Generator[str]:
    """One server: how it is, what it offers, and what each tool that only reads answers."""
    with tempfile.TemporaryDirectory() as folder:
        given = [str(Path(folder) / "state") if option == "$FILE" else option for option in options]
        command = [sys.executable, str(path.resolve()), *given]
        every = ["*"]
        config = CHANNEL + section(
            "odd", command, connect_timeout_s=2, timeout_s=10, allowed_resources=every, allowed_prompts=every
        )
        yield f"-- {' '.join(options) or 'no arguments'}"
        with bridge(Path(folder) / "run", config) as made:
            yield from told_servers(made)
            if made.call("get_status")["servers"][0]["state"] != "ready":
                wait_until(lambda: made.call("get_status")["servers"][0]["state"] == "ready", 10.0)
                yield from told_servers(made)
            for tool in made.call("list_tools", query="odd")["tools"]:
                if tool["server"] != "odd":
                    continue
                yield f"{tool['name']}: {shown(made.call('call_tool', tool=tool['name'], wait_s=10))}"
            yield from told_servers(made)


# -- definitions and calls -----------------------------------------------------------------------------------


def play_definitions(given: Sequence[dict[str, Any]]) -> Generator[str]:
    """Tools as a server has them first and then, and which of them count as changed."""
    listed: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "tools.json"
        config = CHANNEL + own("shop", "from_file", file)
        for run, key in enumerate(("first", "then")):
            tools = [
                {
                    "name": each["tag"],
                    "description": each.get("description", ["", ""])[run],
                    "inputSchema": each[key],
                    "annotations": READS,
                }
                for each in given
            ]
            file.write_text(json.dumps(tools), "utf-8")
            before = len(listed_in(file))
            with tempfile.TemporaryDirectory(dir=folder) as place, bridge_with_state(place, folder, config) as made:
                wait_until(partial(has_grown, file, before))
                names = [f"shop__{each['tag']}" for each in given]
                listed = {tool["name"]: tool for tool in made.call("list_tools", names=names)["tools"]}
        for each in given:
            change = listed[f"shop__{each['tag']}"].get("changed", "")
            wanted = "" if bool(change) == each.get("changed", bool(change)) else "  BUT IT SHOULD BE OTHERWISE"
            yield f"{each['tag']}: {short(change, 200) if change else 'not changed'}{wanted}"


def has_grown(file: Path, before: int) -> bool:
    """Whether a server was asked for its tools since then."""
    return len(listed_in(file)) > before


def listed_in(file: Path) -> list[str]:
    """One line for each time that a server of `from_file` was asked for its tools."""
    listed = Path(f"{file}.listed")
    return listed.read_text("utf-8").splitlines() if listed.exists() else []


def wait_until(true: Callable[[], bool], most_s: float = READY_S) -> None:
    """Wait for another process to have done something, and for the bridge to have taken it up."""
    ends = time.monotonic() + most_s
    while not true() and time.monotonic() < ends:
        time.sleep(0.05)
    time.sleep(1.0)


@contextmanager
def bridge_with_state(place: str, folder: str, config: str) -> Generator[PipedBridge]:
    """As `bridge`, with a state that outlives it."""
    state = f'[store]\nurl = "sqlite:///{Path(folder) / "bridge.db"}"\n'
    with bridge(Path(place) / "run", config + state) as made:
        yield made


def play_calls(given: Sequence[list[Any]]) -> Generator[str]:
    """Calls of the bridge's tools as hosts send them, with a small server called `files` behind it."""
    numbers = {"path": {"type": "string"}, "depth": {"type": "integer"}}
    tools = [
        {
            "name": "read",
            "inputSchema": {"type": "object", "properties": numbers, "required": ["path"]},
            "annotations": READS,
        },
        {"name": "list", "inputSchema": {"type": "object"}, "annotations": READS},
    ]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "tools.json"
        file.write_text(json.dumps(tools), "utf-8")
        with bridge(Path(folder) / "run", CHANNEL + own("files", "from_file", file)) as made:
            made.call("send_message", conversation="local/main", text="hello")
            for tool, arguments in given:
                yield f"{tool} {json.dumps(arguments)}\n  {shown(made.call(tool, **arguments))}"
