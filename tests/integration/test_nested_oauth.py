"""OAuth: the engine says that somebody has to log in, a person does, and from then on it works without one."""

from __future__ import annotations

import threading
import time
import webbrowser
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest

from bridge_mcp.toolservers import oauth
from bridge_mcp.toolservers.settings import ToolServer
from tests.servers.launch import WebServer, opened


def agree(browser: httpx2.Client, address: str) -> None:
    """What a person does in a browser, beside our loop. The page that takes the answer opens a moment later."""
    back = browser.get(address).headers["location"]
    for _ in range(1000):
        with suppress(httpx2.ConnectError):
            browser.get(back)
            return
        time.sleep(0.02)


@pytest.fixture
async def guarded() -> AsyncGenerator[WebServer]:
    """A server behind an authorization server that lets everybody in."""
    server = WebServer((), module="guarded")
    await server.start()
    yield server
    await server.kill()


@pytest.mark.shows("tool-servers.login")
async def test_a_person_logs_in_once(guarded: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    browser = httpx2.Client()
    monkeypatch.setattr(webbrowser, "open", asked.append)
    server = ToolServer("hub", url=guarded.url, oauth=True)
    folder = tmp_path / "oauth"
    async with opened(server, tokens=folder, pause_s=3600) as at:
        assert at.state("hub") == "degraded"
        assert at.error("hub").endswith("it wants somebody to log in. Run: bridge-mcp servers login hub")
        assert asked == [], "the engine never opens a browser"

    def consent(address: str) -> None:
        threading.Thread(target=agree, args=(browser, address), daemon=True).start()

    await oauth.log_in(server, folder, consent)
    assert len(asked) == 1
    (tokens,) = folder.iterdir()
    assert tokens.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    for _ in range(2):
        async with opened(server, tokens=folder) as at:
            assert at.error("hub") == ""
            assert await at.text("hello") == "hello"
    assert len(asked) == 1
    tokens.write_text("damaged", encoding="utf-8")
    async with opened(server, tokens=folder, pause_s=3600) as at:
        assert "servers login hub" in at.error("hub")
    browser.close()
