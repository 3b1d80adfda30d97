"""The engine's suites on both stores: `tests.integration.setup` stands on a file of SQLite's or on a real Postgres.

A module or test that is marked `either_store` runs on both each time; whatever else stands on `world` or `open_store`
does with `--full`, unless it is marked `sqlite_only`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration import setup
from tests.servers import launch

if TYPE_CHECKING:
    from tests.servers.postgres import Database, Served


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Have a test run on both stores."""
    marked = metafunc.definition.get_closest_marker
    names: dict[str, object] = vars(metafunc.module)  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    stands_on_it = any(names.get(name) is getattr(setup, name) for name in ("world", "open_store"))
    full = stands_on_it and metafunc.config.getoption("--full")
    if (full or marked("either_store")) and not marked("sqlite_only"):
        metafunc.parametrize("engine_store", ["sqlite", "postgres"], indirect=True)


@pytest.fixture(autouse=True)
def engine_store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Where the test's stores are: each folder has one."""
    if getattr(request, "param", "sqlite") == "sqlite":
        yield
        return
    server: Served = request.getfixturevalue("postgres")
    ready: Database = request.getfixturevalue("store_database")
    made: dict[Path, Database] = {}

    def url_of(folder: Path) -> str:
        if folder not in made:
            made[folder] = server.create() if made else ready
        return made[folder].url

    monkeypatch.setattr("tests.integration.setup.url_of", url_of)
    yield
    for each in list(made.values())[1:]:
        each.drop()


@pytest.fixture
def only_own_children() -> Iterator[None]:
    """Have `descendants` tell of what the test starts, and not of the servers that tests share."""
    subprocess.run([sys.executable, "-m", "tests.prefork.told", "0"], input=b"", capture_output=True, check=True)
    launch.OTHERS |= launch.descendants(os.getpid())
    yield
    launch.OTHERS.clear()
