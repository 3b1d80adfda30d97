"""A real PgBouncer before the tests' Postgres, where one is installed (Debian's package `pgbouncer`)."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest

from tests.servers.postgres import PATIENCE_S, POLL_S, USER, Database, Served, free_port, runs_as

__all__ = ["Mode", "Pooler", "pooler_to"]

Mode = Literal["session", "transaction"]

SETTINGS = """
[databases]
* = host={sockets} port={server_port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
pool_mode = {mode}
default_pool_size = {pool}
max_client_conn = 200
logfile = {log}
"""
"""All else is as it comes."""


class Pooler:
    """A PgBouncer that runs."""

    def __init__(self, port: int, log: Path) -> None:
        self.port = port
        self._log = log

    def url(self, database: Database) -> str:
        """A database by way of it, with a password."""
        server = database.server
        return f"postgresql://{USER}:{server.password}@127.0.0.1:{self.port}/{database.name}"

    def log(self) -> str:
        """What it has written."""
        return self._log.read_text("utf-8", "replace")


def program() -> str:
    """Where it is; without it the test is skipped, and fails where CI is true."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])
    if (found := shutil.which("pgbouncer", path=path)) is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no PgBouncer: install Debian's package `pgbouncer`")
        pytest.skip("no PgBouncer on this machine (Debian: apt-get install pgbouncer)")
    return found


@contextmanager
def pooler_to(server: Served, mode: Mode, *, pool: int = 60) -> Generator[Pooler]:
    """A PgBouncer for the time of a block, with at most so many sessions for each database."""
    command, port = program(), free_port()
    user, group = runs_as()  # it refuses to be root, too
    with tempfile.TemporaryDirectory(prefix="pgbouncer-", dir="/tmp") as made:
        folder = Path(made)
        folder.chmod(0o755)
        users, settings, log = folder / "users", folder / "pgbouncer.ini", folder / "log"
        users.write_text(f'"{USER}" "{server.password}"\n', "utf-8")
        settings.write_text(
            SETTINGS.format(
                sockets=server.sockets, server_port=server.port, port=port, users=users, mode=mode, pool=pool, log=log
            ),
            "utf-8",
        )
        log.touch()
        if user is not None and group is not None:
            for each in (users, log):
                os.chown(each, user, group)
        users.chmod(0o600)
        with subprocess.Popen(
            [command, "--quiet", str(settings)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, user=user, group=group,
        ) as process:  # fmt: skip
            try:
                until = time.monotonic() + PATIENCE_S
                while True:
                    try:
                        socket.create_connection(("127.0.0.1", port), 1).close()
                        break
                    except OSError:
                        assert process.poll() is None, f"PgBouncer did not start: {log.read_text()}"
                        assert time.monotonic() < until, f"PgBouncer does not answer: {log.read_text()}"
                        time.sleep(POLL_S)
                yield Pooler(port, log)
            finally:
                process.send_signal(signal.SIGTERM)  # at once, whoever is connected
