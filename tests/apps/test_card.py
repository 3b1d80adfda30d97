"""The card of the approvals in a host's page that is not ours: ext-apps' AppBridge from npm, in a real Chromium.

The host hands the card's calls to a client of a bridge in this process, which declares that it shows cards. Who meets
any of it is shown over the installed command: on a pipe, and with `serve --http` by token.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest
from mcp.client import Client
from mcp.client.client import ConnectMode
from mcp.client.extension import advertise
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import TextResourceContents
from playwright.async_api import Browser, Frame, Page, async_playwright, expect

from bridge_mcp.console.card import Card
from bridge_mcp.core.policy import Principal
from bridge_mcp.server.app import always, build_server
from bridge_mcp.service import OWNER, Bridge
from tests.acceptance.parts import COMMAND, Home
from tests.acceptance.test_serving import running as command
from tests.acceptance.test_serving import until
from tests.console.bridge_process import running
from tests.console.conftest import ARGUMENTS, CHROMIUM, axe_script
from tests.servers.npm import cannot_be_had, packages

EXTENSION, CARD = "io.modelcontextprotocol/ui", "ui://bridge/approvals.html"
SHOW, DECIDE = "show_card", "decide_on_card"
MIME = "text/html;profile=mcp-app"
SHOWS = [advertise(EXTENSION, {"mimeTypes": [MIME]})]
CLIENTS = """
[clients.desk]
token_env = "DESK_TOKEN"
scopes = ["read", "tools", "approve"]
person_decides = true
[clients.agent]
token_env = "AGENT_TOKEN"
scopes = ["read", "tools", "approve"]
[clients.guest]
token_env = "GUEST_TOKEN"
scopes = ["read"]
person_decides = true
"""
TOKENS = {f"{name}_TOKEN": f"token-of-the-{name}" for name in ("DESK", "AGENT", "GUEST")}
PERSON = "[clients.stdio]\nperson_decides = true\n"
EVIL = "</pre><script>alert(1)</script><img src=x onerror=alert(1)>"
HOST = Principal("stdio", scopes=frozenset({"read", "send", "approve", "tools"}), via="mcp", attended=True)
MOST_BYTES = 40_000


async def listed(client: Client) -> dict[str, dict[str, Any]]:
    """What each tool says of a card."""
    return {each.name: (each.meta or {}).get("ui", {}) for each in (await client.list_tools()).tools}


@pytest.fixture(scope="module")
def host_page() -> str:
    """A host's page, bundled."""
    wanted = ("@modelcontextprotocol/ext-apps@2.0.4", "@modelcontextprotocol/client@2.4.0", "esbuild@0.28.2")
    modules = packages("mcp-apps", *wanted)
    script = modules.parent / "host.js"
    shutil.copy(Path(__file__).with_name("host.js"), script)
    bundled = subprocess.run(
        [modules / ".bin" / "esbuild", script, "--bundle", "--format=iife", "--log-level=error"],
        capture_output=True, text=True, check=True, cwd=modules.parent,
    ).stdout  # fmt: skip
    # A page of its own policy, as hosts give frames one: no request to anywhere.
    policy = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; frame-src 'self'"
    safe = bundled.replace("</script", "<\\/script")
    return f'<!doctype html><meta http-equiv="Content-Security-Policy" content="{policy}"><script>{safe}</script>'


@pytest.fixture(scope="module")
async def browser(anyio_backend: str) -> AsyncGenerator[Browser]:
    """One for all tests here."""
    if not CHROMIUM:
        cannot_be_had("Chromium is not on this machine: apt install chromium")
    async with async_playwright() as playwright:
        made = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield made
        await made.close()


@pytest.fixture(scope="module")
async def shared(anyio_backend: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Bridge]:
    """One for all tests here, with a planned model and tools of many kinds."""
    async with running(tmp_path_factory.mktemp("card"), engine=True) as made:
        yield made


@pytest.fixture
async def bridge(shared: Bridge) -> Bridge:
    """It, with nothing that waits."""
    if waiting := await shared.list_approvals(OWNER):
        await shared.reject_calls(OWNER, [each.id for each in waiting])
    return shared


@asynccontextmanager
async def client_of(bridge: Bridge, who: Principal) -> AsyncGenerator[Client]:
    """A client that shows cards."""
    server = build_server(bridge, always(who), card=lambda: Card(bridge))
    async with Client(server, extensions=SHOWS) as client:
        yield client


async def asks(bridge: Bridge, *calls: tuple[str, Mapping[str, object]], at: str) -> None:
    """Have the assistant ask for calls, in one reply."""
    await bridge.say(OWNER, f"local/{at}", "calls " + json.dumps(calls))


@asynccontextmanager
async def shown(client: Client, browser: Browser, host_page: str, theme: str) -> AsyncGenerator[tuple[Page, Frame]]:
    """The card in the host's page; nothing may go wrong in either, and nothing is asked of any address."""
    wrong: list[str] = []
    page = await browser.new_page(viewport={"width": 760, "height": 900})
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda told: wrong.append(told.text) if told.type == "error" else None)
    page.on("request", lambda request: wrong.append(request.url) if request.url.startswith("http") else None)

    async def call_tool(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        result = await client.call_tool(name, arguments)
        return result.model_dump(by_alias=True, exclude_none=True, mode="json")

    browser_page: Any = page
    await browser_page.expose_function("callTool", call_tool)
    await page.set_content(host_page)
    (content,) = (await client.read_resource(CARD)).contents
    assert isinstance(content, TextResourceContents)
    told = await call_tool("list_approvals", {})
    await page.evaluate("([html, result, theme]) => window.show(html, result, theme)", [content.text, told, theme])
    card = page.frames[1]
    await expect(card.get_by_role("heading", level=1)).to_have_text("Approvals")
    yield page, card
    if folder := os.environ.get("BRIDGE_MCP_TEST_PICTURES"):
        await page.screenshot(path=f"{folder}/card-{theme}.png", full_page=True)
    await page.evaluate("window.tearDown()")
    await page.close()
    assert wrong == []


async def grave_findings(card: Frame) -> list[str]:
    """What axe-core finds in the card, everything in it unfolded."""
    for fold in await card.locator("main details").all():
        await fold.evaluate("fold => { fold.open = true }")
    await card.evaluate(axe_script())
    result = cast("dict[str, Any]", await card.evaluate("() => axe.run(document, {resultTypes: ['violations']})"))
    assert await card.evaluate("document.documentElement.scrollWidth <= innerWidth")
    return [
        f"{each['id']}: {each['nodes'][0]['html'][:160]}"
        for each in result["violations"]
        if each["impact"] in ("serious", "critical")
    ]


@pytest.mark.shows("tools.apps")
async def test_a_person_decides_on_the_card_as_in_the_console(bridge: Bridge, browser: Browser, host_page: str) -> None:
    await asks(bridge, ("files__write", {"path": "a/../b", "text": EVIL, "copies": 2}), at="hostile")
    await asks(bridge, *[("files__delete", {"name": f"{n}.txt"}) for n in range(3)], at="batch")
    async with client_of(bridge, HOST) as client, shown(client, browser, host_page, "light") as (_, card):
        rows = card.locator("#approvals > li.waits")
        await expect(rows).to_have_count(4)
        hostile = rows.filter(has_text="files__write")
        await expect(hostile.locator("pre").nth(2)).to_have_text(EVIL)
        await expect(hostile).to_contain_text("leaves its folder")
        assert await card.locator("script, img").count() == 1  # the card's own script
        assert await grave_findings(card) == []

        await hostile.get_by_role("link", name="Edit, remember").click()
        await card.get_by_text("Change the arguments").click()
        copies = card.get_by_role("textbox", name="copies optional")
        await copies.fill("12")
        await copies.press("Enter")  # decides nothing
        await card.get_by_role("button", name="Approve").click()
        await expect(copies).to_have_attribute("aria-invalid", "true")
        await expect(card.locator(".field", has=copies).locator(".wrong")).to_contain_text("12")
        assert await grave_findings(card) == []
        await copies.fill("3")
        await card.get_by_label("Note or reason").fill("three will do")
        await card.get_by_role("button", name="Approve").click()
        state = card.locator("#state")
        await expect(state).to_contain_text("Approved by person at stdio by way of mcp app")
        await expect(state).to_contain_text("three will do")
        await expect(state.locator(".changed dt")).to_have_text(["copies edited"])
        await expect(state.locator(".result")).to_contain_text("to a/../b")  # comes in by itself

        await card.get_by_role("link", name="Approvals").click()
        await card.get_by_role("button", name="Reject all 3").first.click()
        await expect(card.locator("#none")).to_be_visible()
    found = [each for each in await bridge.list_approvals(OWNER, status="any") if each.decided_by != "owner"]
    assert [each.decided_via for each in found] == ["mcp app"] * 4


@pytest.mark.shows("tools.apps")
async def test_a_verdict_is_remembered_on_the_card_and_others_verdicts_show_there(
    bridge: Bridge, browser: Browser, host_page: str
) -> None:
    for name in ("old/a", "old/b", "new/c"):
        await asks(bridge, ("files__delete", {"name": name}), at=name.replace("/", "-"))
    async with client_of(bridge, HOST) as client, shown(client, browser, host_page, "light") as (_, card):
        await expect(card.locator("#approvals > li.waits")).to_have_count(3)
        row = card.locator("#approvals > li", has_text="new/c")
        (elsewhere,) = [each for each in await bridge.list_approvals(OWNER) if "new/c" in each.arguments]
        await bridge.reject_call(OWNER, elsewhere.id, reason="not this one")
        await expect(row).to_contain_text("Rejected by owner")
        await expect(row.get_by_role("button")).to_have_count(0)
        await card.locator("#approvals > li", has_text="old/a").get_by_role("link", name="Edit, remember").click()
        await card.get_by_text("Remember it").click()
        await card.get_by_label("Later calls of this tool everywhere").check()
        await card.get_by_label("Pattern for name").fill("old/*")
        await expect(card.locator("#preview")).to_contain_text("it would have let 1 run")
        await card.get_by_role("button", name="Approve").click()
        await expect(card.locator("#state")).to_contain_text("Approved by person at stdio")
        (grant,) = await bridge.list_grants(OWNER)
        assert (grant.tool, grant.arguments) == ("files__delete", (("name", "old/*"),))
    assert await bridge.list_approvals(OWNER) == ()  # the grant frees old/b


@pytest.mark.shows("tools.apps")
async def test_without_a_person_the_card_shows_and_cannot_decide(
    bridge: Bridge, browser: Browser, host_page: str
) -> None:
    await asks(bridge, ("files__delete", {"name": "kept.txt\u202e"}), at="kept")
    nobody = Principal("stdio", scopes=HOST.scopes, via="mcp")
    async with client_of(bridge, nobody) as client, shown(client, browser, host_page, "dark") as (_, card):
        await expect(card.locator("mark.hides")).to_have_text("<U+202E>")
        await expect(card.get_by_text("This card can show, and not decide.")).to_be_visible()
        assert await card.get_by_role("button").count() == 0
        assert await grave_findings(card) == []
        await card.get_by_role("link", name="files__delete").last.click()
        await expect(card.locator("#state")).to_contain_text("You may look, and not decide")
        assert await grave_findings(card) == []
        (waits,) = await bridge.list_approvals(OWNER)
        sent = {"path": f"/console/approvals/{waits.id}", "form": f"verdict=approve&digest={waits.digest}"}
        assert DECIDE not in await listed(client)
        for tool in (SHOW, DECIDE):
            assert (await client.call_tool(tool, sent)).is_error
        assert (await bridge.list_approvals(OWNER)) == (waits,)


async def test_the_card_is_small_and_lets_run_nothing_but_its_own_script(bridge: Bridge, browser: Browser) -> None:
    html = Card(bridge).resource()
    assert len(html.encode()) < MOST_BYTES
    assert "unsafe" not in html.partition("<style>")[0]
    page = await browser.new_page()
    await page.set_content(html)
    await page.evaluate(
        "document.body.innerHTML = '<img src=x onerror=\"window.ran = 1\"><script>window.ran = 1</script>'"
    )
    await page.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), {text: 'window.ran = 1'}))"
    )
    await page.locator("img").evaluate("img => new Promise(done => img.complete ? done() : img.onerror = done)")
    assert await page.evaluate("window.ran") is None
    await page.close()


@pytest.mark.shows("tools.apps")
async def test_only_clients_that_show_cards_meet_any_of_it(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.scripted("connect_timeout_s = 120\n" + PERSON)
    server = StdioServerParameters(command=COMMAND, env=home.environment(), cwd=str(home.work))
    async with Client(stdio_client(server), extensions=SHOWS, mode="legacy") as client:
        tools = await listed(client)
        assert tools["list_approvals"] == {"resourceUri": CARD, "visibility": ["model", "app"]}
        assert tools[SHOW] == tools[DECIDE] == {"resourceUri": CARD, "visibility": ["app"]}
        (content,) = (await client.read_resource(CARD)).contents
        assert content.mime_type == MIME
        asked = {"tool": "files__delete_file", "arguments": {"path": "one.txt"}, "wait_s": 20}
        ticket = (await client.call_tool("call_tool", asked)).structured_content
        assert ticket is not None
        given = {"path": f"/console/approvals/{ticket['approvals'][0]}"}
        for form in ("verdict=reject", "verdict=approve&digest=another"):
            told = await client.call_tool(DECIDE, {**given, "form": form})
            assert "This is not the call that was shown." in str(told.content)
        assert "Your verdict" in str((await client.call_tool(SHOW, given)).content)
    async with Client(stdio_client(server)) as client:
        assert not {SHOW, DECIDE} & {*await listed(client)}
        assert not any((await listed(client)).values())
        with pytest.raises(Exception, match="no resource"):
            await client.read_resource(CARD)
        assert (await client.call_tool(DECIDE, {**given, "form": "verdict=reject&digest=x"})).is_error


@asynccontextmanager
async def by_token(url: str, name: str, mode: ConnectMode = "auto") -> AsyncGenerator[Client]:
    """A client over HTTP that shows cards."""
    headers = {"authorization": f"Bearer {TOKENS[f'{name}_TOKEN']}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as http,
        Client(streamable_http_client(url, http_client=http), extensions=SHOWS, mode=mode) as client,
    ):
        yield client


async def body(client: Client, tool: str, /, **arguments: Any) -> dict[str, Any]:
    """What a tool answers, which is no error."""
    result = await client.call_tool(tool, arguments)
    assert result.structured_content is not None, result.content
    return result.structured_content


@pytest.mark.shows("tools.apps")
async def test_over_http_a_token_decides_on_the_card_where_a_person_sits_and_it_may_approve(
    tmp_path: Path, browser: Browser, host_page: str
) -> None:
    home = Home(tmp_path)
    home.scripted(CLIENTS)
    wanted = home.work / "files" / "one.txt"
    wanted.write_text("one", "utf-8")
    with command(home, "serve", "--http", "127.0.0.1:0", **TOKENS) as process:
        url = until(process.stderr, r"http://127\.0\.0\.1:\d+/mcp")[0]
        async with by_token(url, "DESK") as desk:
            asked = {"tool": "files__delete_file", "arguments": {"path": "one.txt"}}
            ticket = await body(desk, "call_tool", wait_s=20, **asked)
            (waits,) = (await body(desk, "list_approvals"))["approvals"]
            sent = {"path": f"/console/approvals/{waits['id']}", "form": f"verdict=approve&digest={waits['digest']}"}
            async with (
                by_token(url, "AGENT", "legacy") as agent,
                shown(agent, browser, host_page, "light") as (_, card),
            ):
                await expect(card.get_by_text("This card can show, and not decide.")).to_be_visible()
                await expect(card.locator("#approvals > li.waits")).to_have_count(1)
                assert await card.get_by_role("button").count() == 0
                assert (await agent.call_tool(DECIDE, sent)).is_error
            async with by_token(url, "GUEST") as guest:
                assert {SHOW, DECIDE} & {*await listed(guest)} == {SHOW}
                assert waits["id"] in str((await guest.call_tool(SHOW, {"path": "/console/approvals"})).content)
                assert (await guest.call_tool(DECIDE, sent)).is_error
            assert wanted.exists()
            async with shown(desk, browser, host_page, "light") as (_, card):
                await card.get_by_role("button", name="Approve files__delete_file").click()
                await expect(card.locator("#none")).to_be_visible()
            done = await body(desk, "wait_for", ticket=ticket["id"])
            assert (done["state"], done["outcome"]) == ("done", "ok")
            assert not wanted.exists()
            (decided,) = (await body(desk, "list_approvals", status="any"))["approvals"]
            assert (decided["decided_by"], decided["decided_via"]) == ("person at desk", "mcp app")
