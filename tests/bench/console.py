"""The console: its approvals page, open event streams, and how soon a call of another process stands in a browser."""

from __future__ import annotations

import http.client
import secrets
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlencode, urlsplit

from playwright.sync_api import sync_playwright

from tests.bench.figures import percentile
from tests.bench.table import Table
from tests.console.conftest import ALL, ARGUMENTS, CHROMIUM, Running, bridge_in
from tests.console.test_accessible import loads

__all__ = ["run"]

GOAL_MS = 100.0
STREAMS = 100
WAITING = 20
"""Calls that wait while the page is asked for."""

PAINTED = (
    *("approvals", "conversations", "conversation?id=local/seeded-77", "search?q=seeded", "health", "channels"),
    *("servers", "events", "usage", "grants", "pairing", "clients", "log?id=local/seeded-77"),
)
"""The main pages."""

SEEN = """() => { window.seen = new Promise(done => new MutationObserver((_, me) => {
  me.disconnect(); done(Date.now() / 1000);
}).observe(document.getElementById("approvals"), {childList: true})) }"""


def run(quick: bool) -> list[Table]:
    """An engine and a face that serves the console, each in a process of its own, on one store."""
    rounds, requests = (5, 50) if quick else (40, 1000)
    with TemporaryDirectory() as state, bridge_in(Path(state)) as engine, bridge_in(Path(state), "--face") as face:
        taken = appearing(engine, face, rounds)
        for number in range(WAITING):
            engine.calls(("files__delete", {"name": f"{number}.txt"}))
        waits_for(face, WAITING)
        rate = requests_per_second(face, requests)
        before = memory_of(face)
        streams = opened_streams(face)
        after = memory_of(face)
        for stream in streams:
            stream.close()
        paints = painted(face, 3 if quick else 10)
        first, again = visited(1 if quick else 5)
    p50, p99 = percentile(taken, 50) * 1e3, percentile(taken, 99) * 1e3
    goal = f"p50 {verdict_of(p50)}"
    rows = [
        (
            f"a call of another process stands in the browser ({rounds} times)",
            f"{p50:.0f} ms p50, {p99:.0f} ms p99",
            goal,
        ),
        (f"the approvals page with {WAITING} calls that wait", f"{rate:,.0f} requests/s", ""),
        (
            "the approvals page, for the first time since a start",
            f"{first * 1e3:.0f} ms",
            f"{again * 1e3:.0f} ms for the second time",
        ),
        *[
            (
                f"10,000 conversations: {name.partition('?')[0]} ({size / 1e3:.0f} kB)",
                f"painted {paint:.0f} ms (x{paint / paints['sign-in'][0]:.1f}), of which the server {server:.0f}",
                verdict_of(paint),
            )
            for name, (paint, server, size) in paints.items()
        ],
        (f"memory with {STREAMS} open streams", f"{after:.0f} MB ({after - before:+.1f})", ""),
    ]
    return [Table("console", ("what", "figure", "goal"), tuple(rows))]


def verdict_of(milliseconds: float) -> str:
    return f"< {GOAL_MS:g} ms: {'met' if milliseconds < GOAL_MS else 'MISSED'}"


def painted(face: Running, rounds: int) -> dict[str, tuple[float, ...]]:
    """By page: what `loads` tells, each the median of so many loads in turn, beside 10,000 conversations.

    The form for signing in has one field and no script: it tells what the browser itself takes on this machine.
    """
    face.do("seed", count="10000")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        page = browser.new_page()
        stranger = browser.new_context().new_page()
        face.enter(page)
        found: dict[str, list[tuple[float, float, float]]] = {path: [] for path in ("sign-in", *PAINTED)}
        for _ in range(rounds):
            for path, each in found.items():
                each += loads(stranger if path == "sign-in" else page, f"{face.base}/{path}", 1)
        browser.close()
    return {path: medians(each) for path, each in found.items()}


def medians(found: list[tuple[float, float, float]]) -> tuple[float, ...]:
    return tuple(percentile([*values], 50) for values in zip(*found, strict=True))


def appearing(engine: Running, face: Running, rounds: int) -> list[float]:
    """Seconds from the commit of a call's question in one process to its row in a browser before another."""
    taken: list[float] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        page = browser.new_page()
        face.enter(page)
        for _ in range(rounds):
            page.reload()
            page.wait_for_function("() => document.querySelector('[hx-sse\\\\:connect]')._htmx?.sse")
            page.evaluate(SEEN)
            engine.calls(("files__delete", {"name": secrets.token_hex(4)}))
            seen = float(page.evaluate("() => window.seen"))
            taken.append(seen - float(face.do("asked at")))
            engine.do("clear")
        browser.close()
    return taken


def signed_in(face: Running) -> tuple[http.client.HTTPConnection, dict[str, str]]:
    """A connection, and the headers of a session."""
    place = urlsplit(face.origin)
    connection = http.client.HTTPConnection(place.hostname or "", place.port or 0)
    body = urlencode({"key": face.do("link", scopes=ALL)})
    told = {"content-type": "application/x-www-form-urlencoded", "origin": face.origin}
    connection.request("POST", "/console/enter", body, told)
    answer = connection.getresponse()
    answer.read()
    return connection, {"cookie": str(answer.headers["set-cookie"]).partition(";")[0]}


def waits_for(face: Running, count: int) -> None:
    """Wait until so many calls wait."""
    connection, held = signed_in(face)
    while True:
        connection.request("GET", "/console/approvals", headers=held)
        if connection.getresponse().read().count(b'class="card approval waits"') >= count:
            connection.close()
            return


def requests_per_second(face: Running, count: int) -> float:
    connection, held = signed_in(face)
    begun = time.perf_counter()
    for _ in range(count):
        connection.request("GET", "/console/approvals", headers=held)
        connection.getresponse().read()
    taken = time.perf_counter() - begun
    connection.close()
    return count / taken


def visited(rounds: int) -> tuple[float, float]:
    """Seconds that the approvals page takes, a second after the console was started, and once more: medians."""
    taken: list[tuple[float, float]] = []
    for _ in range(rounds):
        with TemporaryDirectory() as state, bridge_in(Path(state)) as bridge:
            time.sleep(1)
            taken.append((1 / requests_per_second(bridge, 1), 1 / requests_per_second(bridge, 1)))
    first, again = zip(*taken, strict=True)
    return percentile([*first], 50), percentile([*again], 50)


def opened_streams(face: Running) -> list[http.client.HTTPConnection]:
    """Streams of the approvals page, all of which are answered."""
    place = urlsplit(face.origin)
    first, held = signed_in(face)
    first.close()
    found: list[http.client.HTTPConnection] = []
    for _ in range(STREAMS):
        connection = http.client.HTTPConnection(place.hostname or "", place.port or 0)
        connection.request("GET", "/console/approvals/stream", headers=held)
        assert connection.getresponse().status == 200
        found.append(connection)
    return found


def memory_of(running: Running) -> float:
    """Megabytes that a process holds."""
    status = Path(f"/proc/{running.process.pid}/status").read_text("utf-8")
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS"))
