"""The server of `tests.prefork`: loads what the bridge's commands load, and forks on request.

    python -m tests.prefork SOCKET bridge|litellm

A fork is a child of the server's parent (CLONE_PARENT), so that whoever asked can wait for it as for its own. It is
made as the C library makes one, with the address at which the kernel notes the thread's new id, and it ends as the
command that it runs ends.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import io
import json
import os
import platform
import runpy
import signal
import socket
import sys
import time
import warnings
from collections.abc import Sequence
from typing import Any, Literal, TextIO

LOADED = {
    "bridge": (
        "anyio._backends._asyncio", "anyio.abc", "attrs", "rich.console", "rich.panel", "rich.table", "uvloop",
        "bridge_mcp.assembly", "bridge_mcp.cli.app", "bridge_mcp.cli.output", "bridge_mcp.cli.stdio",
        "bridge_mcp.engine.engine", "bridge_mcp.server.app", "bridge_mcp.stores.sqlite", "bridge_mcp.worker_assembly",
    ),
    "litellm": ("litellm", "openai.resources.chat"),
}  # fmt: skip
"""What most commands load, and what litellm's process does; all else is loaded in the fork."""
MESSAGE_BYTES = 1_000_000
GET_TID_ADDRESS = 40
CLONE_PARENT, CLONE_CHILD_CLEARTID, CLONE_CHILD_SETTID = 0x8000, 0x200000, 0x1000000
CLONE = {"x86_64": 56, "aarch64": 220}


class Forking:
    """Makes forks of this process, which must have one thread."""

    def __init__(self) -> None:
        # PyDLL keeps the interpreter's lock, which a fork must hold.
        self._c = ctypes.PyDLL(None, use_errno=True)
        self._c.syscall.restype = ctypes.c_long
        self._thread_id = ctypes.c_void_p()
        if self._c.prctl(GET_TID_ADDRESS, ctypes.byref(self._thread_id), 0, 0, 0):
            raise OSError(ctypes.get_errno(), "no address of the thread's id")

    def fork(self) -> int:
        """0 in the fork, whose parent is this process's; here, the id of the fork."""
        flags = CLONE_PARENT | CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID | signal.SIGCHLD
        address = self._thread_id.value or 0
        last = (address, 0) if platform.machine() == "x86_64" else (0, address)
        given = [ctypes.c_long(each) for each in (CLONE[platform.machine()], flags, 0, 0, *last)]
        ctypes.pythonapi.PyOS_BeforeFork()
        made = int(self._c.syscall(*given))
        if made == 0:
            ctypes.pythonapi.PyOS_AfterFork_Child()
        else:
            ctypes.pythonapi.PyOS_AfterFork_Parent()
        if made < 0:
            raise OSError(ctypes.get_errno(), "cannot fork")
        return made


def stream(of: TextIO, mode: Literal["r", "w"]) -> io.TextIOWrapper:
    """A standard stream as the interpreter makes it, anew: what lies under its descriptor is another file now."""
    assert isinstance(of, io.TextIOWrapper)
    number = of.fileno()
    raw = io.FileIO(number, mode, closefd=False)
    raw.name = of.name
    buffer: Any = raw if of.write_through and mode == "w" else open(number, f"{mode}b", closefd=False)
    lines = not of.write_through and (number == 2 or os.isatty(number))
    return io.TextIOWrapper(buffer, of.encoding, of.errors, "\n", lines, of.write_through)


def become(wanted: dict[str, Any], streams: Sequence[int]) -> None:
    """Take on the folder, environment and streams of a request."""
    if wanted["session"]:
        os.setsid()
    for number, given in enumerate(streams):
        os.dup2(given, number)
        os.close(given)
    os.chdir(wanted["folder"])
    os.environ.clear()
    os.environ.update(wanted["environment"])
    time.tzset()
    sys.stdin = sys.__stdin__ = stream(sys.stdin, "r")
    sys.stdout = sys.__stdout__ = stream(sys.stdout, "w")
    sys.stderr = sys.__stderr__ = stream(sys.stderr, "w")


def run(kind: str, name: str, arguments: Sequence[str]) -> None:
    """Run a script, or a module as `python -m` does (a "safe" one with the option -P)."""
    sys.argv = [name, *arguments]
    if kind == "script":
        sys.path[0] = os.path.dirname(name)
        runpy.run_path(name, run_name="__main__")
    elif kind == "safe module":
        del sys.path[0]
        runpy.run_module(name, run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = os.getcwd()
        runpy.run_module(name, run_name="__main__", alter_sys=True)


def litellm_set_up() -> None:
    """Have litellm loaded as `bridge_mcp.models.litellm_loading` has it: these variables count as it is imported."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    os.environ["LITELLM_MODE"] = "PRODUCTION"
    os.environ["EXPERIMENTAL_OPENAI_BASE_LLM_HTTP_HANDLER"] = "true"
    warnings.simplefilter("ignore")


def serve(own: socket.socket) -> tuple[str, str, list[str]] | None:
    """Fork for each request, until whoever asks is gone; in a fork, what it is to run."""
    forking = Forking()
    own.send(b"ready")
    while True:
        message, streams, _, _ = socket.recv_fds(own, MESSAGE_BYTES, 3)
        if not message:
            return None
        if forking.fork():
            for each in streams:
                os.close(each)
            continue
        wanted = json.loads(message)
        become(wanted, streams)
        own.send(b"%d" % os.getpid())
        own.close()
        return wanted["program"]


if __name__ == "__main__":
    gc.disable()
    with warnings.catch_warnings():
        if sys.argv[2] == "litellm":
            litellm_set_up()
        for module in LOADED[sys.argv[2]]:
            importlib.import_module(module)
    gc.enable()
    gc.freeze()
    program = serve(socket.socket(fileno=int(sys.argv[1])))
    if program is not None:
        run(*program)
