"""A nested server that says where its login is: it sends nobody into our network, and its answers are bounded."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest

from bridge_mcp.core.errors import ToolFailed
from bridge_mcp.core.network_places import place_among
from bridge_mcp.toolservers import oauth
from bridge_mcp.toolservers.oauth_guard import MAX_BODY, Steered, check_place
from bridge_mcp.toolservers.settings import ToolServer
from tests.servers.launch import opened


class Steering:
    """A server that wants a login, and what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.challenge = ""
        self.answers: dict[str, Any] = {}
        self.pages: dict[str, str] = {}
        """What these addresses answer with 200."""
        self.sent = 0
        self.url = ""


@contextmanager
def served(made: Steering) -> Generator[Steering]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked.append(f"{self.command} {self.path}")
            self.rfile.read(int(self.headers.get("content-length", 0)))
            answer = made.answers.get(self.path)
            if answer == "endless":
                self.send_response(200)
                self.end_headers()
                try:
                    while made.sent < 64 * MAX_BODY:
                        made.sent += self.wfile.write(b" " * 65_536)
                except OSError:
                    return
            elif self.path in made.pages:
                page = made.pages[self.path].encode("utf-8", "surrogatepass")
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(page)))
                self.end_headers()
                self.wfile.write(page)
            elif isinstance(answer, str):
                self.send_response(302)
                self.send_header("location", answer)
                self.send_header("content-length", "0")
                self.end_headers()
            else:
                self.send_response(404 if self.command == "GET" else 401)
                if made.challenge:
                    self.send_header("www-authenticate", f'Bearer resource_metadata="{made.challenge}"')
                self.send_header("content-length", "0")
                self.end_headers()

        do_POST = do_GET  # noqa: N815 - the name that http.server looks for

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def server() -> Iterator[Steering]:
    with served(Steering()) as made:
        yield made


@pytest.fixture
def inner() -> Iterator[Steering]:
    """What nobody outside should reach."""
    with served(Steering()) as made:
        yield made


@pytest.mark.shows("tool-servers.login")
async def test_the_engine_goes_nowhere_for_a_login(server: Steering, inner: Steering, tmp_path: Path) -> None:
    server.challenge = f"{inner.url}/secrets"
    settings = ToolServer("hub", url=f"{server.url}/mcp", oauth=True)
    async with opened(settings, tokens=tmp_path, pause_s=3600) as at:
        assert at.error("hub").endswith("it wants somebody to log in. Run: bridge-mcp servers login hub")
    assert inner.asked == []
    assert {each.partition(" ")[2] for each in server.asked} == {"/mcp"}, "no discovery, no registration"


@pytest.mark.parametrize(
    "there", ["http://169.254.169.254/latest", "http://[fe80::1]/x", "http://[::ffff:169.254.169.254]/x",
              "http://0.0.0.0:1/", "http://10.1.2.3/x", "http://192.0.2.1/x"],
)  # fmt: skip
async def test_a_login_goes_to_no_address_that_is_not_open_to_its_server(
    server: Steering, tmp_path: Path, there: str
) -> None:
    server.challenge = there
    with pytest.raises(ToolFailed, match="refused"):
        await oauth.log_in(ToolServer("hub", url=f"{server.url}/mcp", oauth=True), tmp_path, lambda address: None)


async def test_a_login_follows_no_redirect_to_another_address(
    server: Steering, inner: Steering, tmp_path: Path
) -> None:
    server.challenge = f"{server.url}/meta"
    server.answers["/meta"] = f"{inner.url}/secrets"
    with pytest.raises(ToolFailed):
        await oauth.log_in(ToolServer("hub", url=f"{server.url}/mcp", oauth=True), tmp_path, lambda address: None)
    assert "GET /meta" in server.asked
    assert inner.asked == []


async def test_an_answer_without_end_is_cut_off(server: Steering, tmp_path: Path) -> None:
    server.challenge = f"{server.url}/meta"
    server.answers["/meta"] = "endless"
    with pytest.raises(ToolFailed, match="larger than 262,144 bytes"):
        await oauth.log_in(ToolServer("hub", url=f"{server.url}/mcp", oauth=True), tmp_path, lambda address: None)
    assert server.sent < 32 * MAX_BODY


@pytest.mark.parametrize(
    ("addresses", "where"),
    [
        (["8.8.8.8"], "global"),
        (["2606:4700::1111"], "global"),
        (["8.8.8.8", "10.0.0.1"], "private"),
        (["100.64.0.1"], "private"),
        (["fd00::1"], "private"),
        (["127.0.0.1"], "loopback"),
        (["::1"], "loopback"),
        (["::ffff:127.0.0.1"], "loopback"),
        (["2002:7f00:1::"], "loopback"),
        (["8.8.8.8", "169.254.169.254"], "never"),
        (["fe80::1%eth0"], "never"),
        (["0.0.0.0"], "never"),
        (["224.0.0.1"], "never"),
        ([], "global"),
    ],
)
def test_where_a_host_is(addresses: list[str], where: str) -> None:
    assert place_among(addresses) == where


@pytest.mark.parametrize(
    ("home", "there", "passes"),
    [
        ("https://8.8.8.8/mcp", "https://8.8.4.4/token", True),
        ("https://8.8.8.8/mcp", "http://8.8.4.4/token", False),
        ("https://8.8.8.8/mcp", "https://127.0.0.1/token", False),
        ("https://8.8.8.8/mcp", "https://10.0.0.1/token", False),
        ("http://127.0.0.1:1/mcp", "http://127.0.0.1:2/token", True),
        ("http://127.0.0.1:1/mcp", "https://8.8.8.8/token", True),
        ("http://10.0.0.1/mcp", "http://10.0.0.2/token", True),
        ("http://10.0.0.1/mcp", "http://127.0.0.1/token", False),
        ("http://169.254.169.254/mcp", "http://169.254.169.254/token", True),
        ("http://169.254.169.254/mcp", "http://169.254.169.254:81/token", False),
    ],
)
async def test_where_a_login_may_go(home: str, there: str, passes: bool) -> None:
    if passes:
        await check_place(httpx2.URL(there), httpx2.URL(home))
    else:
        with pytest.raises(Steered):
            await check_place(httpx2.URL(there), httpx2.URL(home))
