"""Ends the nested servers of a bridge that died without a chance to do so itself (SIGKILL, a crash, out of memory).

A warden is one small process per bridge, in a session of its own. It holds the read end of a pipe that only the bridge
can write to, and learns there which process groups are alive: `+1234`, `-1234`. When the pipe ends, the bridge is gone,
and whatever is left is ended as the bridge would have: a moment to leave by themselves (their stdin has ended too),
SIGTERM, SIGKILL.

Why a process: the parent-death signal of Linux reaches only the direct child, not what a launcher like npx started, and
is unknown to macOS; a record of process ids that the next start reaps leaves the orphans to run until then. One small
process covers whole groups, on every POSIX system, at once. Windows needs none: a job object does it there.

The second half of this file runs in that process, by path and without site-packages: standard library only.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

__all__ = ["LEAVE_S", "TERMINATE_S", "Warden", "group_alive", "signal_group"]

LEAVE_S = 1.0
"""How long a server may take to leave by itself once its stdin has ended."""
TERMINATE_S = 2.0
"""How long it may take after SIGTERM."""
POLL_S = 0.01


class Warden:
    """The bridge's end. Its process is started with the first group it is told of, and again if it was killed."""

    def __init__(self) -> None:
        self.groups: set[int] = set()
        self.process: subprocess.Popen[bytes] | None = None

    def watch(self, group: int) -> None:
        """From now on, end this group when the bridge dies.

        Raises:
            OSError: the warden's process cannot be started.
        """
        self.groups.add(group)
        if self.process is None or not self.tell(f"+{group}\n"):
            self.start()

    def forget(self, group: int) -> None:
        """This group has ended."""
        self.groups.discard(group)
        self.tell(f"-{group}\n")

    def close(self) -> None:
        """Let the warden go. It leaves at once, having nobody left to watch."""
        if self.process is not None:
            self.discard(self.process)
            self.process = None

    def start(self) -> None:
        """Start the process and tell it all there is to know."""
        self.close()
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            bufsize=0,
            cwd="/",
        )
        self.tell("".join(f"+{group}\n" for group in sorted(self.groups)))

    def tell(self, words: str) -> bool:
        """Whether the warden is there to hear it."""
        if self.process is None or self.process.stdin is None:
            return False
        try:
            self.process.stdin.write(words.encode())
        except BrokenPipeError:
            return False
        return True

    @staticmethod
    def discard(process: subprocess.Popen[bytes]) -> None:
        """End one and reap it."""
        if process.stdin is not None:
            with suppress(BrokenPipeError):
                process.stdin.close()
        process.wait()


def group_alive(group: int) -> bool:
    """Whether a process group has a member, be it one that may not be signalled."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def signal_group(group: int, number: int) -> None:
    """Signal every member that may be signalled."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


# -- in the warden's process ---------------------------------------------------------------------------------


def listen() -> set[int]:
    """The groups that are left when the bridge is gone."""
    groups: set[int] = set()
    for line in sys.stdin.buffer:
        group = int(line[1:])
        groups.add(group) if line[:1] == b"+" else groups.discard(group)
    return groups


def end(groups: set[int]) -> None:
    """End all of these groups, the gentle way first."""
    for number, patience_s in ((0, LEAVE_S), (signal.SIGTERM, TERMINATE_S), (signal.SIGKILL, 0.0)):
        for group in groups:
            signal_group(group, number)
        deadline = time.monotonic() + patience_s
        while groups and time.monotonic() < deadline:
            groups = {group for group in groups if group_alive(group)}
            time.sleep(POLL_S)


def main() -> None:
    """Wait for the bridge's end, deaf to what is meant for others in the terminal or the host."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    end(listen())


if __name__ == "__main__":
    main()
