"""Processes that tests start, forked from one that has loaded the bridge: a start costs a fifth.

Loading what a command needs takes half a second of CPU, and the suite starts thousands of commands. Each process of
pytest has one server (`tests.prefork.__main__`), and `Prefork` takes the place of the call by which `subprocess` starts
programs: the bridge's command, and modules run by `python -m`, become forks of the server; all else is started as ever.
A fork is a process like any other: a child of the process that asked, with the folder, environment and streams that it
named, which runs the command from its first line. What only a new interpreter can show (what is loaded, and when) has
the fixture `new_interpreters`.

Linux only. Elsewhere, and where the kernel gives a fork no other parent, every program is started as ever.
"""

from __future__ import annotations

import json
import os
import platform
import socket
import subprocess
import sys
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

__all__ = ["COMMAND", "Prefork"]

COMMAND: Final = str(Path(sys.executable).with_name("bridge-mcp"))
MODULES: Final = ("bridge_mcp", "tests.")
"""How the names of modules begin that a fork runs."""
LITELLM: Final = "bridge_mcp.models.litellm_main"
"""A module with a server of its own: litellm takes seconds to load."""
FORK_EXEC: Final = "_fork_exec"
"""The name in `subprocess` of the call that starts a program."""
ROOT: Final = Path(__file__).parents[2]
MESSAGE_BYTES: Final = 65_536


def of_interpreter(environment: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    """The variables that an interpreter reads as it starts: a fork has those of its server."""
    return frozenset((key, value) for key, value in environment.items() if key.startswith(("PYTHON", "LC_", "LANG")))


class Server:
    """A process that has loaded the libraries, and forks."""

    def __init__(self, libraries: str, variables: Mapping[str, str]) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.prefork", str(theirs.fileno()), libraries],
                pass_fds=[theirs.fileno()], env=variables, cwd=ROOT,
            )  # fmt: skip
        self._works: bool | None = None

    def works(self) -> bool:
        """Whether it can fork, once it has loaded the libraries: loading them a second time would take longer."""
        if self._works is None:
            self._works = self._socket.recv(MESSAGE_BYTES) == b"ready"
        return self._works

    def fork(self, wanted: Mapping[str, Any], streams: Sequence[int]) -> int:
        """Start a process; its id, or 0 where the server could not and is gone."""
        socket.send_fds(self._socket, [json.dumps(wanted).encode()], streams)
        made = int(self._socket.recv(MESSAGE_BYTES) or 0)
        self._works = made > 0
        return made

    def close(self) -> None:
        self._socket.close()
        self._process.kill()  # it may be loading still, and its forks are not its children
        self._process.wait()


class Prefork:
    """The servers of this process of pytest: one for each choice of its own variables that an interpreter reads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._servers: dict[tuple[str, frozenset[tuple[str, str]]], Server] = {}
        self._usual: Any = None
        self._own = of_interpreter(os.environ)
        self._paths = ("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
        self._is_off = False

    def install(self) -> None:
        """Take the place of the call by which `subprocess` starts programs."""
        if sys.platform == "linux" and platform.machine() in ("x86_64", "aarch64"):
            self._usual = getattr(subprocess, FORK_EXEC)
            setattr(subprocess, FORK_EXEC, self._start)

    def close(self) -> None:
        """Give it back, and end the servers."""
        if self._usual is not None:
            setattr(subprocess, FORK_EXEC, self._usual)
        for server in self._servers.values():
            server.close()
        self._servers.clear()

    @contextmanager
    def off(self) -> Generator[None]:
        """Start every program as ever for the time of a block."""
        before, self._is_off = self._is_off, True
        try:
            yield
        finally:
            self._is_off = before

    def _start(self, *given: Any) -> int:
        """See `_posixsubprocess.fork_exec`, whose arguments these are."""
        words, _, close_fds, kept, folder, environment = given[:6]
        reading, writing, error, told = given[6], given[9], given[11], given[13]
        program = program_of([os.fsdecode(word) for word in words])
        plain = close_fds and tuple(kept) == (told,) and given[14] and given[16:22] == (-1, None, None, None, -1, None)
        if self._is_off or program is None or not plain:
            return self._usual(*given)
        entries = os.environb.items() if environment is None else (entry.split(b"=", 1) for entry in environment)
        variables = {os.fsdecode(key): os.fsdecode(value) for key, value in entries}
        libraries = "litellm" if program[1] == LITELLM else "bridge"
        own = {*self._own, self._paths} if libraries == "litellm" else self._own
        if not (interpreter := of_interpreter(variables)) <= own or not os.path.isdir(folder or "."):
            return self._usual(*given)
        wanted = {
            "program": program,
            "folder": os.getcwd() if folder is None else os.fsdecode(folder),
            "environment": variables,
            "session": given[15],
        }
        with self._lock:
            if (server := self._server(libraries, interpreter)).works():
                streams = zip((reading, writing, error), (0, 1, 2), strict=True)
                if made := server.fork(wanted, [usual if each == -1 else each for each, usual in streams]):
                    return made
        return self._usual(*given)

    def _server(self, libraries: str, interpreter: frozenset[tuple[str, str]]) -> Server:
        if (libraries, interpreter) not in self._servers:
            others = {key: value for key, value in os.environ.items() if not of_interpreter({key: value})}
            with self.off():
                self._servers[libraries, interpreter] = Server(libraries, others | dict(interpreter))
        return self._servers[libraries, interpreter]


def program_of(words: Sequence[str]) -> tuple[str, str, Sequence[str]] | None:
    """What a command line runs, where a fork can: a script or a module, its name and its arguments."""
    match words:
        case [name, *arguments] if name == COMMAND:
            return "script", name, arguments
        case [sys.executable, "-m", name, *arguments] if name.startswith(MODULES):
            return "module", name, arguments
        case [sys.executable, "-P", "-m", name] if name == LITELLM:
            return "safe module", name, []
        case _:
            return None
