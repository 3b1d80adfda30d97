"""What all tests share."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from bridge_mcp.models.litellm_process import LitellmProcess
from tests.prefork import Prefork

if TYPE_CHECKING:
    from tests.servers.postgres import Database, PostgresServer, Served

# The suite runs on busy machines, where how long an example takes tells nothing of the code.
settings.register_profile("full", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("suite", settings.get_profile("full"), max_examples=50)


PREFORK = Prefork()


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--full`: the slow layers whole, and not a seeded sample of them."""
    parser.addoption("--full", action="store_true", help="run the slow layers whole, and not a seeded sample of them")


@pytest.fixture(scope="session")
def full(request: pytest.FixtureRequest) -> bool:
    """Whether the slow layers run whole."""
    return bool(request.config.getoption("--full"))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """How many workers `-n auto` starts: more than there are cores, since many tests wait for processes and clocks."""
    return 2 * (os.cpu_count() or 1) + 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Have a worker that is done take tests from the others: long ones stand next to each other."""
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have the slow tests come first: one that begins last would have all processes wait for it."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how much of the run was on Postgres: tests that run on both stores have the store's name in theirs."""
    ended = [each for how in ("passed", "failed") for each in terminalreporter.getreports(how)]
    on_postgres = {each.nodeid for each in ended if "postgres" in each.nodeid.partition("[")[2]}
    if on_postgres:
        terminalreporter.write_line(f"{len(on_postgres)} tests ran on Postgres as they do on SQLite")


def pytest_configure(config: pytest.Config) -> None:
    """Have what the tests start hear SIGINT: a shell has its background jobs ignore it, and children inherit that.

    Properties are tried with half of the usual examples, and with all of them by the option `--full`.
    """
    settings.load_profile("full" if config.getoption("--full") else "suite")
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    PREFORK.install()


def pytest_unconfigure() -> None:
    """End what the commands of tests were forked from."""
    PREFORK.close()


@pytest.fixture
def new_interpreters() -> Iterator[None]:
    """Have each command that the test starts be a new interpreter, and no fork (`tests.prefork`)."""
    with PREFORK.off():
        yield


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Undo what a command that a test runs in this process has set up for logging: it would clean others' records."""
    root, factory = logging.getLogger(), logging.getLogRecordFactory()
    handlers, level, hooks = [*root.handlers], root.level, (sys.excepthook, threading.excepthook)
    yield
    if logging.getLogRecordFactory() is not factory:
        logging.setLogRecordFactory(factory)
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.captureWarnings(False)
        sys.excepthook, threading.excepthook = hooks


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def litellm(anyio_backend: str) -> AsyncIterator[LitellmProcess]:
    """litellm's process, which takes seconds to load: one for all tests of a module.

    Not for more: while it lives the tests keep one event loop, beside which `anyio.run` starts no other.
    """
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("ANTHROPIC_API_KEY", raising=False)
        process = LitellmProcess()
        yield process
        await process.close()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The Postgres of this run, which all its processes share: a test makes databases in it, and does it no harm."""
    from tests.servers.postgres import shared_server

    base = tmp_path_factory.getbasetemp()
    with shared_server(base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) as server:
        yield server


@pytest.fixture
def database(postgres: Served) -> Iterator[Database]:
    """A database of its own for one test: empty, of a user who is no superuser."""
    made = postgres.create()
    yield made
    made.drop()


@pytest.fixture(scope="session")
def own_store_database(postgres: Served) -> Iterator[Database]:
    """A database of this process with an empty store in it, which `store_database` empties after each test."""
    from bridge_mcp.stores.postgres.connecting import Database as Place
    from bridge_mcp.stores.postgres.migrate import migrate

    made = postgres.create()
    migrate(Place(made.url))
    made.keep()
    yield made
    made.drop()


@pytest.fixture
def store_database(own_store_database: Database) -> Iterator[Database]:
    """A database with an empty store in it, which is emptied after the test: some milliseconds."""
    yield own_store_database
    own_store_database.as_kept()


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A server that one test may stop, kill and start again."""
    from tests.servers.postgres import PostgresServer

    with PostgresServer() as server:
        yield server
