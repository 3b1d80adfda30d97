"""Ends the nested servers of a bridge that was killed (SIGKILL, a crash, out of memory).

A warden is one small process per bridge, in a session of its own. It holds the read end of a pipe that only the bridge
can write to, and learns there which process groups are alive: `+1234`, `-1234`. When the pipe ends, the bridge is gone,
and the warden ends the remaining groups as the bridge would have: a moment to exit by themselves (their stdin has ended
too), SIGTERM, SIGKILL.

Why a process: the parent-death signal of Linux reaches only the direct child, not what a launcher like npx started, and
is unknown to macOS; a file of process ids for the next start to reap would leave the orphans running until then. One
small process covers whole groups, on every POSIX system, at once. Windows needs none: there a job object does it.

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
"""How long a server may take to exit by itself once its stdin has ended."""
TERMINATE_S = 2.0
"""How long it may take after SIGTERM."""
POLL_S = 0.01


class Warden:
    """The bridge's end of the pipe. The first group starts the process; a later one restarts it if it was killed."""

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
        """End the warden, which exits at once, since it has no group left to watch."""
        if self.process is not None:
            self.discard(self.process)
            self.process = None

    def start(self) -> None:
        """Start the process and send it all groups."""
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
        """Send a line; False: the warden is gone."""
        if self.process is None or self.process.stdin is None:
            return False
        try:
            self.process.stdin.write(words.encode())
        except BrokenPipeError:
            return False
        return True

    @staticmethod
    def discard(process: subprocess.Popen[bytes]) -> None:
        """Kill a process and reap it."""
        if process.stdin is not None:
            with suppress(BrokenPipeError):
                process.stdin.close()
        process.wait()


def group_alive(group: int) -> bool:
    """Whether a process group has a member, even one that may not be signalled."""
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
    """Read lines until the bridge is gone; returns the groups that are left."""
    groups: set[int] = set()
    for line in sys.stdin.buffer:
        group = int(line[1:])
        groups.add(group) if line[:1] == b"+" else groups.discard(group)
    return groups


def end(groups: set[int]) -> None:
    """End these groups: wait, SIGTERM, SIGKILL."""
    for number, patience_s in ((0, LEAVE_S), (signal.SIGTERM, TERMINATE_S), (signal.SIGKILL, 0.0)):
        for group in groups:
            signal_group(group, number)
        deadline = time.monotonic() + patience_s
        while groups and time.monotonic() < deadline:
            groups = {group for group in groups if group_alive(group)}
            time.sleep(POLL_S)


def main() -> None:
    """Wait for the bridge's end, and ignore signals that the terminal or the host sends to the whole session."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    end(listen())


if __name__ == "__main__":
    main()
