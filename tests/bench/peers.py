"""The servers that are measured, as commands in folders of their own, and what the system says of their processes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import ParamSpec, TypeVar

from bridge_mcp.core.policy import SCOPES
from tests.bench.clients import ANSWER_S, Client
from tests.bench.speech import Call

__all__ = [
    "BRIDGE",
    "FASTMCP",
    "LOW_LEVEL",
    "ROOT",
    "TOKEN",
    "bridge_folder",
    "cpu_time",
    "environment",
    "fresh_process",
    "resident",
    "served_http",
    "until_engine",
]

P = ParamSpec("P")
T = TypeVar("T")

ROOT = Path(__file__).parents[2]
TOKEN = "a-token-of-the-benchmark-0123456789"
BRIDGE = (sys.executable, "-m", "bridge_mcp")
LOW_LEVEL = (sys.executable, "-m", "tests.bench.low_level_server")
FASTMCP = (sys.executable, "-m", "tests.bench.fastmcp_server")

CONFIG = """\
[http]
rate_per_s = 0
[models.default]
model = "{model}"

[channels.local]
type = "local"
responder = "{responder}"

[clients.bench]
token_env = "BENCH_TOKEN"
scopes = {scopes}
"""


@contextmanager
def bridge_folder(responder: str = "relay", more: str = "", *, model: str = "scripted") -> Generator[dict[str, str]]:
    """An empty state folder and a bridge.toml; the environment of a process that uses them."""
    with tempfile.TemporaryDirectory(prefix="bridge-mcp-bench-") as name:
        config = Path(name) / "bridge.toml"
        config.write_text(
            CONFIG.format(responder=responder, model=model, scopes=json.dumps(list(SCOPES))) + more, encoding="utf-8"
        )
        mine = {"BRIDGE_MCP_CONFIG": str(config), "BRIDGE_MCP_STATE_DIR": str(Path(name) / "state")}
        yield environment() | mine | {"BENCH_TOKEN": TOKEN, "BRIDGE_MCP_LOG": "error"}


def environment() -> dict[str, str]:
    """This process's, in which `tests` is found and bytecode is used."""
    found = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return found | {"PYTHONPATH": str(ROOT)}


@contextmanager
def served_http(command: Sequence[str], settings: Mapping[str, str]) -> Generator[tuple[int, int]]:
    """A server that listens on loopback: its port and its process. The command holds `{port}` for the port."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    words = [word.format(port=port) for word in command]
    child = subprocess.Popen(words, env=dict(settings), stderr=subprocess.DEVNULL)
    try:
        until(lambda: answers(port) or child.poll() is not None)
        if child.poll() is not None:
            raise RuntimeError(f"{words} ended with {child.returncode}")
        yield port, child.pid
    finally:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(ANSWER_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def until(true: Callable[[], object]) -> None:
    """Wait for what nothing here can be told of."""
    ends = time.monotonic() + ANSWER_S
    while not true():
        if time.monotonic() > ends:
            raise RuntimeError("a server did not come up")
        time.sleep(0.02)


def until_engine(client: Client) -> None:
    """Wait until a bridge has an engine, which is when it is all there."""
    until(lambda: b'"engine_pid":null' not in client.ask(Call(tool="get_status")))


def resident(process: int) -> float:
    """The resident memory of a process in MB, as the system counts it."""
    listed = subprocess.run(["ps", "-o", "rss=", "-p", str(process)], capture_output=True, text=True, check=True)
    return int(listed.stdout) / 1024


def cpu_time(process: int) -> float:
    """The CPU seconds that a process's threads have used, NaN where the system does not tell."""
    try:
        tasks = list(Path(f"/proc/{process}/task").iterdir())
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9
    except OSError:
        return float("nan")


def fresh_process(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What a function gives in a Python process that has done nothing else."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *args, **kwargs).result()
