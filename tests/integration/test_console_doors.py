"""The console over ASGI: who comes in while an issuer is away, and what a client with limits sees on every page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.requests import Request

from bridge_mcp.console.following import news
from bridge_mcp.console.guard import cookie_name
from bridge_mcp.console.navigation import PAGES
from bridge_mcp.console.rendering import environment
from bridge_mcp.console.serving import ConsoleOptions, make_console
from bridge_mcp.console.sessions import Visitor
from bridge_mcp.console.visits import Form, Visit
from bridge_mcp.core.bearer_tokens import OAuth, hash_token
from bridge_mcp.core.policy import SCOPES, Principal
from bridge_mcp.ports import EventPage
from bridge_mcp.service import OWNER, Bridge
from bridge_mcp.testing import FakeModel, FakeToolbox, calls, says
from tests.integration.setup import world
from tests.integration.test_oauth_http import ISSUER, RESOURCE, token

ORIGIN = "http://127.0.0.1:8765"
LIMITED = "token-of-a-limited-client-012345"


def browser_at(bridge: Bridge, options: ConsoleOptions) -> httpx2.AsyncClient:
    """A browser that shows the console of a bridge."""
    transport = httpx2.ASGITransport(make_console(bridge, options))
    return httpx2.AsyncClient(transport=transport, base_url=ORIGIN, headers={"origin": ORIGIN})


async def test_a_token_whose_issuer_is_away_is_told_so(tmp_path: Path) -> None:
    options = ConsoleOptions(oauth=OAuth(ISSUER, "http://127.0.0.1:9/jwks", RESOURCE))
    async with world(tmp_path, engine=False) as here, browser_at(here.bridge, options) as browser:
        answer = await browser.post("/console/sign-in", data={"token": token()})
        assert answer.status_code == 503
        assert "keys cannot be fetched" in answer.text


async def test_templates_are_compiled_before_the_first_visit(tmp_path: Path) -> None:
    environment.cache_clear()
    async with world(tmp_path, engine=False) as here:
        console = make_console(here.bridge, ConsoleOptions())
        await console.prepare()
        compiled = {str(name) for _, name in environment().cache or ()}
        assert compiled == {*environment().list_templates()}
        console.close()


async def test_a_chat_that_is_followed_shows_nothing_once_the_token_is_revoked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(tmp_path, FakeModel([says("hello"), says("nobody sees this")])) as here:
        await here.settled("hello")
        client, _ = await here.bridge.add_client(OWNER, "vera")
        (stored,) = await here.bridge.store.clients.all()
        console = make_console(here.bridge, ConsoleOptions())
        value = await console.sessions.open(Visitor(client.principal, stored.token_hash))
        session = await console.sessions.find(value)
        assert session is not None
        headers = [(b"cookie", f"{cookie_name(ORIGIN)}={value}".encode())]
        request = Request({"type": "http", "headers": headers, "query_string": b""})
        wait = here.bridge.wait_for_events

        async def revoked_meanwhile(*args: Any, **options: Any) -> EventPage:
            await here.bridge.revoke_client(OWNER, "vera")
            await here.say("only for who may still read")
            return await wait(*args, **options)

        monkeypatch.setattr(here.bridge, "wait_for_events", revoked_meanwhile)
        visit = Visit(request, console, session, origin=ORIGIN, form=Form())
        assert [page async for page, _ in news(visit, "local/main")] == []


async def test_a_client_with_limits_sees_nothing_beyond_them_on_any_page(tmp_path: Path) -> None:
    toolbox = FakeToolbox()

    @toolbox.tool("files__delete")
    async def delete(arguments: object) -> str:  # pyright: ignore[reportUnusedFunction]
        return "gone"

    model = FakeModel([says("the zebra is SECRET"), calls(("files__delete", {"name": "SECRET"}))])
    limits = frozenset({"family/42"})
    known = {hash_token(LIMITED): Principal("lim", scopes=frozenset(SCOPES), conversations=limits, via="mcp")}
    async with (
        world(tmp_path, model, toolbox) as here,
        browser_at(here.bridge, ConsoleOptions(clients=known)) as browser,
    ):
        await here.settled("what is SECRET?")
        await here.say("delete SECRET")
        (waiting,) = await here.approvals()
        answer = await browser.post("/console/sign-in", data={"token": LIMITED})
        assert answer.status_code == 303
        other = "local/main"
        (message, *_) = (await here.bridge.read_messages(OWNER, other)).messages
        asked = {"id": other, "q": "zebra", "message": message.id, "index": "0", "status": "any", "channel": "local"}
        seen: set[int] = set()
        for page in PAGES:
            if page.method != "GET" or page.path.endswith("/stream"):
                continue
            path = "/console" + page.path.replace("{id}", waiting.id)
            for query in ({}, asked, {"status": "any"}, {"q": "zebra"}):
                shown = await browser.get(path, params=query)
                seen.add(shown.status_code)
                assert "SECRET" not in shown.text, path
                assert not (shown.status_code == 200 and waiting.id in shown.text), path
        assert seen <= {200, 400, 403, 404}
        assert await here.bridge.search_messages(OWNER, "zebra")
