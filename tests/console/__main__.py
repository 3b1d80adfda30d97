"""Draws the pictures of the README anew: python -m tests.console."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.console.conftest import ARGUMENTS, CHROMIUM, Running, bridge_in

FOLDER = Path(__file__).parent / "screenshots"
WIDE, PHONE = (1180, 760), (390, 760)


@contextmanager
def opened(browser: Browser, bridge: Running, size: tuple[int, int], scheme: str) -> Generator[Page]:
    """A page of somebody who is signed in."""
    viewport = {"width": size[0], "height": size[1]}
    context = browser.new_context(viewport=viewport, color_scheme=scheme)  # pyright: ignore[reportArgumentType]
    page = context.new_page()
    bridge.enter(page)
    yield page
    context.close()


def furnish(bridge: Running) -> None:
    """Something on each page."""
    bridge.say("What do my notes say about the week?", "local/main")
    bridge.calls(("clock__now", {}), conversation="local/main")
    text = "# The week\n\n- Monday: look at the notes\n- Tuesday: write the summary\n"
    bridge.calls(
        ("files__delete", {"name": "../old/invoice\u202efdp.exe"}),
        ("files__write", {"path": "notes/week.md", "text": text, "mode": "replace", "tags": ["plan"]}),
        conversation="local/planning",
    )
    for number in range(4):
        bridge.say(f"hello {number}", f"local/friend-{number}")


def main() -> None:
    """Draw them."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as state, bridge_in(Path(state)) as bridge, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        furnish(bridge)
        with opened(browser, bridge, WIDE, "light") as page:
            page.locator("#approvals > li").nth(1).wait_for()
            page.screenshot(path=FOLDER / "approvals.png")
            page.get_by_role("link", name="Edit, remember").last.click()
            page.get_by_text("Change the arguments").click()
            page.screenshot(path=FOLDER / "approval.png")
            page.goto(f"{bridge.base}/servers")
            page.screenshot(path=FOLDER / "changed-tool.png")
            page.goto(f"{bridge.base}/conversation?id=local/main")
            page.get_by_label("Message", exact=True).fill("stream a plan")
            page.get_by_label("Message", exact=True).press("Enter")
            page.locator(".bubble ol li").nth(1).wait_for()
            page.screenshot(path=FOLDER / "conversation.png")
        with opened(browser, bridge, PHONE, "dark") as page:
            page.locator("#approvals > li").nth(1).wait_for()
            page.screenshot(path=FOLDER / "approvals-phone.png")
            page.goto(f"{bridge.base}/conversation?id=local/main")
            page.locator(".bubble").first.wait_for()
            page.screenshot(path=FOLDER / "conversation-phone.png")
        with opened(browser, bridge, WIDE, "dark") as page:
            page.goto(f"{bridge.base}/usage")
            page.screenshot(path=FOLDER / "usage.png")
            page.goto(f"{bridge.base}/health")
            page.screenshot(path=FOLDER / "health.png")
        browser.close()


if __name__ == "__main__":
    main()
