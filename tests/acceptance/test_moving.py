"""`migrate --from … --to …`: a whole bridge into Postgres and back, by the installed command."""

from __future__ import annotations

import pytest

from tests.acceptance.parts import Home
from tests.servers.postgres import Database


@pytest.mark.shows("store.moves", "store.postgres-secrets")
def test_a_bridge_goes_into_a_database_and_comes_back(home: Home, database: Database) -> None:
    home.scripted()
    home.run("say", "desk/main", "hello there")
    store = home.state / "bridge.db"
    refused = home.done("migrate", "--from", f"sqlite:///{store}", "--to", database.tcp_url).stderr
    assert "command lines can be read by others" in refused
    assert database.server.password not in refused
    of_key = "postgresql://bridge@127.0.0.1:1/x?sslpassword=key-pass"
    odd = [f"postgresql://bridge:{each}@127.0.0.1:1/x" for each in ("ha#sh-pass", "sla/sh-pass", "at@sign-pass")]
    for url in (of_key, *odd):
        assert "command lines can be read" in home.run("migrate", "--from", f"sqlite:///{store}", "--to", url, code=1)
    told = home.run("migrate", "--from", f"sqlite:///{store}", "--to", "env:DB", code=1, DB=odd[-1])
    assert "%40 for @" in told
    assert "sign-pass" not in told
    assert "has a --from and a --to" in home.run("migrate", "--to", "sqlite:///x.db", code=1)
    assert "no URL of a store" in home.run("migrate", "--from", "x.db", "--to", "env:DB", code=1, DB=database.tcp_url)
    moved = home.run("migrate", "--from", f"sqlite:///{store}", "--to", "env:DB", DB=database.tcp_url)
    assert "Moved 1 conversation" in moved
    assert "[store] url" in moved
    assert database.server.password not in moved
    back = home.work / "back.db"
    home.run("migrate", "--from", "env:DB", "--to", f"sqlite:///{back}", DB=database.tcp_url)
    home.config.write_text(f'[store]\nurl = "sqlite:///{back}"\n' + home.config.read_text("utf-8"), "utf-8")
    assert "hello there" in home.run("log", "desk/main")
    home.run("log", "desk/main", "--verify")
