"""Who was let in, tool servers, events, usage and health, in a real browser."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.console.conftest import Running, Watched, bridge_in


@pytest.mark.shows("console.pair")
def test_a_chat_is_paired_by_the_code_that_it_was_shown(fresh: Running, page: Page, watched: Watched) -> None:
    watched.allowed = ("422",)
    told = fresh.do("ask", chat="4711")
    code = re.search(r"\b[A-Z0-9]{6,}\b", told)
    assert code, told
    fresh.enter(page)
    page.get_by_role("link", name="Pairing").click()
    expect(page.get_by_text("Sue").last).to_be_visible()
    page.get_by_label("The code").fill("WRONG123")
    page.get_by_role("button", name="Let them in").click()
    expect(page.get_by_role("alert")).to_contain_text("There is no open code 'WRONG123'")
    page.get_by_label("The code").fill(code[0].lower())
    page.get_by_label("As", exact=True).select_option("approver")
    page.get_by_role("button", name="Let them in").click()
    row = page.locator("tbody tr", has_text="4711")
    expect(row).to_contain_text("Sue")
    expect(row).to_contain_text("approver")
    row.get_by_role("button", name="Remove").click()
    expect(page.locator("tbody tr", has_text="4711")).to_have_count(0)


@pytest.mark.shows("console.grants")
def test_a_grant_is_given_holds_and_is_revoked(fresh: Running, page: Page, watched: Watched) -> None:
    watched.allowed = ("422",)
    fresh.enter(page)
    page.get_by_role("link", name="Grants").click()
    page.get_by_label("Tool").fill("files__delete")
    page.get_by_label("Only with arguments").fill("notes")
    page.get_by_role("button", name="Give it").click()
    expect(page.get_by_role("alert")).to_contain_text("NAME=PATTERN")
    page.get_by_label("Only with arguments").fill("name=granted/*")
    page.get_by_label("For how long").select_option("3600")
    page.get_by_role("button", name="Give it").click()
    row = page.locator("tbody tr", has_text="granted/*")
    expect(row).to_contain_text("by owner")
    fresh.calls(("files__delete", {"name": "granted/a"}), conversation="local/granted")
    page.goto(f"{fresh.base}/conversation?id=local/granted")
    expect(page.locator(".bubble.assistant")).to_contain_text("granted/a is gone")
    page.goto(f"{fresh.base}/grants")
    page.locator("tbody tr", has_text="granted/*").get_by_role("button", name="Revoke").click()
    expect(page.locator("tbody tr", has_text="granted/*")).to_have_count(0)


@pytest.mark.shows("console.grants")
def test_a_grant_given_or_revoked_elsewhere_comes_and_goes_by_itself(
    fresh: Running, new_context: Callable[..., BrowserContext]
) -> None:
    page, other = new_context().new_page(), new_context().new_page()
    for each in (page, other):
        fresh.enter(each)
        each.goto(f"{fresh.base}/grants")
    other.get_by_label("Tool").fill("files__delete")
    other.get_by_label("Only with arguments").fill("name=live/*")
    other.get_by_role("button", name="Give it").click()
    row = page.locator("tbody tr", has_text="live/*")
    expect(row).to_contain_text("by owner")
    other.locator("tbody tr", has_text="live/*").get_by_role("button", name="Revoke").click()
    expect(row).to_have_count(0)
    fresh.calls(("files__delete", {"name": "verdict/a"}))
    other.goto(f"{fresh.base}/approvals")
    other.get_by_role("link", name="Edit, remember").click()
    other.get_by_text("Remember it").click()
    other.get_by_label("Later calls of this tool everywhere").check()
    other.get_by_label("Pattern for name").fill("verdict/*")
    other.get_by_role("button", name="Approve").click()
    expect(page.locator("tbody tr", has_text="verdict/*")).to_contain_text("by owner")


@pytest.mark.shows("console.clients")
def test_a_client_gets_a_token_that_is_shown_once_and_ends(fresh: Running, page: Page, watched: Watched) -> None:
    watched.allowed = ("422",)
    fresh.enter(page)
    page.get_by_role("link", name="Clients").click()
    page.get_by_label("Name").fill("no good name")
    page.get_by_role("button", name="Make its token").click()
    expect(page.get_by_role("alert")).to_contain_text("is not a name for a client")
    page.get_by_label("Name").fill("pad")
    page.get_by_label("approve").check()
    page.get_by_role("button", name="Make its token").click()
    token = page.locator("#token").inner_text()
    assert token.startswith("bridge_")
    page.reload()
    page.goto(f"{fresh.base}/clients")
    assert token not in page.content()
    expect(page.locator("tbody tr", has_text="pad")).to_contain_text("approve, read")
    page.get_by_role("button", name="Revoke pad").click()
    expect(page.locator("tbody tr", has_text="pad")).to_have_count(0)


@pytest.mark.shows("console.admin")
def test_without_the_scope_admin_these_pages_are_closed(fresh: Running, page: Page, watched: Watched) -> None:
    fresh.enter(page, "read,approve")
    for name in ("Grants", "Pairing", "Clients"):
        expect(page.get_by_role("link", name=name)).to_have_count(0)
    watched.allowed = ("403",)
    for path in ("grants", "pairing", "clients", "log?id=local/main"):
        page.goto(f"{fresh.base}/{path}")
        expect(page.get_by_role("alert")).to_contain_text("needs the scope 'admin'")


@pytest.mark.shows("console.changed-tools")
def test_a_changed_tool_is_shown_as_a_diff_and_accepted(fresh: Running, page: Page) -> None:
    fresh.enter(page)
    page.get_by_role("link", name="Tool servers").click()
    changed = page.get_by_role("region", name="mail__send has changed")
    expect(changed.locator(".removed").first).to_contain_text("Sends a mail.")
    expect(changed.locator(".added").first).to_contain_text("Sends a mail, with a copy to us.")
    changed.get_by_role("button", name="Accept it").click()
    expect(page.get_by_role("heading", name="Tool servers")).to_be_visible()
    assert fresh.do("accepted", tool="mail__send") == "owner"


@pytest.mark.shows("console.events")
def test_events_come_in_live(fresh: Running, page: Page) -> None:
    fresh.enter(page)
    page.get_by_role("link", name="Events").click()
    page.locator("#events").wait_for()
    fresh.say("for the feed", "local/feed")
    row = page.locator("#events > li", has_text="message.received").first
    expect(row).to_contain_text("local/feed")
    row.locator("summary").click()
    expect(row.locator("pre")).to_contain_text('"text": "for the feed"')


def test_usage_health_and_channels_say_how_things_are(fresh: Running, page: Page) -> None:
    fresh.say("something", "local/usage")
    fresh.say("small", "local/usage-small")
    fresh.enter(page)
    page.goto(f"{fresh.base}/conversation?id=local/usage")
    expect(page.locator(".bubble.assistant")).to_have_count(1)
    page.goto(f"{fresh.base}/conversation?id=local/usage-small")
    expect(page.locator(".bubble.assistant")).to_have_count(1)
    page.get_by_role("link", name="Usage").click()
    expect(page.locator("svg.plot")).to_have_count(2)
    expect(page.get_by_role("cell", name="fake", exact=True)).to_be_visible()
    expect(page.locator("svg.plot").first.locator("rect")).to_have_count(2)
    page.get_by_text("The numbers by day and model").click()
    by_day = page.locator("details tbody tr")
    today = time.strftime("%Y-%m-%d", time.gmtime())
    expect(by_day.filter(has_text=today).filter(has_text="fake-small")).to_contain_text("200")  # 40 for each character
    expect(page.get_by_role("list", name="Colours")).to_contain_text("fake-small")
    page.get_by_role("link", name="Health").click()
    expect(page.locator(".big").first).to_have_text("running")
    page.get_by_role("link", name="Channels").click()
    expect(page.locator("tbody tr")).to_have_count(2)


@pytest.fixture(scope="module")
def ailing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A bridge in which a channel, a tool server and a callback are wrong, until the last test here mends them."""
    with bridge_in(tmp_path_factory.mktemp("state"), "--wrong") as made:
        yield made


def test_a_viewer_sees_what_helps_and_mends_nothing(ailing: Running, page: Page, watched: Watched) -> None:
    watched.allowed = ("403",)
    ailing.enter(page, "read")
    page.goto(f"{ailing.base}/health")
    refused = page.locator(".notice", has_text="Channel refused is degraded")
    expect(refused.locator("code")).to_have_text("bridge-mcp check")
    expect(page.locator("#health").get_by_role("button")).to_have_count(0)
    csrf = page.locator("input[name=csrf]").first.get_attribute("value") or ""
    for path, form in (
        ("health/retry", {"subject": "refused"}),
        ("health/reload", {}),
        ("health/callback", {"subject": "sub"}),
        ("servers/instructions", {"server": "mail", "code": "0"}),
    ):
        headers = {"origin": ailing.origin}
        answer = page.request.post(f"{ailing.base}/{path}", form={"csrf": csrf, **form}, headers=headers)
        assert answer.status == 403, path
        assert "needs the scope &#39;admin&#39;" in answer.text()


@pytest.mark.shows("console.mends")
def test_health_mends_what_it_warns_of(ailing: Running, page: Page) -> None:
    ailing.enter(page)
    page.get_by_role("link", name="Health").click()
    refused = page.locator(".notice", has_text="Channel refused is degraded: The platform refused the token.")
    expect(refused.locator("code")).to_have_text("bridge-mcp check")
    refused.get_by_role("button", name="Try it again now (refused)").click()
    expect(refused).to_have_count(0)  # the page asks again by itself
    callback = page.locator(".notice", has_text="their callback at hook.test fails (timeout)")
    callback.get_by_role("button", name="End this subscription").click()
    expect(callback).to_have_count(0)
    page.locator(".notice", has_text="mail gives other instructions").get_by_role("link", name="See what").click()
    changed = page.get_by_role("region", name="The instructions of mail have changed")
    expect(changed.locator(".removed")).to_have_text("- Ask before you send.")
    expect(changed.locator(".added")).to_have_text("+ Send without asking.")
    expect(changed.locator(".diff")).to_contain_text("  Write in plain words.")
    changed.get_by_role("button", name="Accept what it says now").click()
    page.get_by_role("region", name="mail__send has changed").get_by_role("button", name="Accept it").click()
    page.get_by_role("link", name="Health").click()
    expect(page.locator(".notice", has_text="mail")).to_have_count(0)
    assert "Send without asking." in ailing.do("instructions", server="mail")
