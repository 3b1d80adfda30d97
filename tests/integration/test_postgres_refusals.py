"""What Postgres says where it lets nobody in: waited for where that passes by itself, and else told at once."""

from __future__ import annotations

import time

import anyio
import psycopg
import pytest
from psycopg import sql

from bridge_mcp.core.errors import StoreError
from bridge_mcp.stores.postgres import open_store
from bridge_mcp.stores.postgres.errors import UNREACHABLE, ConnectionLost, Refused, store_error
from bridge_mcp.testing import ManualClock
from tests.contract.store_kit import SOON_S, heard
from tests.servers.postgres import USER, PostgresServer

HERE = "local/main"
AT = 'connection failed: connection to server at "10.0.0.5", port 5432 failed: '


@pytest.mark.parametrize(
    ("said", "fix", "for_good"),
    [
        (f'{AT}FATAL:  password authentication failed for user "me"', "right password", True),
        ('connection to server at "db", port 5432 failed: fe_sendauth: no password supplied', "right password", True),
        (f'{AT}FATAL:  no pg_hba.conf entry for host "10.0.0.9", user "me", database "x"', "pg_hba.conf", True),
        (f'{AT}FATAL:  role "me" does not exist', "name another one", True),
        (f'{AT}FATAL:  role "me" is not permitted to log in', "name another one", True),
        (f'{AT}FATAL:  database "x" does not exist', "Create the database", True),
        (f'{AT}FATAL:  permission denied for database "x"', "GRANT CONNECT", True),
        (f'{AT}root certificate file "/root.crt" does not exist', "sslrootcert", True),
        ("bad value for connect_timeout: 'x'", "Correct that parameter", True),
        ('invalid sslmode value: "x"', "Correct that parameter", True),
        (f"{AT}SSL error: certificate verify failed", "sslrootcert", True),
        (f"{AT}server does not support SSL, but SSL was required", "takes TLS", True),
        (f'{AT}FATAL:  too many connections for role "me"', "max_connections", False),
        (f'{AT}FATAL:  too many connections for database "x"', "max_connections", False),
        (f"{AT}FATAL:  sorry, too many clients already", "max_connections", False),
        (f"{AT}FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute", "slots", False),
        ('connection to server at "controller-role", port 5432 failed: Connection refused', UNREACHABLE, False),
        ("failed to resolve host 'certificate.example': Name or service not known", UNREACHABLE, False),
        (f"{AT}SSL SYSCALL error: Connection reset by peer", UNREACHABLE, False),
        (f"{AT}FATAL:  the database system is starting up", UNREACHABLE, False),
    ],
)
def test_what_keeps_out_is_told_from_what_passes(said: str, fix: str, for_good: bool) -> None:
    error = store_error("postgresql://me@db/x", psycopg.OperationalError(said), lost=True)
    assert isinstance(error, ConnectionLost)
    assert isinstance(error, Refused) is for_good
    assert fix.replace("slots", "max_connections") in error.fix


def alter(server: PostgresServer, how: sql.Composable) -> None:
    """Change the bridge's user, and end its connections: from now on it has to come in anew."""
    server.served.execute(sql.SQL("ALTER ROLE {} {}").format(sql.Identifier(USER), how))
    ended = sql.SQL("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = {}")
    server.served.execute(ended.format(sql.Literal(USER)))


async def test_a_server_that_is_full_is_waited_for(own_postgres: PostgresServer) -> None:
    store = await open_store(own_postgres.served.create().tcp_url, clock=ManualClock())
    await store.log.record(HERE, heard("hi"))
    alter(own_postgres, sql.SQL("CONNECTION LIMIT 0"))
    with anyio.fail_after(SOON_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(store.log.record, HERE, heard("and?"))
            tasks.start_soon(store.log.load, HERE)
            await anyio.sleep(0.5)  # neither comes in
            alter(own_postgres, sql.SQL("CONNECTION LIMIT -1"))
    assert len(await store.log.load(HERE)) == 2
    await store.close()


async def test_a_password_that_is_wrong_by_now_is_told_at_once_and_tried_once(own_postgres: PostgresServer) -> None:
    """Not for half a minute, as fast as the server can answer."""
    store = await open_store(own_postgres.served.create().tcp_url, clock=ManualClock())
    await store.log.record(HERE, heard("hi"))
    await store.log.load(HERE)
    before = own_postgres.log().count("authentication failed")
    alter(own_postgres, sql.SQL("PASSWORD 'another'"))
    began = time.monotonic()
    for attempt in (store.log.record(HERE, heard("and?")), store.log.load(HERE)):
        with pytest.raises(StoreError, match="authentication failed") as caught:
            await attempt
        assert "Set the right password" in caught.value.fix
    assert time.monotonic() - began < SOON_S
    assert own_postgres.log().count("authentication failed") - before < 10
    alter(own_postgres, sql.SQL("PASSWORD {}").format(sql.Literal(own_postgres.served.password)))
    await store.log.record(HERE, heard("and?"))
    await store.close()
