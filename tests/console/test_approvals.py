"""Approvals in a real browser: whole arguments, verdicts, edits, grants, and what another browser sees of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.console.bridge_process import LONG, MANY, VIEWER
from tests.console.conftest import Running, Watched

PLAN: dict[str, object] = {"path": "notes/plan.md", "text": "first\nsecond\n", "copies": 2, "tags": ["a", "b"]}


def opened(page: Page, bridge: Running, number: int = 0) -> None:
    """Go to the page of one of the calls that wait."""
    page.goto(f"{bridge.base}/approvals")
    page.locator("#approvals > li").nth(number).get_by_role("link", name="Edit, remember").click()


@pytest.mark.shows("console.approve-edited")
def test_a_call_is_approved_with_edited_arguments_and_errors_stand_beside_their_fields(
    fresh: Running, page: Page, watched: Watched
) -> None:
    watched.allowed = ("422",)
    fresh.enter(page)
    fresh.calls(("files__write", PLAN))
    row = page.locator("#approvals > li")
    expect(row).to_have_count(1)
    expect(row.locator("pre").nth(3)).to_have_text("first\nsecond\n")
    opened(page, fresh)
    page.get_by_text("Change the arguments").click()
    page.get_by_role("textbox", name="path required").fill("notes/other.md")
    page.get_by_role("textbox", name="copies optional").fill("12")
    page.get_by_role("button", name="Approve").click()
    wrong = page.get_by_role("textbox", name="copies optional")
    expect(wrong).to_have_attribute("aria-invalid", "true")
    expect(page.locator(".field", has=wrong).locator(".wrong")).to_contain_text("12")
    expect(page.get_by_role("textbox", name="path required")).to_have_value(
        "notes/other.md"
    )  # nothing that was filled in is lost
    wrong.fill("three")
    page.get_by_role("button", name="Approve").click()
    expect(
        page.locator(".field", has=page.get_by_role("textbox", name="copies optional")).locator(".wrong")
    ).to_have_text("Write a whole number.")
    page.get_by_role("textbox", name="copies optional").fill("3")
    page.get_by_role("combobox", name="mode optional").select_option("append")
    page.get_by_label("Note or reason").fill("not in the plan's file")
    page.get_by_role("button", name="Approve").click()
    verdict = page.locator("#state")
    expect(verdict).to_contain_text("Approved by owner by way of console")
    expect(verdict).to_contain_text("not in the plan's file")
    expect(verdict.locator(".changed dt")).to_have_text(["copies edited", "mode edited", "path edited"])
    expect(verdict.locator(".result")).to_have_text("wrote 13 characters to notes/other.md")


@pytest.mark.shows("console.reject")
def test_a_call_is_rejected_with_a_reason_that_the_model_sees(fresh: Running, page: Page) -> None:
    fresh.enter(page)
    fresh.calls(("files__delete", {"name": "a.txt"}))
    page.locator("#approvals > li").wait_for()
    opened(page, fresh)
    page.get_by_label("Note or reason").fill("we need it")
    page.get_by_role("button", name="Reject").click()
    expect(page.locator("#state")).to_contain_text("Rejected by owner")
    expect(page.locator("#state")).to_contain_text("“we need it”")


@pytest.mark.shows("console.remember")
def test_a_verdict_is_remembered_by_a_pattern_that_shows_what_it_would_have_let_run(own: Running, page: Page) -> None:
    fresh = own
    fresh.enter(page)
    for name in ("notes/a.txt", "notes/b.txt", "other.txt"):
        fresh.calls(("files__delete", {"name": name}), conversation=f"local/{name[-5]}")
    expect(page.locator("#approvals > li")).to_have_count(3)
    opened(page, fresh)
    page.get_by_text("Remember it").click()
    page.get_by_label("Later calls of this tool everywhere").check()
    preview = page.locator("#preview")
    expect(preview).to_contain_text("it would have let 0 run")
    page.get_by_label("Pattern for name").fill("notes/*")
    expect(preview).to_contain_text("Of the last 2 calls of this tool that were asked about, it would have let 1 run")
    expect(preview.locator("pre")).to_have_text("notes/b.txt")
    page.get_by_label("Pattern for name").fill("elsewhere/*")
    expect(preview).to_contain_text("do not cover this very call")
    page.get_by_label("Pattern for name").fill("notes/*")
    page.get_by_role("button", name="Approve").click()
    expect(page.locator("#state")).to_contain_text("Approved by owner")
    fresh.calls(("files__delete", {"name": "notes/c.txt"}), conversation="local/c")
    page.goto(f"{fresh.base}/approvals")
    expect(page.locator("#approvals > li")).to_have_count(1)  # b.txt is freed by the grant too, and c.txt never asks
    expect(page.locator("#approvals pre")).to_have_text("other.txt")


@pytest.mark.shows("console.two-browsers")
def test_a_decision_in_one_browser_shows_in_the_other_within_300_ms(
    fresh: Running, new_context: Callable[..., BrowserContext]
) -> None:
    first, second = new_context().new_page(), new_context().new_page()
    fresh.enter(first)
    fresh.enter(second)
    taken: list[float] = []
    for turn in range(5):
        fresh.calls(("files__delete", {"name": f"{turn}.txt"}), conversation=f"local/{turn}")
        for page in (first, second):
            expect(page.locator("#approvals > li.waits")).to_have_count(1)
        second.evaluate(
            """() => { window.seen = new Promise(done => new MutationObserver((_, me) => {
                 if (!document.querySelector("#approvals > li.waits")) { me.disconnect(); done(Date.now()); }
               }).observe(document.getElementById("approvals"), {childList: true, subtree: true})) }"""
        )
        first.evaluate(
            """() => document.addEventListener("submit", () => sessionStorage.setItem("sent", String(Date.now())))"""
        )
        first.get_by_role("button", name=re.compile("^Approve files__delete")).click()
        seen = float(second.evaluate("() => window.seen"))
        first.wait_for_load_state()
        taken.append(seen - float(first.evaluate("() => Number(sessionStorage.getItem('sent'))")))
    assert sorted(taken)[2] < 300, taken
    expect(second.locator("#approvals > li")).to_have_count(5)
    expect(second.locator("#approvals > li").last).to_contain_text("Approved by owner by way of console")


@pytest.mark.shows("console.streams")
def test_after_a_gap_in_the_events_the_list_is_what_waits_now(fresh: Running, page: Page, watched: Watched) -> None:
    watched.allowed = ("ERR_INTERNET_DISCONNECTED",)
    fresh.enter(page)
    fresh.calls(*[("files__delete", {"name": f"{n}.txt"}) for n in range(2)], conversation="local/before")
    rows = page.locator("#approvals > li")
    expect(rows).to_have_count(2)
    for box in page.get_by_role("checkbox").all():
        box.check()
    expect(page.locator("#chosen")).to_have_text("2")
    page.context.set_offline(True)
    page.evaluate("() => document.querySelector('[hx-sse\\\\:connect]')._htmx.sse.reader.cancel()")
    fresh.do("clear")
    fresh.calls(("files__delete", {"name": "after.txt"}), conversation="local/after")
    fresh.do("prune")
    page.context.set_offline(False)
    expect(rows.locator("pre")).to_have_text(["after.txt"])
    expect(page.locator("#waiting-count")).to_have_text("1")
    expect(page.locator("#several")).to_be_hidden()
    rows.get_by_role("button", name="Approve").click()  # it is a row as any other
    expect(page.locator("#none")).to_be_visible()


@pytest.mark.shows("console.batches")
def test_calls_of_one_reply_are_decided_together_and_others_by_choosing_them(
    fresh: Running, page: Page, watched: Watched
) -> None:
    watched.allowed = ("400",)
    fresh.enter(page)
    fresh.calls(*[("files__delete", {"name": f"{n}.txt"}) for n in range(3)])
    fresh.calls(("files__delete", {"name": "x.txt"}), conversation="local/x")
    fresh.calls(("files__delete", {"name": "y.txt"}), conversation="local/y")
    expect(page.locator("#approvals > li")).to_have_count(5)
    page.reload()
    every = page.locator("form", has=page.get_by_role("button", name="Approve all 3")).first
    shown = every.locator("input[name=approval]").first
    as_shown = shown.get_attribute("value") or ""
    for stale, told in (
        (f"sha256:0 {as_shown.partition(' ')[2]}", "asks for another call"),
        ("x", "does not say what"),
    ):
        shown.evaluate("(field, value) => { field.value = value }", stale)
        every.get_by_role("button", name="Approve all 3").click()
        expect(page.get_by_role("alert").last).to_contain_text(told)
        page.goto(f"{fresh.base}/approvals")
    expect(page.locator("#approvals > li.waits")).to_have_count(5)
    page.get_by_role("button", name="Approve all 3").first.click()
    expect(page.locator("#approvals > li.waits")).to_have_count(2)
    for box in page.get_by_role("checkbox").all():
        box.check()
    expect(page.locator("#chosen")).to_have_text("2")
    page.get_by_placeholder("Reason").fill("neither")
    page.get_by_role("button", name="Reject them").click()
    expect(page.locator("#none")).to_be_visible()
    page.get_by_role("link", name="Rejected").click()
    expect(page.locator("#approvals > li", has_text="“neither”")).to_have_count(2)


@pytest.mark.shows("console.viewer")
def test_a_viewer_looks_and_decides_nothing(fresh: Running, page: Page, watched: Watched) -> None:
    fresh.calls(("files__delete", {"name": "a.txt"}))
    page.goto(f"{fresh.base}/approvals")
    page.get_by_label("Token of a client").fill(VIEWER)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#approvals > li.waits")).to_have_count(1)
    expect(page.get_by_role("button", name="Approve")).to_have_count(0)
    page.locator("#approvals h2 a").click()
    expect(page.locator("#state")).to_contain_text("You may look, and not decide")
    watched.allowed = ("403",)
    refused = page.evaluate(
        """async () => {
          const body = new URLSearchParams({verdict: "approve", csrf: document.querySelector("[name=csrf]").value});
          const answer = await fetch(location.href, {method: "POST", body});
          return [answer.status, await answer.text()];
        }"""
    )
    assert refused[0] == 403
    assert "needs the scope" in refused[1]
    page.goto(f"{fresh.base}/approvals")
    expect(page.locator("#approvals > li.waits")).to_have_count(1)


@pytest.mark.shows("console.hostile")
def test_hostile_names_and_arguments_disguise_nothing(fresh: Running, page: Page) -> None:
    evil = '</pre><script>document.title="owned"</script><img src=x onerror=alert(1)>'
    fresh.enter(page)
    fresh.calls(
        ("files__delete", {"name": evil}),
        ("files__delete", {"name": "invoice\u202efdp.exe\u200b"}),
        ("files__write", {"path": "\u0430dmin/../etc", "text": MANY}),
        ("files__write", {"path": "big", "text": LONG}),
    )
    rows = page.locator("#approvals > li")
    expect(rows).to_have_count(4)
    expect(rows.nth(0).locator("pre")).to_have_text(evil)
    expect(rows.nth(1).locator("mark.hides")).to_have_text(["<U+202E>", "<U+200B>"])
    expect(rows.nth(1)).to_contain_text("invisible characters")
    expect(rows.nth(2)).to_contain_text("Letters of several scripts in one word")
    expect(rows.nth(2)).to_contain_text("leaves its folder")
    assert page.title().startswith("Approvals")
    for number, last in ((2, "line 9999"), (3, "xxx")):
        assert rows.nth(number).bounding_box()["height"] < 700  # pyright: ignore[reportOptionalSubscript]
        opened(page, fresh, number)
        assert str(page.locator(".arguments pre").last.text_content()).endswith(last)
        page.goto(f"{fresh.base}/approvals")
    opened(page, fresh, 1)
    page.get_by_text("Change the arguments").click()
    assert json.loads(page.get_by_role("textbox", name="name required").input_value()) == "invoice\u202efdp.exe\u200b"
    page.get_by_role("button", name="Approve").click()  # the field was not touched: it is the very same call
    expect(page.locator("#state")).to_contain_text("Approved by owner")
    expect(page.locator("#state .changed")).to_have_count(0)
