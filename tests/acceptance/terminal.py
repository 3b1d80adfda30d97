"""A terminal for tests: a command on a pseudo-terminal, and what its screen shows, as pyte draws it."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import pyte

LINES = 200
"""Of the screen: so many that nothing scrolls away."""
WAIT_S = 60.0


class Answering(pyte.Screen):
    """A screen that answers what programs ask a terminal, such as where the cursor is."""

    def __init__(self, answer: Callable[[str], None], columns: int, lines: int) -> None:
        self._answer = answer
        super().__init__(columns, lines)

    def write_process_input(self, data: str) -> None:
        """See `pyte.Screen`."""
        self._answer(data)


class Terminal:
    """One command in a terminal of so many columns; ended with the block."""

    def __init__(self, *command: str, columns: int, env: Mapping[str, str], cwd: Path, lines: int = LINES) -> None:
        self._screen = Answering(self._answer, columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self.seen = ""
        """All that was ever written, with its control sequences."""
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=cwd,
            env={**env, "TERM": "xterm-256color", "COLUMNS": str(columns)}, start_new_session=True,
        )  # fmt: skip
        os.close(theirs)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        os.close(self._ours)

    def _answer(self, data: str) -> None:
        os.write(self._ours, data.encode())

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def until(self, text: str) -> None:
        """Wait until the screen shows this, wherever lines break."""
        wanted = "".join(text.split())
        ends_at = time.monotonic() + WAIT_S
        while wanted not in self.joined:
            assert self._read(ends_at - time.monotonic()), f"'{text}' never came:\n" + "\n".join(self.lines)

    def until_last(self, line: str) -> None:
        """Wait until this is the last line of the screen."""
        ends_at = time.monotonic() + WAIT_S
        while self.lines[-1:] != [line]:
            assert self._read(ends_at - time.monotonic()), f"'{line}' is not the last of:\n" + "\n".join(self.lines)

    def gone(self, text: str, *, but: int = 0) -> None:
        """Wait until the screen shows this no more, or only so often."""
        ends_at = time.monotonic() + WAIT_S
        while sum(text in line for line in self.lines) > but:
            assert self._read(ends_at - time.monotonic()), f"'{text}' never went:\n" + "\n".join(self.lines)

    def end(self) -> int:
        """Wait for the command to end by itself; its exit code."""
        ends_at = time.monotonic() + WAIT_S
        while self._read(ends_at - time.monotonic()):
            pass
        return self.process.wait(WAIT_S)

    @property
    def lines(self) -> list[str]:
        """What stands on the screen, without blanks at the ends of lines and without empty lines at the end."""
        shown = [line.rstrip() for line in self._screen.display]
        while shown and not shown[-1]:
            shown.pop()
        return shown

    @property
    def joined(self) -> str:
        """All that is shown, without any blank."""
        return "".join("".join(self.lines).split())

    def _read(self, seconds: float) -> bool:
        """Take what comes next; whether anything did."""
        ready, _, _ = select.select([self._ours], [], [], max(0.0, seconds))
        try:
            data = os.read(self._ours, 65_536) if ready else b""
        except OSError:  # Linux says so when the other side is closed
            data = b""
        if data:
            self.seen += data.decode("utf-8", "replace")
            self._stream.feed(data)
        return bool(data)
