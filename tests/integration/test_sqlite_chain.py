"""The chain over a log: whatever is changed in the store by hand is found, and where it begins."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from bridge_mcp.core.hash_chain import FIRST, link
from bridge_mcp.stores.sqlite import open_store, verify
from tests.contract.store_kit import StoreClock, say


@pytest.mark.shows("store.chain")
@pytest.mark.parametrize(
    ("tampering", "told"),
    [
        ("UPDATE log SET body = replace(body, 'two', 'owt') WHERE seq = 1", "entry 1: its seal is broken"),
        ("UPDATE log SET at = at + 1 WHERE seq = 2", "entry 2: its seal is broken"),
        ("UPDATE log SET link = x'00' WHERE seq = 1", "entry 1: its seal is broken"),
        ("DELETE FROM log WHERE seq = 1", "entry 2: its seal is broken"),
        ("DELETE FROM log WHERE seq = 3", "next entry is 4"),
        ("UPDATE conversations SET tip = x'00'", "newest seal"),
    ],
)
async def test_an_entry_that_was_changed_is_found(tmp_path: Path, tampering: str, told: str) -> None:
    path = tmp_path / "bridge.db"
    store = await open_store(path, clock=StoreClock())
    await say(store, "family/1", "one", "two", "three", "four")
    await store.close()
    assert verify(path) == ()
    with sqlite3.connect(path) as connection:
        assert connection.execute(tampering).rowcount == 1
    connection.close()
    found = verify(path, "family/1")
    assert any(told in line for line in found), found


def test_a_link_binds_place_time_and_text() -> None:
    links = {
        link(FIRST, "a/1", 0, 1.0, "x"), link(FIRST, "a/2", 0, 1.0, "x"), link(FIRST, "a/1", 1, 1.0, "x"),
        link(FIRST, "a/1", 0, 1.5, "x"), link(FIRST, "a/1", 0, 1.0, "y"), link(b"0", "a/1", 0, 1.0, "x"),
    }  # fmt: skip
    assert len(links) == 6
