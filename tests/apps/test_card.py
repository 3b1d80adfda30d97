"""The card of the approvals in a host's page that is not ours: ext-apps' AppBridge from npm, in a real Chromium.

The host hands the card's calls to a real client of the installed command, which declares that it shows cards.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client
from mcp.client.extension import advertise
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp_types import TextResourceContents
from playwright.async_api import FrameLocator, Page, async_playwright, expect

from tests.acceptance.parts import COMMAND, Home
from tests.servers.npm import cannot_be_had, packages

EXTENSION, CARD = "io.modelcontextprotocol/ui", "ui://bridge/approvals.html"
DECIDE = "decide_on_card"
MIME = "text/html;profile=mcp-app"
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
PERSON = "[clients.stdio]\nperson_decides = true\n"
HOSTILE = "</pre><script>alert(1)</script>\u202egpj.exe"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path)
    made.scripted("connect_timeout_s = 120\n")
    return made


@asynccontextmanager
async def client_of(home: Home, *, shows: bool = True, mode: str = "auto") -> AsyncGenerator[Client]:
    """A client of the installed command, over stdio."""
    server = StdioServerParameters(command=COMMAND, env=home.environment(), cwd=str(home.work))
    extensions = [advertise(EXTENSION, {"mimeTypes": [MIME]})] if shows else None
    async with Client(stdio_client(server), extensions=extensions, mode=mode) as client:
        yield client


async def listed(client: Client) -> dict[str, dict[str, Any]]:
    """What each tool says of a card."""
    return {each.name: (each.meta or {}).get("ui", {}) for each in (await client.list_tools()).tools}


async def waiting(client: Client, *files: str) -> list[dict[str, Any]]:
    """Have the assistant ask to delete files, and wait for the approvals."""
    for name in files:
        await client.call_tool("call_tool", {"tool": "files__delete_file", "arguments": {"path": name}, "wait_s": 20})
    found = await client.call_tool("list_approvals", {})
    assert found.structured_content is not None
    return found.structured_content["approvals"]


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


@asynccontextmanager
async def shown(client: Client, page_html: str, theme: str = "light") -> AsyncGenerator[tuple[Page, FrameLocator]]:
    """The card in the host's page; nothing may go wrong in either, and nothing is asked of any address."""
    chromium = shutil.which("chromium") or ""
    if not chromium:
        cannot_be_had("Chromium is not on this machine: apt install chromium")
    wrong: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        page = await browser.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: wrong.append(request.url) if request.url.startswith("http") else None)

        async def call_tool(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
            result = await client.call_tool(name, arguments)
            return result.model_dump(by_alias=True, exclude_none=True, mode="json")

        browser_page: Any = page
        await browser_page.expose_function("callTool", call_tool)
        await page.set_content(page_html)
        (content,) = (await client.read_resource(CARD)).contents
        first = await client.call_tool("list_approvals", {})
        told = first.model_dump(by_alias=True, exclude_none=True, mode="json")
        assert isinstance(content, TextResourceContents)
        await page.evaluate("([html, result, theme]) => window.show(html, result, theme)", [content.text, told, theme])
        yield page, page.frame_locator("iframe")
        await page.evaluate("window.tearDown()")
        if folder := os.environ.get("BRIDGE_MCP_TEST_PICTURES"):
            await page.screenshot(path=f"{folder}/card-{theme}.png")
        await browser.close()
    assert wrong == []


@pytest.mark.shows("tools.apps")
async def test_a_person_decides_on_the_card_and_sees_what_others_decided(home: Home, host_page: str) -> None:
    home.write(home.config.read_text() + PERSON)
    async with client_of(home) as client:
        await waiting(client, "one.txt", "two.txt", HOSTILE)
        async with shown(client, host_page) as (_, card):
            await expect(card.get_by_role("status").first).to_have_text("3 calls wait")
            assert await card.locator("script").count() == 1
            await expect(card.locator("pre").nth(0)).to_contain_text("</pre><script>alert(1)</script>\\u{202e}gpj.exe")
            one = card.get_by_role("listitem").filter(has_text="one.txt")
            await one.get_by_label("Note").fill("It is old.")
            await one.get_by_label("Note").press("Enter")
            await expect(one.get_by_role("button", name="Approve files__delete_file")).to_be_enabled()
            await one.get_by_role("button", name="Approve files__delete_file").click()
            await expect(one.get_by_text("approved by person at stdio: It is old.")).to_be_visible()
            two = card.get_by_role("listitem").filter(has_text="two.txt")
            (other,) = [each for each in home.json("approvals", "list") if "two.txt" in str(each["arguments"])]
            home.run("approvals", "reject", other["id"])
            await expect(two.get_by_text("rejected by owner")).to_be_visible()
            await expect(two.get_by_role("button")).to_have_count(0)
            await expect(card.get_by_role("status").first).to_have_text("1 call waits")
        found = await client.call_tool("list_approvals", {"status": "any"})
        assert found.structured_content is not None
        by_path = {str(each["arguments"]["path"]): each for each in found.structured_content["approvals"]}
        assert by_path["one.txt"]["decided_via"] == "mcp app"
        assert by_path["two.txt"]["decided_via"] == "cli"


@pytest.mark.shows("tools.apps")
async def test_without_a_person_the_card_shows_and_cannot_decide(home: Home, host_page: str) -> None:
    async with client_of(home) as client:
        (approval,) = await waiting(client, "one.txt")
        async with shown(client, host_page, "dark") as (_, card):
            await expect(card.get_by_text("This card can show, and not decide.")).to_be_visible()
            assert await card.get_by_role("button").count() == 0
        given = {"approval_id": approval["id"], "digest": approval["digest"], "decision": "approve"}
        refused = await client.call_tool(DECIDE, given)
        assert refused.is_error
        (still,) = await waiting(client)
        assert still["status"] == "waiting"


@pytest.mark.shows("tools.apps")
@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_only_clients_that_show_cards_meet_any_of_it(home: Home, mode: str) -> None:
    home.write(home.config.read_text() + PERSON)
    async with client_of(home, mode=mode) as client:
        tools = await listed(client)
        assert tools["list_approvals"] == {"resourceUri": CARD, "visibility": ["model", "app"]}
        assert tools[DECIDE] == {"resourceUri": CARD, "visibility": ["app"]}
        (content,) = (await client.read_resource(CARD)).contents
        assert content.mime_type == MIME
        (approval,) = await waiting(client, "one.txt")
        given = {"approval_id": approval["id"], "decision": "reject"}
        wrong = await client.call_tool(DECIDE, {**given, "digest": "another"})
        assert wrong.is_error
        right = await client.call_tool(DECIDE, {**given, "digest": approval["digest"], "note": "no"})
        assert not right.is_error, right.content
    async with client_of(home, shows=False, mode=mode) as client:
        tools = await listed(client)
        assert DECIDE not in tools
        assert not any(tools.values())
        with pytest.raises(Exception, match="no resource"):
            await client.read_resource(CARD)
        assert (await client.call_tool(DECIDE, {**given, "digest": approval["digest"]})).is_error
