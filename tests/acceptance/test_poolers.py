"""The bridge behind a real PgBouncer: in session mode all of it works, in transaction mode what needs no session."""

from __future__ import annotations

import signal
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, closing
from functools import partial

import anyio
import anyio.to_thread
import pytest

from bridge_mcp.assembly import open_bridge
from bridge_mcp.cli.database_findings import database_findings
from bridge_mcp.config import Config, load_config
from bridge_mcp.service import OWNER, Bridge
from bridge_mcp.stores.postgres import open_store
from bridge_mcp.testing import ManualClock
from tests.acceptance.parts import WAIT_S, Home
from tests.acceptance.test_serving import running, until
from tests.contract.store_kit import heard
from tests.servers.pgbouncer import pooler_to
from tests.servers.postgres import Database, Served

SAYS = "leads to a pooler that shares sessions (PgBouncer in transaction mode)"


class Ways:
    """A bridge whose processes reach Postgres by these URLs."""

    def __init__(self, home: Home, url: str, direct_url: str = "") -> None:
        home.scripted()
        direct = 'direct_url_env = "DIRECT_URL"\n' if direct_url else ""
        home.write(f'[store]\nurl_env = "STORE_URL"\n{direct}' + home.config.read_text("utf-8"))
        self.home = home
        self.env = {"STORE_URL": url, "DIRECT_URL": direct_url}

    @property
    def config(self) -> Config:
        return load_config(env=self.home.environment(**self.env), cwd=self.home.work)

    @asynccontextmanager
    async def face(self) -> AsyncGenerator[Bridge]:
        async with open_bridge(self.config) as assembly:
            yield assembly.bridge

    async def wrong(self) -> list[str]:
        """What `check` finds wrong with the store."""
        return [each.told async for each in database_findings(self.config) if not each.fine]


async def answered(bridge: Bridge, chats: int) -> None:
    """Messages in many chats at once are answered, each by its echo."""

    async def turn(number: int) -> None:
        ticket = await bridge.run_turn(OWNER, f"desk/{number}", f"m{number}", wait_s=WAIT_S)
        assert (ticket.state, ticket.text) == ("done", f"echo: m{number}")

    async with anyio.create_task_group() as tasks:
        for number in range(chats):
            tasks.start_soon(turn, number)


@pytest.mark.shows("store.poolers")
async def test_in_session_mode_workers_and_faces_work_and_a_killed_worker_is_replaced(
    home: Home, postgres: Served, database: Database
) -> None:
    with pooler_to(postgres, "session") as pooler:
        ways = Ways(home, pooler.url(database))
        with running(home, "worker", **ways.env) as first:
            await anyio.to_thread.run_sync(until, first.stderr, "holds channel:desk now")
            with running(home, "worker", **ways.env) as second:
                await anyio.to_thread.run_sync(until, second.stderr, "This worker is up")
                async with ways.face() as bridge:
                    await answered(bridge, 5)
                    assert await ways.wrong() == []
                    first.send_signal(signal.SIGKILL)
                    await anyio.to_thread.run_sync(until, second.stderr, "holds channel:desk now")
                    await answered(bridge, 5)


@pytest.mark.shows("store.poolers", "store.pooler-found")
async def test_in_transaction_mode_every_process_says_what_to_do_and_with_a_way_around_it_all_works(
    home: Home, postgres: Served, database: Database
) -> None:
    with pooler_to(postgres, "transaction", pool=3) as pooler:
        pooled = pooler.url(database)
        ways = Ways(home, pooled)
        for arguments in (("worker",), ("serve", "--http", "127.0.0.1:0"), ("status",), ("migrate",)):
            told = await anyio.to_thread.run_sync(partial(home.run, *arguments, code=1, **ways.env))
            assert SAYS in told
            assert "or beside it as direct_url" in told
            assert database.server.password not in told
        (wrong,) = await ways.wrong()
        assert "PgBouncer in transaction mode" in wrong
        ways.env["DIRECT_URL"] = database.tcp_url
        home.write(home.config.read_text("utf-8").replace("[store]\n", '[store]\ndirect_url_env = "DIRECT_URL"\n'))
        assert await ways.wrong() == []
        with running(home, "worker", **ways.env) as worker:
            await anyio.to_thread.run_sync(until, worker.stderr, "This worker is up")
            async with ways.face() as bridge:
                await answered(bridge, 20)
                assert await bridge.store.verify() == ()
        ways.env["DIRECT_URL"] = pooled
        (wrong,) = await ways.wrong()
        assert "direct_url leads to a pooler" in wrong


@pytest.mark.shows("store.poolers")
async def test_a_pooler_without_a_free_session_is_told_of_and_a_worker_that_waits_for_it_ends_when_it_is_told_to(
    home: Home, postgres: Served, database: Database
) -> None:
    with pooler_to(postgres, "session", pool=1) as pooler:
        ways = Ways(home, pooler.url(database))
        with running(home, "worker", **ways.env) as worker:
            told = await anyio.to_thread.run_sync(until, worker.stderr, "Waiting for Postgres.*no session free")
            worker.send_signal(signal.SIGTERM)
            await anyio.to_thread.run_sync(until, worker.stderr, "This worker has ended: nothing was left")
            assert await anyio.to_thread.run_sync(worker.wait, WAIT_S) == 0
        rest = told.string
        assert database.server.password not in rest
        (wrong,) = await ways.wrong()
        assert "Raise its pool_size" in wrong


async def test_behind_a_pooler_a_process_tells_its_own_commits_from_those_of_others(
    postgres: Served, database: Database
) -> None:
    """Each of its own taken for another's would cost all that watch a look."""
    with pooler_to(postgres, "session") as pooler:
        one = await open_store(pooler.url(database), clock=ManualClock())
        other = await open_store(pooler.url(database), clock=ManualClock())
        with closing(one.agenda.watch(conversations=False)) as changes:
            while await changes.wait(1.5) != {}:
                pass
            seen: list[Mapping[str, int] | None] = []
            for number in range(20):  # one that is looked at before its number is known counts as another's
                await one.log.record("local/a", heard(f"own {number}"))
                if number % 5 == 4:
                    seen.append(await changes.wait(1.5))
            assert {} in seen
            await other.log.record("local/a", heard("another's"))
            with anyio.fail_after(WAIT_S):
                assert await changes.wait() is None
        await one.close()
        await other.close()
