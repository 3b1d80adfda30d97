"""What the card shows of hostile arguments, in a real Chromium, before a host that answers it with what is planned."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import Browser, FrameLocator, async_playwright, expect

from bridge_mcp.server.apps.page import card_page
from tests.servers.npm import cannot_be_had

ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
HOST = """
([card, told]) => {
  addEventListener("message", (event) => {
    const asked = event.data;
    if (asked.id === undefined) return;
    const result = asked.method === "tools/call" ? { structuredContent: JSON.parse(told) } : { hostContext: {} };
    event.source.postMessage({ jsonrpc: "2.0", id: asked.id, result }, "*");
  });
  const frame = document.createElement("iframe");
  frame.srcdoc = card;
  document.body.append(frame);
}
"""


@pytest.fixture(scope="module")
async def browser(anyio_backend: str) -> AsyncGenerator[Browser]:
    """One for all tests here."""
    chromium = shutil.which("chromium") or ""
    if not chromium:
        cannot_be_had("Chromium is not on this machine: apt install chromium")
    async with async_playwright() as playwright:
        made = await playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        yield made
        await made.close()


@asynccontextmanager
async def card_of(browser: Browser, arguments: str) -> AsyncGenerator[FrameLocator]:
    """The card, with buttons, that shows one call with these arguments (JSON)."""
    approval: dict[str, Any] = {"id": "1", "tool": "bank__pay", "conversation": "local/main", "reason": "", "note": ""}
    approval |= {"requested_by": "", "digest": "d", "status": "waiting", "truncated": "", "arguments": None}
    told = json.dumps({"approvals": [approval]}).replace('"arguments": null', f'"arguments": {arguments}')
    page = await browser.new_page()
    await page.evaluate(HOST, [card_page(decides=True), told])
    yield page.frame_locator("iframe")
    await page.close()


@pytest.mark.parametrize("number", ["9007199254740993", "-12345678901234567890", "1e300"])
async def test_a_number_that_javascript_rounds_is_not_decided_on_the_card(browser: Browser, number: str) -> None:
    async with card_of(browser, f'{{"to": "ann", "sums": [{{"cents": {number}}}]}}') as card:
        await expect(card.get_by_text("too large to be shown exactly")).to_be_visible()
        assert await card.get_by_role("button").count() == 0


async def test_the_card_spells_out_what_hides(browser: Browser) -> None:
    signs = "\u2800\u034f\ue000\U0001d173\u0378\u202e\u200b\U000e0041"
    async with card_of(browser, json.dumps({"path": f"a{signs}b", "cents": 9007199254740991})) as card:
        spelled = "".join(f"\\u{{{ord(sign):x}}}" for sign in signs)
        await expect(card.locator("pre")).to_contain_text(f"a{spelled}b")
        assert await card.get_by_role("button").count() == 2
