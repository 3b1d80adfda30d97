"""Conversations in a real browser: streamed replies, folded calls, files, search, taking over, the log."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.console.conftest import Running, asked


def chat(page: Page, bridge: Running, conversation: str = "local/main") -> None:
    page.goto(f"{bridge.base}/conversation?id={conversation}")


def send(page: Page, text: str) -> None:
    page.get_by_label("Message", exact=True).fill(text)
    page.get_by_label("Message", exact=True).press("Enter")
    expect(page.get_by_label("Message", exact=True)).to_have_value("")


@pytest.mark.shows("console.streams")
def test_a_reply_streams_and_goes_on_after_a_reload_in_its_middle(fresh: Running, page: Page) -> None:
    fresh.enter(page)
    chat(page, fresh, "local/stream")
    send(page, "stream slowly")
    expect(page.locator(".bubble.theirs")).to_contain_text("stream slowly")
    growing = page.locator("#draft .growing")
    expect(growing).to_contain_text("look at")
    expect(growing.locator("strong", has_text="plan")).to_be_visible()  # it is Markdown while it grows, too
    page.reload()
    expect(page.locator("#draft .growing")).to_contain_text("look at")
    fresh.do("go on")
    done = page.locator("#timeline .bubble.assistant")
    expect(done).to_contain_text("write the summary")
    expect(done.locator("pre code")).to_contain_text("print('done')")
    expect(page.locator("#draft .growing")).to_have_count(0)
    expect(done).to_have_count(1)


@pytest.mark.shows("console.buttons")
def test_a_button_of_a_message_says_its_text_and_comes_in_live(fresh: Running, page: Page) -> None:
    fresh.enter(page)
    chat(page, fresh, "local/buttons")
    expect(page.locator("#timeline")).to_contain_text("No messages yet")
    fresh.do("send", conversation="local/buttons", text="Which one?", buttons="The red|</button><b>bold")
    choices = page.locator(".choices").get_by_role("button")
    expect(choices).to_have_text(["The red", "</button><b>bold"])
    choices.last.click()
    expect(page.locator(".bubble.theirs")).to_contain_text("</button><b>bold")
    expect(page.locator("#timeline b")).to_have_count(0)
    expect(page.locator(".bubble.assistant", has_text="user said")).to_contain_text("bold")


def test_a_viewer_sees_buttons_and_cannot_press_them(fresh: Running, page: Page) -> None:
    fresh.do("send", conversation="local/pressed", text="Which one?", buttons="This")
    fresh.enter(page, "read")
    chat(page, fresh, "local/pressed")
    expect(page.locator(".choices .chip")).to_have_text("This")
    expect(page.locator(".choices").get_by_role("button")).to_have_count(0)


@pytest.mark.shows("console.streams")
def test_a_stream_that_broke_goes_on_where_it_was(fresh: Running, page: Page) -> None:
    fresh.enter(page)
    chat(page, fresh, "local/broken")
    expect(page.locator("#timeline")).to_contain_text("No messages yet")
    page.context.set_offline(True)
    fresh.say("said meanwhile", "local/broken")
    page.context.set_offline(False)
    expect(page.locator(".bubble.assistant")).to_contain_text("user said: said meanwhile")
    expect(page.locator(".bubble")).to_have_count(2)


def test_the_calls_of_a_turn_are_folded_in_with_their_outcome(fresh: Running, page: Page) -> None:
    fresh.enter(page)
    fresh.calls(("clock__now", {}), ("files__delete", {"name": "a.txt"}), conversation="local/calls")
    chat(page, fresh, "local/calls")
    fold = page.locator(".fold")
    expect(fold.locator("summary")).to_contain_text("2 tool calls: clock__now, files__delete")
    expect(fold).to_contain_text("1 not over")
    fold.locator("summary").click()
    fold.get_by_role("link", name="waits for a verdict").click()
    page.get_by_role("button", name="Approve").click()
    expect(page.locator("#state")).to_contain_text("a.txt is gone")
    chat(page, fresh, "local/calls")
    page.locator(".fold summary").click()
    expect(page.locator(".fold")).to_contain_text("approved by owner console")
    expect(page.locator(".fold pre.result")).to_have_text(["12:00", "a.txt is gone"])


@pytest.mark.shows("console.markdown")
def test_markdown_runs_nothing_and_fetches_nothing(fresh: Running, page: Page) -> None:
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    fresh.enter(page)
    fresh.say(
        "<img src=x onerror=alert(1)> <script>document.title='owned'</script>\n\n"
        "![pixel](http://tracker.test/p.png) [bad](javascript:alert(1)) [good](https://example.org/x) a\u202eb\n\n"
        "| a | b |\n|---|---|\n| 1 | 2 |",
        "local/markdown",
    )
    chat(page, fresh, "local/markdown")
    prose = page.locator(".bubble.theirs .prose")
    expect(prose).to_contain_text("<script>document.title='owned'</script>")
    expect(prose).to_contain_text("a<U+202E>b")
    expect(prose.locator("img, script")).to_have_count(0)
    links = prose.locator("a[href]")
    expect(links).to_have_count(2)
    expect(links.nth(1)).to_have_attribute("rel", "noopener noreferrer nofollow")
    expect(prose.locator("td")).to_have_text(["1", "2"])
    assert not [url for url in requests if "tracker" in url]
    assert "owned" not in page.title()


@pytest.mark.shows("console.files")
def test_files_are_downloads_and_only_images_of_our_own_are_shown(fresh: Running, page: Page) -> None:
    fresh.enter(page)
    fresh.do("picture", chat="files", text="look", state=str(fresh.state))
    chat(page, fresh, "local/files")
    image = page.locator(".picture img")
    expect(image).to_be_visible()
    assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") == 1
    with page.expect_download() as download:
        page.get_by_role("link", name="page.html").click()
    assert download.value.suggested_filename == "page.html"
    (cookie,) = page.context.cookies()
    held = {"cookie": f"{cookie.get('name')}={cookie.get('value')}"}
    path = str(page.get_by_role("link", name="page.html").get_attribute("href"))
    _, _, told = asked(fresh, "GET", path, **held)
    assert told["content-type"] == "application/octet-stream"
    assert told["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert told["x-content-type-options"] == "nosniff"
    assert told["content-disposition"].startswith("attachment")
    status, body, _ = asked(fresh, "GET", path.replace("/file?", "/image?"), **held)
    assert status == 404, body


@pytest.mark.shows("console.take-over")
def test_a_conversation_is_taken_over_and_handed_back(fresh: Running, page: Page) -> None:
    fresh.enter(page)
    fresh.say("hello", "local/taken")
    chat(page, fresh, "local/taken")
    page.get_by_role("button", name="Take it over").click()
    expect(page.locator("#standing")).to_contain_text("nobody answers but people")
    send(page, "I am here")
    expect(page.locator(".bubble.theirs")).to_have_count(2)
    expect(page.locator(".bubble.assistant")).to_have_count(1)
    page.get_by_role("button", name="Hand it back").click()
    send(page, "and now")
    expect(page.locator(".bubble.assistant").last).to_contain_text("and now")


def test_conversations_are_found_by_name_and_by_what_was_said(fresh: Running, page: Page) -> None:
    fresh.enter(page)
    fresh.say("an unusual zeppelin", "local/hangar")
    page.goto(f"{fresh.base}/conversations")
    page.get_by_label("Part of a name or a title").fill("hang")
    page.get_by_role("button", name="Find").click()
    expect(page.locator(".list li")).to_have_count(1)
    page.get_by_label("Words in messages").fill("unusual zeppelin")
    page.get_by_role("button", name="Search messages").click()
    page.locator(".list li a").last.click()
    expect(page.locator(".bubble.theirs")).to_contain_text("an unusual zeppelin")


@pytest.mark.shows("console.log")
def test_the_log_is_shown_entry_by_entry_and_verified(fresh: Running, page: Page) -> None:
    fresh.enter(page)
    fresh.say("for the log", "local/logged")
    chat(page, fresh, "local/logged")
    expect(page.locator(".bubble.assistant")).to_contain_text("for the log")
    page.get_by_role("link", name="Log").click()
    expect(page.locator(".entry strong")).to_have_text(["Heard", "Started", "Replied"])
    page.locator(".entry summary").first.click()
    expect(page.locator(".entry pre").first).to_contain_text('"text": "for the log"')
    page.get_by_role("link", name="Verify it").click()
    expect(page.get_by_role("status")).to_contain_text("It verifies")
