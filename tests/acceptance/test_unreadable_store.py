"""Every command of the owner on a store with entries that this version cannot read: told, and nothing else is lost."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from bridge_mcp.core.entries import Asked, Heard, Posted, Sender
from bridge_mcp.ports import Pairing
from bridge_mcp.stores.sqlite import open_store
from tests.acceptance.parts import Home
from tests.integration.setup import ANN, WallClock

TOLD: dict[tuple[str, ...], tuple[str, ...]] = {
    ("status",): (),
    ("check",): (),
    ("approvals", "list"): ("files__look", "cannot be read"),
    ("approvals", "list", "--json"): ("files__look", "cannot be read"),
    ("events", "--after", "0"): ("good morning", "unreadable"),
    ("log", "desk/newer"): ("good morning", "cannot be read", "Upgrade mcp-chat-bridge"),
    ("log", "desk/damaged"): ("good morning", "cannot be read", "restore a backup"),
    ("log", "desk/damaged", "--json"): ("good morning", '"why"'),
    ("say", "desk/damaged", "and now?"): ("said",),
}
"""Each command, and what it tells."""


async def poison(home: Home) -> None:
    """Two conversations; in each the second to the fourth of five entries are spoiled: newer ones, and damaged ones."""
    home.write('[channels.desk]\ntype = "local"\nresponder = "relay"\n')
    home.state.mkdir()
    store = await open_store(home.state / "bridge.db", clock=WallClock(), delivered_by_commit=frozenset({"desk"}))
    await store.access.pair(Pairing("desk", "1"))
    for name in ("desk/newer", "desk/damaged"):
        await store.log.record(name, Heard("good evening", ANN, "1", to="relay"))
        await store.log.record(name, Posted("hello", Sender("host", "host", "client"), "k"))
        await store.log.record(name, Asked("0.0", "files", "files__look", arguments="{}", digest="digest"))
        await store.log.record(name, Heard("lost", ANN, "2", to="relay"))
        await store.log.record(name, Heard("good morning", ANN, "3", to="relay"))
    await store.close()
    spoiled = "seq IN (1, 2, 3) AND conversation = (SELECT id FROM conversations WHERE name = ?)"
    change = f"UPDATE log SET body = {{}} WHERE {spoiled}"
    with closing(sqlite3.connect(home.state / "bridge.db", isolation_level=None)) as connection:
        connection.execute(change.format("""replace(body, '{"v":1,', '{"v":2,')"""), ("desk/newer",))
        connection.execute(change.format("'\x1b[2J' || substr(body, 1, 30)"), ("desk/damaged",))


@pytest.mark.shows("store.unreadable")
async def test_no_command_fails_for_entries_that_cannot_be_read(home: Home) -> None:
    await poison(home)
    for arguments, told in TOLD.items():
        done = home.done(*arguments)
        assert done.returncode == 0, (arguments, done.stdout + done.stderr)
        assert "Traceback" not in done.stderr, (arguments, done.stderr)
        assert "error:" not in done.stderr, (arguments, done.stderr)
        assert "\x1b[2J" not in done.stdout, arguments
        for word in told:
            assert word in done.stdout, (arguments, done.stdout)
    done = home.done("log", "desk/damaged", "--verify")
    assert done.returncode == 1
    assert "good morning" in done.stdout
    assert "desk/damaged, entry 1" in done.stderr
    assert "Traceback" not in done.stderr
