"""The quick way to write a request writes what the store itself would: the same rows, and the same text."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from bridge_mcp.core.codec import decode, encode
from bridge_mcp.core.entries import Asked, External, Requested
from bridge_mcp.core.errors import StoreError
from bridge_mcp.hooks.events import BrokenInput, Permission
from bridge_mcp.hooks.filing import body_of, canonical, conversations_of, prefix_of, principal_of, request
from bridge_mcp.hooks.hosts import HOSTS, host_named
from bridge_mcp.operations.external_calls import request_of
from bridge_mcp.operations.tickets import is_call_of, slug
from bridge_mcp.ports import Store
from bridge_mcp.stores.quick_request import look
from bridge_mcp.stores.sqlite import open_store
from bridge_mcp.testing import ManualClock
from tests.cases.hook_inputs import hook_event
from tests.contract.store_kit import Place, PostgresPlace
from tests.servers.postgres import Database

ODD: dict[str, Any] = {"command": 'echo "ü" \t\x01\x7f 😀 </script>', "n": [1, 2.5, None, True], "ä": {"b": ""}}


def call_of(host: str = "claude-code", **arguments: Any) -> Permission:
    found = host_named(host).read(hook_event(host, "asks"), {})
    assert isinstance(found, Permission)
    found.arguments = arguments or found.arguments
    return found


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("arguments", [{}, ODD])
def test_the_text_is_the_one_that_the_codec_writes(host: str, arguments: dict[str, Any]) -> None:
    call, found = call_of(host, **arguments), host_named(host)
    body = body_of(found, call, canonical(call.arguments), "0123456789abcdef")
    entry = decode(body)
    assert encode(entry) == body
    assert isinstance(entry, Requested)
    assert isinstance(entry.external, External)
    made = request_of("calls/x", entry.external, call.arguments, principal_of(found))
    assert made.entry == entry


async def test_the_rows_are_those_that_the_store_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, host, call = ManualClock(1000.0), host_named("claude-code"), call_of()
    arguments = canonical(call.arguments)
    name = next(conversations_of(host, call, arguments))
    for path in (tmp_path / "quick.db", tmp_path / "whole.db"):
        await (await open_store(path, clock=clock)).close()
    with monkeypatch.context() as context:
        context.setattr("bridge_mcp.hooks.filing.time.time", clock.now)
        context.setattr("bridge_mcp.stores.quick_request.urandom", bytes)
        assert request(str(tmp_path / "quick.db"), host, call, "me") == name
    whole = await open_store(tmp_path / "whole.db", clock=clock)
    monkeypatch.setattr("bridge_mcp.stores.sql.appends.urandom", bytes)
    await whole.log.intend(name, 0, decode(body_of(host, call, arguments, "me")))
    await whole.close()
    quick, usual = (rows(tmp_path / each) for each in ("quick.db", "whole.db"))
    assert quick["log"]
    assert quick == usual
    verified = await open_store(tmp_path / "quick.db", clock=clock)
    assert await verified.verify() == ()
    assert await verified.agenda.due(clock.now(), 10) == (name,)
    await verified.close()


def rows(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table but those of the index of words, which is behind messages only."""
    connection = sqlite3.connect(path)
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    found = {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in tables if "words" not in name}
    connection.close()
    return found


async def test_the_same_call_again_is_the_next_one_and_a_session_is_found_by_its_prefix(tmp_path: Path) -> None:
    path, host, call = str(tmp_path / "bridge.db"), host_named("claude-code"), call_of()
    await (await open_store(path, clock=ManualClock())).close()
    first, second = (request(path, host, call, "me") for _ in range(2))
    assert first != second
    found, _ = look(path, prefix_of(host, call.session))
    assert set(found) == {first, second}
    assert json.loads(found[first])["kind"] == "Requested"
    assert look(path, prefix_of(host, "another")) == ({}, False)
    assert is_call_of(first, "hook:claude-code")
    assert first.startswith(f"calls/{slug('hook:claude-code')}.")


async def test_a_look_finds_what_is_open_on_either_store(place: Place, store: Store) -> None:
    where = place.url if isinstance(place, PostgresPlace) else str(place.folder / "bridge.db")
    host, call = host_named("claude-code"), call_of()
    prefix, tool = prefix_of(host, call.session), "channel:claude-code__Bash"
    assert look(where, prefix, tool) == ({}, False)
    body = body_of(host, call, canonical(call.arguments), "me")
    name = next(conversations_of(host, call, canonical(call.arguments)))
    await store.log.intend(name, 0, decode(body))
    await store.log.record("desk/1", Asked("1.0", "channel:claude-code", tool, "{}", "d"))
    assert look(where, prefix, tool) == ({name: body}, True)
    assert look(where, prefix, "channel:claude-code__Read") == ({name: body}, False)
    assert look(where, prefix) == ({name: body}, False)


async def test_a_database_of_another_version_is_left_to_the_store(store_database: Database) -> None:
    with store_database.connect() as connection:
        connection.execute("UPDATE bridge_mcp_schema SET version = version + 1")
    with pytest.raises(StoreError, match="schema version"):
        look(store_database.url, "calls/")
    with pytest.raises(StoreError):
        look("postgresql://nobody@127.0.0.1:1/nothing", "calls/")


@pytest.mark.parametrize("state", ["missing", "older", "broken"])
async def test_what_is_not_this_version_s_store_is_left_to_the_store(tmp_path: Path, state: str) -> None:
    path = tmp_path / "bridge.db"
    if state == "older":
        sqlite3.connect(path).execute("PRAGMA user_version = 3").connection.commit()
    if state == "broken":
        path.write_bytes(b"no database" * 1000)
    assert request(str(path), host_named("codex"), call_of("codex"), "me") == ""
    with pytest.raises(StoreError):
        look(str(path), "calls/")
    assert path.exists() == (state != "missing")


@pytest.mark.parametrize("value", [float("nan"), "\ud800", "x" * 1_000_001])
def test_arguments_that_cannot_be_kept_are_refused(value: Any) -> None:
    with pytest.raises(BrokenInput):
        canonical({"command": value})
