"""Pages of another site, and of another port of the same host, in the browser of somebody who is signed in."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlencode, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.console.conftest import ALL, ARGUMENTS, CHROMIUM, Running, asked

ATTACK = """
async (target) => {
  const found = {};
  const attempt = async (name, made) => {
    try { const answer = await made(); found[name] = [answer.status, answer.type, await answer.text()]; }
    catch (error) { found[name] = ["failed"]; }
  };
  const body = new URLSearchParams({verdict: "approve"});
  await attempt("read", () => fetch(target, {credentials: "include"}));
  await attempt("read opaque", () => fetch(target, {credentials: "include", mode: "no-cors"}));
  await attempt("post", () => fetch(target, {method: "POST", body, credentials: "include"}));
  await attempt("post opaque", () => fetch(target, {method: "POST", body, credentials: "include", mode: "no-cors"}));
  await attempt("stream", () => fetch(target + "/stream", {credentials: "include"}));
  return found;
}
"""


class Blank(BaseHTTPRequestHandler):
    """Any path is an empty page."""

    def do_GET(self) -> None:
        body = b"<!doctype html><title>hostile</title><body></body>"
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def hostile() -> Iterator[int]:
    """The port of a server of hostile pages."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Blank) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture(scope="module")
def elsewhere(chromium: Browser) -> Iterator[Browser]:
    """A Chromium for which every name ending in `.test` is this machine."""
    rules = "--host-resolver-rules=MAP *.test 127.0.0.1"
    browser = chromium.browser_type.launch(executable_path=CHROMIUM, args=[*ARGUMENTS, rules])
    yield browser
    browser.close()


@pytest.mark.shows("console.hostile-pages")
@pytest.mark.parametrize("site", ["http://evil.test", "http://127.0.0.1", "http://localhost"])
def test_a_page_from_elsewhere_neither_reads_nor_decides(
    fresh: Running, elsewhere: Browser, hostile: int, site: str
) -> None:
    context = elsewhere.new_context()
    owner = context.new_page()
    fresh.enter(owner)
    fresh.calls(("files__delete", {"name": "secret-name.txt"}))
    owner.locator("#approvals > li").wait_for()
    target = owner.locator("#approvals h2 a").get_attribute("href")
    address = f"{fresh.origin}{target}"
    evil = context.new_page()
    evil.goto(f"{site}:{hostile}/console/")
    for what, answer in evil.evaluate(ATTACK, address).items():
        assert "secret-name" not in str(answer), what
    # A form that is sent as a whole page.
    evil.evaluate(
        """(target) => { const form = document.createElement("form"); form.method = "POST"; form.action = target;
             form.innerHTML = '<input name="verdict" value="approve">'; document.body.append(form); form.submit(); }""",
        address,
    )
    evil.wait_for_url(address)
    assert "secret-name" not in evil.content()
    # In a frame, or a window that it opened, it sees nothing either.
    evil.goto(f"{site}:{hostile}/console/")
    framed = evil.evaluate(
        """(target) => new Promise(done => { const frame = document.createElement("iframe"); frame.src = target;
             frame.onload = () => { try { done(String(frame.contentDocument?.body.innerText)); }
                                    catch (error) { done("closed"); } };
             document.body.append(frame); })""",
        address,
    )
    assert "secret-name" not in framed
    opened = evil.evaluate(
        """(target) => { const other = window.open(target); return new Promise(done => setTimeout(() => {
             try { done(other.document.body.innerText); } catch (error) { done("closed"); } }, 300)); }""",
        address,
    )
    assert "secret-name" not in opened
    owner.reload()
    expect(owner.locator("#approvals > li.waits")).to_have_count(1)
    context.close()


@pytest.mark.shows("console.permalink")
def test_a_link_from_elsewhere_opens_for_who_is_signed_in_and_for_nobody_else(
    fresh: Running, elsewhere: Browser, hostile: int
) -> None:
    context, stranger = elsewhere.new_context(), elsewhere.new_context()
    owner = context.new_page()
    fresh.enter(owner)
    fresh.calls(("files__delete", {"name": "a.txt"}))
    owner.locator("#approvals > li").wait_for()
    address = f"{fresh.origin}{owner.locator('#approvals h2 a').get_attribute('href')}"

    def follow(page: Page) -> None:
        page.goto(f"http://chat.test:{hostile}/")
        page.evaluate("(to) => { location.href = to }", address)

    follow(owner)
    expect(owner.get_by_role("heading", name="The call, whole")).to_be_visible()
    other = stranger.new_page()
    follow(other)
    expect(other.get_by_role("heading", name="Sign in")).to_be_visible()
    context.close()
    stranger.close()


@pytest.mark.shows("console.rebinding")
def test_other_names_of_this_address_are_refused(fresh: Running) -> None:
    port = urlsplit(fresh.origin).port
    for host in ("evil.test", f"evil.test:{port}", "127.0.0.1:1", "127.0.0.1", f"127.0.0.1.evil.test:{port}", ""):
        status, told, _ = asked(fresh, "GET", "/console/sign-in", host=host)
        assert (status, "does not go by the name" in told) == (421, True), host
    assert asked(fresh, "GET", "/console/sign-in", host=f"LOCALHOST:{port}")[0] == 200


@pytest.mark.shows("console.hostile-pages")
def test_a_stolen_cookie_alone_changes_nothing(fresh: Running, page: Page) -> None:
    """Without the token of its forms, or from another origin, a request with the session's cookie is refused."""
    fresh.enter(page)
    fresh.calls(("files__delete", {"name": "a.txt"}))
    page.locator("#approvals > li").wait_for()
    path = str(page.locator("#approvals h2 a").get_attribute("href"))
    csrf = page.locator("[name=csrf]").first.input_value()
    (cookie,) = page.context.cookies()
    held = {"cookie": f"{cookie.get('name')}={cookie.get('value')}"}
    said = {"verdict": "approve", "digest": page.locator("[name=digest]").input_value()}
    body, wrong = urlencode({**said, "csrf": csrf}), urlencode({**said, "csrf": "x" + csrf[1:]})
    own = fresh.origin
    for given, headers in (
        (wrong, {"origin": own}),
        ("verdict=approve", {"origin": own}),
        (body, {}),
        (body, {"origin": "null"}),
        (body, {"origin": own.replace("http", "https")}),
        (body, {"origin": own.replace("127.0.0.1", "localhost")}),
        (body, {"origin": own + "0"}),
        (body, {"origin": own, "sec_fetch_site": "same-site"}),
        (body, {"origin": own, "sec_fetch_site": "cross-site"}),
        (body, {"origin": own, "content_type": "text/plain"}),
    ):
        status, *_ = asked(fresh, "POST", path, given, **held, **headers)
        assert status in (403, 415), (given, headers)
    unseen = body.replace("digest=sha256", "digest=sha255")
    for given, code in ((unseen, 400), (urlencode({"verdict": "reject", "csrf": csrf}), 400), (body, 303)):
        assert asked(fresh, "POST", path, given, **held, origin=own)[0] == code


def test_a_form_that_lacks_a_field_of_the_call_decides_nothing(fresh: Running) -> None:
    status, _, told = asked(fresh, "POST", "/console/enter", f"key={fresh.do('link', scopes=ALL)}", origin=fresh.origin)
    assert status == 200
    cookie = told["set-cookie"].partition(";")[0]
    fresh.calls(("files__delete", {"name": "kept.txt"}))
    page, found = "", None
    while found is None:
        _, page, _ = asked(fresh, "GET", "/console/approvals", cookie=cookie)
        found = re.search(r'action="(/console/approvals/[^"]+)" class="row acts"', page)
    csrf, digest = (re.search(f'name="{name}" value="([^"]+)"', page) for name in ("csrf", "digest"))
    assert csrf is not None
    assert digest is not None
    fields = {"csrf": csrf[1], "digest": digest[1], "verdict": "approve", "as": "form"}
    status, page, _ = asked(fresh, "POST", found[1], urlencode(fields), cookie=cookie, origin=fresh.origin)
    assert (status, "not the one of these arguments" in page) == (422, True)
    fields |= {"a.name": "kept.txt"}
    status, _, _ = asked(fresh, "POST", found[1], urlencode(fields), cookie=cookie, origin=fresh.origin)
    assert status == 303
