"""A real bridge in processes of its own, and a real Chromium before it."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
expect.set_options(timeout=15_000)
ALL = "read,send,approve,tools,admin"


@dataclass
class Running:
    """A bridge in a process."""

    process: subprocess.Popen[str]
    origin: str
    state: Path

    @property
    def base(self) -> str:
        return f"{self.origin}/console"

    def do(self, command: str, **given: str) -> str:
        """Have the process do something; what it answers."""
        stdin, stdout = cast("IO[str]", self.process.stdin), cast("IO[str]", self.process.stdout)
        stdin.write(json.dumps({"do": command, **given}) + "\n")
        stdin.flush()
        return str(json.loads(stdout.readline()))

    def say(self, text: str, conversation: str = "local/main") -> str:
        return self.do("say", conversation=conversation, text=text)

    def calls(self, *wanted: tuple[str, Mapping[str, object]], conversation: str = "") -> None:
        """Have the assistant ask for calls, in a conversation of their own where none is named."""
        self.say("calls " + json.dumps(wanted), conversation or f"local/{secrets.token_hex(4)}")

    def enter(self, page: Page, scopes: str = ALL) -> None:
        """Come in as the owner, by a one-time link."""
        page.goto(f"{self.base}/enter#{self.do('link', scopes=scopes)}")
        page.wait_for_url(f"{self.base}/approvals")


def axe_script() -> str:
    """The script of axe-core, from npm."""
    file = ROOT / ".ci" / "node_modules" / "axe-core" / "axe.min.js"
    if not file.is_file():
        if os.environ.get("CI") == "true":
            pytest.fail("axe-core is not there, and CI has to have it.")
        pytest.skip("needs axe-core: npm install --no-save --prefix .ci axe-core@4.14.1")
    return file.read_text("utf-8")


@contextmanager
def bridge_in(state: Path, *options: str) -> Generator[Running]:
    """A bridge in a process of its own, which has to end in order."""
    command = [sys.executable, "-m", "tests.console.bridge_process", str(state), *options]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield Running(process, str(json.loads(cast("IO[str]", process.stdout).readline())), state)
            process.terminate()
            assert process.wait(10) == 0
        finally:
            process.kill()


@pytest.fixture(scope="package")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with bridge_in(tmp_path_factory.mktemp("state")) as made:
        yield made


@pytest.fixture
def fresh(bridge: Running) -> Running:
    """The bridge of all tests here, in which nothing waits."""
    bridge.do("clear")
    return bridge


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Running]:
    """A bridge of the test's own, in which nothing has happened."""
    with bridge_in(tmp_path / "state") as made:
        yield made


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """For all tests here, none of which may be a coroutine: meanwhile Playwright's own loop runs."""
    if not CHROMIUM:
        if os.environ.get("CI") == "true":
            pytest.fail("Chromium is not there, and CI has to have it.")
        pytest.skip("needs Chromium: apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser
        browser.close()


@dataclass
class Watched:
    """What went wrong in the pages of a context: scripts, the content security policy, requests elsewhere."""

    problems: list[str] = field(default_factory=list[str])
    allowed: tuple[str, ...] = ()

    def watch(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", lambda told: self.note(told.type, told.text))

    def note(self, kind: str, text: str) -> None:
        if kind == "error" and not any(part in text for part in self.allowed):
            self.problems.append(text)


@pytest.fixture
def watched() -> Watched:
    return Watched()


@pytest.fixture
def new_context(chromium: Browser, watched: Watched) -> Iterator[Callable[..., BrowserContext]]:
    """Makes browsers that share nothing; afterwards nothing may have gone wrong in their pages."""
    made: list[BrowserContext] = []

    def make(**options: object) -> BrowserContext:
        context = chromium.new_context(**options)  # pyright: ignore[reportArgumentType]
        context.set_default_timeout(10_000)
        context.on("page", watched.watch)
        made.append(context)
        return context

    yield make
    for context in made:
        context.close()
    assert watched.problems == []


@pytest.fixture
def page(new_context: Callable[..., BrowserContext]) -> Page:
    return new_context().new_page()


def asked(bridge: Running, method: str, path: str, body: str = "", **headers: str) -> tuple[int, str, dict[str, str]]:
    """What a request gets that no browser would send."""
    place = urlsplit(bridge.origin)
    connection = http.client.HTTPConnection(place.hostname or "", place.port or 0)
    told = {"content-type": "application/x-www-form-urlencoded", **{k.replace("_", "-"): v for k, v in headers.items()}}
    connection.request(method, path, body, told)
    answer = connection.getresponse()
    try:
        return answer.status, answer.read().decode(), {name.lower(): value for name, value in answer.getheaders()}
    finally:
        connection.close()
