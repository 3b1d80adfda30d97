"""The bridge inside one's own program, and what becomes of an engine that breaks."""

from __future__ import annotations

import logging
import sqlite3
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing

import anyio
import pytest

from bridge_mcp.assembly import Assembly, open_bridge
from bridge_mcp.config import load_config
from bridge_mcp.core.errors import ConfigError, NotFound
from bridge_mcp.service import OWNER
from tests.acceptance.parts import WAIT_S, Home


@asynccontextmanager
async def opened(home: Home) -> AsyncGenerator[Assembly]:
    async with open_bridge(load_config(env=home.environment(), cwd=home.work)) as assembly:
        yield assembly


@pytest.mark.shows("cli.embedding")
async def test_a_program_opens_the_bridge_and_has_a_turn(home: Home) -> None:
    home.scripted()
    async with opened(home) as assembly:
        ticket = await assembly.bridge.run_turn(OWNER, "desk/main", "hello", wait_s=20)
        assert ticket.text == "echo: hello"
        assert assembly.is_engine
    assert not assembly.is_engine


async def test_what_the_program_raises_comes_out_as_it_is(home: Home) -> None:
    home.scripted()
    with pytest.raises(NotFound):
        async with opened(home) as assembly:
            await assembly.bridge.send_message(OWNER, "nowhere/main", "hello")


async def test_two_in_one_program_share_the_place(home: Home) -> None:
    home.scripted()
    async with opened(home) as first:
        await first.bridge.run_turn(OWNER, "desk/main", "hello", wait_s=20)
        async with opened(home) as second:
            ticket = await second.bridge.run_turn(OWNER, "desk/main", "hello again", wait_s=20)
            assert ticket.text == "echo: hello again"
            assert (first.is_engine, second.is_engine) == (True, False)


STANDS_BY = """
import sys, anyio
from bridge_mcp.assembly import open_bridge
from bridge_mcp.config import load_config

async def main():
    async with open_bridge(load_config()) as assembly:
        with anyio.fail_after(30):
            while "bridge_mcp.toolservers.mcp_connection" not in sys.modules:
                await anyio.sleep(0.02)
        print("the engine" if assembly.is_engine else "stands by")

anyio.run(main)
"""


async def test_who_stands_by_loads_what_a_takeover_would_wait_for(home: Home) -> None:
    home.scripted()
    async with opened(home) as first:
        await first.bridge.run_turn(OWNER, "desk/main", "hello", wait_s=20)
        other = await anyio.run_process([sys.executable, "-c", STANDS_BY], cwd=home.work, env=home.environment())
        assert other.stdout == b"stands by\n"
        assert first.is_engine


class Listener(logging.Handler):
    """Waits for a line of the log."""

    def __init__(self, line: str) -> None:
        super().__init__()
        self.heard = anyio.Event()
        self._line = line

    def emit(self, record: logging.LogRecord) -> None:
        if self._line in record.getMessage():
            self.heard.set()


async def test_an_engine_whose_store_fails_goes_on_once_it_works_again(home: Home) -> None:
    home.scripted()
    failed = Listener("Looking for conversations with something to do failed")
    logging.getLogger("bridge_mcp.engine.supervision").addHandler(failed)
    try:
        async with opened(home) as assembly:
            await assembly.bridge.run_turn(OWNER, "desk/main", "hello", wait_s=20)
            with closing(sqlite3.connect(home.state / "bridge.db", isolation_level=None)) as other:
                other.execute("ALTER TABLE conversations RENAME TO hidden")
                with anyio.fail_after(WAIT_S):
                    await failed.heard.wait()
                other.execute("ALTER TABLE hidden RENAME TO conversations")
            ticket = await assembly.bridge.run_turn(OWNER, "desk/main", "still there?", wait_s=30)
            assert ticket.text == "echo: still there?"
            assert assembly.is_engine
    finally:
        logging.getLogger("bridge_mcp.engine.supervision").removeHandler(failed)


async def test_an_engine_that_breaks_is_told_of_and_started_again(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.scripted()
    broke = Listener("the engine broke: RuntimeError: a bug")
    logging.getLogger("bridge_mcp.assembly").addHandler(broke)

    async def broken(*args: object) -> tuple[str, ...]:
        raise RuntimeError("a bug")

    try:
        async with opened(home) as assembly:
            await assembly.bridge.run_turn(OWNER, "desk/main", "hello", wait_s=20)
            with monkeypatch.context() as patch:
                patch.setattr(assembly.store.agenda, "due", broken)
                with anyio.fail_after(WAIT_S):
                    await broke.heard.wait()
            ticket = await assembly.bridge.run_turn(OWNER, "desk/main", "still there?", wait_s=30)
            assert ticket.text == "echo: still there?"
    finally:
        logging.getLogger("bridge_mcp.assembly").removeHandler(broke)


async def test_a_mistake_in_a_script_is_told_before_anything_starts(home: Home) -> None:
    home.scripted()
    (home.config.parent / "rules.toml").write_text('[[rule]]\nwhen = "("\n', "utf-8")
    with pytest.raises(ConfigError, match=r"rules\.toml"):
        async with opened(home):
            pass
    assert not (home.state / "bridge.db").exists()
