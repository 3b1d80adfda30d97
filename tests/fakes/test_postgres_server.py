"""The tests' own Postgres: what tests of the store, of work and of faces stand on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.servers.launch import ROOT, eventually
from tests.servers.postgres import Database, PostgresServer, Served


async def test_a_database_is_empty_and_reached_by_socket_and_by_tcp(database: Database) -> None:
    for url in (database.url, database.tcp_url):
        with psycopg.connect(url) as connection:
            found = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
            assert found == (0,)
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(database.tcp_url.replace(database.server.password, "wrong"))


async def test_a_copy_has_what_its_template_has(postgres: Served, database: Database) -> None:
    with database.connect() as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    copy = postgres.create(template=database.name)
    with copy.connect() as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (7,)
    copy.drop()


async def test_a_server_that_is_killed_comes_back_with_what_was_committed(own_postgres: PostgresServer) -> None:
    made = own_postgres.served.create()
    with made.connect() as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
        own_postgres.restart(signal.SIGQUIT)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    with psycopg.connect(made.tcp_url) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (7,)


USES_IT = """
import sys, pathlib, time
from tests.servers.postgres import shared_server
with shared_server(pathlib.Path(sys.argv[1])) as served:
    print(served.sockets, flush=True)
    sys.stdin.read()
"""


def served(folder: str) -> bool:
    return os.path.exists(f"{folder}/data/postmaster.pid")


async def test_a_shared_server_ends_with_the_last_process_that_uses_it_even_if_that_is_killed(tmp_path: Path) -> None:
    def user() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", USES_IT, str(tmp_path)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    with user() as first, user() as second:
        assert first.stdout is not None
        assert second.stdout is not None
        folder = first.stdout.readline().strip()
        assert second.stdout.readline().strip() == folder
        first.kill()
        first.wait()
        assert served(folder)
        second.kill()
    await eventually(lambda: not served(folder))
