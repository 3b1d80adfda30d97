"""Coming in, and staying in: links, tokens, cookies, and when a session ends."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Page, expect

from tests.console.bridge_process import APPROVER
from tests.console.conftest import Running, Watched, asked


def cookies(page: Page) -> list[dict[str, object]]:
    return [dict(each) for each in page.context.cookies()]


@pytest.mark.shows("console.link")
def test_a_link_leaves_no_key_behind_and_cannot_be_used_again(fresh: Running, page: Page, watched: Watched) -> None:
    watched.allowed = ("403",)
    sent: list[tuple[str, str]] = []
    page.on("request", lambda request: sent.append((request.url, request.headers.get("referer", ""))))
    key = fresh.do("link", scopes="read")
    page.goto(f"{fresh.base}/enter#{key}")
    page.wait_for_url(f"{fresh.base}/approvals")
    assert sum(key in url for url, _ in sent) == sum(url.endswith(f"enter#{key}") for url, _ in sent)
    assert not any(key in referer for _, referer in sent)
    page.go_back()
    assert key not in page.url
    (cookie,) = cookies(page)
    port = fresh.origin.rpartition(":")[2]
    assert cookie["name"] == f"bridge_console_{port}"
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"], cookie["expires"]) == (
        True,
        "Strict",
        "/console",
        -1,
    )

    page.context.clear_cookies()
    page.goto("about:blank")
    page.goto(f"{fresh.base}/enter#{key}")
    expect(page.get_by_role("main")).to_contain_text("This link was used, or is older than a minute")
    assert cookies(page) == []


@pytest.mark.shows("console.session-token")
def test_a_session_is_its_client_and_ends_with_its_token(fresh: Running, page: Page) -> None:
    token = fresh.do("client", name="temp", scopes="read,approve")
    page.goto(f"{fresh.base}/approvals?status=any")
    page.get_by_label("Token of a client").fill(token)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{fresh.base}/approvals?status=any")
    expect(page.get_by_role("banner")).to_contain_text("approve, read")
    fresh.do("revoke", name="temp")
    page.reload()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_signing_out_ends_the_session_also_for_whoever_kept_the_cookie(fresh: Running, page: Page) -> None:
    page.goto(fresh.base + "/approvals")
    page.get_by_label("Token of a client").fill(APPROVER)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{fresh.base}/approvals")
    (cookie,) = cookies(page)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    status, _, told = asked(fresh, "GET", "/console/approvals", cookie=f"{cookie['name']}={cookie['value']}")
    assert (status, told["location"]) == (303, "/console/sign-in?next=/approvals")


def test_a_wrong_token_is_refused_and_guessing_is_slow(own: Running, page: Page, watched: Watched) -> None:
    watched.allowed = ("403", "429")
    page.goto(f"{own.base}/sign-in?next=//evil.test/")
    for _ in range(12):
        page.get_by_label("Token of a client").fill("guess")
        page.get_by_role("button", name="Sign in").click()
        if page.get_by_text("too many tries").count():
            break
        expect(page.get_by_role("alert")).to_contain_text("This token is not known")
    else:
        pytest.fail("nobody was slowed down")
    page.goto(f"{own.base}/sign-in?next=//evil.test/")
    assert page.locator("[name=next]").input_value() == "/approvals"


def test_every_answer_forbids_what_pages_do_not_need(fresh: Running) -> None:
    for path in ("/sign-in", "/enter", "/nowhere"):
        _, _, told = asked(fresh, "GET", f"/console{path}")
        assert "script-src 'self'" in told["content-security-policy"]
        assert "frame-ancestors 'none'" in told["content-security-policy"]
        assert "unsafe" not in json.dumps(told)
        assert told["x-content-type-options"] == "nosniff"
        assert told["referrer-policy"] == "same-origin"
        assert told["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["sign-in", "enter"])
def test_a_stranger_cannot_send_a_large_form(fresh: Running, path: str) -> None:
    body = "token=" + "%41" * 20_000
    status, told, _ = asked(fresh, "POST", f"/console/{path}", body, origin=fresh.origin)
    assert (status, "32,000 bytes" in told) == (413, True)
