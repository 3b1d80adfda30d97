"""For everybody: by keyboard alone, with a screen reader, on a phone, in dark and light; and nothing moves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.console.conftest import Running, axe_script

PHONE = {"width": 360, "height": 740}
PAGES = (
    "approvals", "approvals?status=any", "conversations", "conversation?id=local/shown", "log?id=local/shown&verify=1",
    "search?q=shown", "channels", "servers", "grants", "pairing", "clients", "events", "usage", "health",
)  # fmt: skip


WATCH_SHIFTS = """() => {
  window.moved = 0;
  new PerformanceObserver(list => {
    for (const each of list.getEntries()) if (!each.hadRecentInput) window.moved += each.value;
  }).observe({type: "layout-shift", buffered: true});
}"""


@pytest.fixture(scope="module")
def furnished(bridge: Running) -> Running:
    """A bridge with something on each page."""
    bridge.say("shown with **words**", "local/shown")
    bridge.calls(("files__write", {"path": "a/../b", "text": "x\u202ey\n" * 30}), ("files__delete", {"name": "b"}))
    return bridge


@pytest.mark.shows("console.accessible")
@pytest.mark.parametrize(
    ("scheme", "size"), [("light", {"width": 1280, "height": 800}), ("dark", PHONE)], ids=["wide-light", "phone-dark"]
)
def test_axe_finds_nothing_serious(
    furnished: Running, new_context: Callable[..., BrowserContext], scheme: str, size: dict[str, int], full: bool
) -> None:
    """Each page is looked at in one of the two ways, every other one in this; the option `--full` has all in both."""
    context = new_context(color_scheme=scheme, viewport=size)
    page = context.new_page()
    furnished.enter(page)
    page.locator("#approvals > li").nth(1).wait_for()
    first = str(page.locator("#approvals h2 a").first.get_attribute("href")).removeprefix("/console/")
    found: dict[str, list[str]] = {}
    every = (*PAGES, first, f"{first}?as=json")
    for path in every if full else every[scheme == "dark" :: 2]:
        page.goto(f"{furnished.base}/{path}")
        for fold in page.locator("main details").all():
            fold.evaluate("fold => { fold.open = true }")
        page.evaluate(axe_script())  # by the debugger, which no policy of the page binds
        result = cast("dict[str, Any]", page.evaluate("() => axe.run(document, {resultTypes: ['violations']})"))
        grave = [each for each in result["violations"] if each["impact"] in ("serious", "critical")]
        if grave:
            found[path] = [f"{each['id']}: {each['nodes'][0]['html'][:160]}" for each in grave]
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} is wider than the page"
    assert found == {}


@pytest.mark.shows("console.keyboard")
def test_a_call_is_found_edited_and_approved_by_keyboard_alone(fresh: Running, page: Page) -> None:
    fresh.enter(page)
    fresh.calls(("files__write", {"path": "a.txt", "text": "one"}))
    page.locator("#approvals > li").wait_for()

    def to(name: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if name in str(
                page.evaluate("() => (document.activeElement.innerText || document.activeElement.name || '').trim()")
            ):
                return
        pytest.fail(f"{name} cannot be reached by Tab")

    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to the content")
    page.keyboard.press("Enter")
    to("Edit, remember")
    page.keyboard.press("Enter")
    page.wait_for_url("**/approvals/ap_*")
    to("Change the arguments")
    page.keyboard.press("Enter")
    to("a.path")
    page.keyboard.press("End")
    page.keyboard.type(".bak")
    page.keyboard.press("Enter")  # in a field: decides nothing
    expect(page.get_by_role("heading", name="Your verdict")).to_be_visible()
    to("Approve")
    page.keyboard.press("Space")
    expect(page.locator("#state")).to_contain_text("wrote 3 characters to a.txt.bak")


def test_on_a_phone_the_page_that_is_open_is_in_sight_among_the_others(
    furnished: Running, new_context: Callable[..., BrowserContext]
) -> None:
    page = new_context(viewport=PHONE).new_page()
    furnished.enter(page)
    for path in ("approvals", "events", "clients"):
        page.goto(f"{furnished.base}/{path}")
        expect(page.locator("header nav [aria-current]")).to_be_in_viewport(ratio=1)


def test_a_page_without_anything_says_so(furnished: Running, page: Page) -> None:
    furnished.enter(page)
    page.goto(f"{furnished.base}/events?type=client.revoked")
    expect(page.get_by_text("Nothing of these types has happened yet")).to_be_visible()


@pytest.mark.shows("console.accessible")
def test_each_page_has_one_heading_landmarks_and_names(furnished: Running, page: Page) -> None:
    furnished.enter(page)
    titles: set[str] = set()
    for path in PAGES:
        page.goto(f"{furnished.base}/{path}")
        expect(page.locator("h1")).to_have_count(1)
        expect(page.get_by_role("main")).to_have_count(1)
        expect(page.get_by_role("navigation", name="Console")).to_have_count(1)
        titles.add(page.title())
    assert len(titles) >= len(PAGES) - 2


@pytest.mark.shows("console.still")
def test_nothing_moves_by_itself(fresh: Running, page: Page) -> None:
    fresh.enter(page)
    fresh.say("shown", "local/shown")
    fresh.calls(("files__delete", {"name": "first"}))
    page.locator("#approvals > li").first.wait_for()
    for path in ("approvals", "conversations", "conversation?id=local/shown", "usage"):
        page.goto(f"{fresh.base}/{path}")
        page.evaluate(WATCH_SHIFTS)
        fresh.calls(("files__delete", {"name": "later"}))
        page.wait_for_function("() => Number(document.getElementById('waiting-count').textContent) > 0")
        assert float(page.evaluate("() => window.moved")) < 0.01, path


def loads(page: Page, address: str, times: int) -> list[tuple[float, float, float]]:
    """Of several loads of a page: milliseconds from asking for it to its first contents, of these the server's, bytes.

    The server's are those from the request to the last byte of the answer.
    """
    found: list[tuple[float, float, float]] = []
    for _ in range(times):
        page.goto(address)
        page.wait_for_function("() => performance.getEntriesByName('first-contentful-paint').length")
        paint, server, size = page.evaluate(
            """() => { const [asked] = performance.getEntriesByType("navigation");
                 return [performance.getEntriesByName("first-contentful-paint")[0].startTime,
                         asked.responseEnd - asked.requestStart, asked.encodedBodySize]; }"""
        )
        found.append((paint, server, size))
    return found


@pytest.mark.shows("console.quick")
def test_pages_paint_within_100_ms_with_10000_conversations(own: Running, page: Page) -> None:
    """The quickest of several loads; on a machine so busy that a form of one field takes longer, three times that."""
    own.do("seed", count="10000")
    plain, _, _ = min(loads(page, f"{own.base}/sign-in", 4))
    own.enter(page)
    for path in ("conversations", "conversation?id=local/seeded-77", "approvals", "events", "usage", "health"):
        found = loads(page, f"{own.base}/{path}", 3)
        assert min(found)[0] < max(100, 3 * plain), (path, plain, found)
