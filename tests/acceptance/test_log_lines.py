"""The log of a bridge that stays up: an owner can follow it, a program can read it, and it tells nobody's words."""

from __future__ import annotations

import json
import re
import signal
from typing import Any

import pytest

from tests.acceptance.parts import Home
from tests.acceptance.test_serving import running, until

WORDS = "delete my diary of yesterday.txt"


def until_said(process: Any, pattern: str) -> dict[str, str]:
    """The first JSON line whose message matches."""
    return json.loads(until(process.stderr, rf'"message": "[^"]*{pattern}').string)


@pytest.mark.shows("cli.log")
@pytest.mark.parametrize("how", ["option", "settings"])
def test_a_turn_a_verdict_and_its_outcome_are_lines_of_json(home: Home, how: str) -> None:
    home.scripted(
        'connect_timeout_s = 120\n[log]\nformat = "json"\n' if how == "settings" else "connect_timeout_s = 120\n"
    )
    (home.work / "files" / WORDS.removeprefix("delete ")).write_text("x", "utf-8")
    with running(home, "serve", *(["--log-json"] if how == "option" else [])) as process:
        begun = until_said(process, "this process is the engine now")
        assert set(begun) == {"time", "level", "logger", "message"}
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", begun["time"])
        home.run("say", "desk/main", WORDS, "--name", "Ann\u202e\nnnA")
        lines = [until_said(process, r"desk/main#\d+: heard Ann")["message"]]
        lines.append(until_said(process, "waits for a verdict")["message"])
        (approval,) = home.json("approvals", "list")
        home.run("approvals", "approve", approval["id"])
        lines += [until_said(process, each)["message"] for each in ("approved by owner", "is over: ok", "answered in")]
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
        rest = process.stderr.read() if process.stderr else ""
    told = "\n".join([*lines, rest])
    assert "diary" not in told
    assert "\u202e" not in told
    assert re.search(r"heard Ann<U\+202E> nnA \(owner\), for the assistant", lines[0])
    assert re.search(r"desk/main: files__delete_file \[\d+\.0\] waits for a verdict, asked for by assistant", lines[1])
    assert f"desk/main: {approval['id']}: approved by owner (cli)" in lines[2]
    assert re.search(r"answered in \d+\.\d s", lines[4])


@pytest.mark.shows("cli.log")
def test_who_stands_by_says_so_and_a_quiet_level_is_quiet(home: Home) -> None:
    home.scripted()
    with running(home, "serve") as first:
        until(first.stderr, "this process is the engine now")
        with running(home, "serve") as second:
            until(second.stderr, "another process is the engine; this one stands by")
    with running(home, "serve", "--log-level", "warning") as third:
        assert home.run("say", "plain/main", "hello", "--wait") == "echo: hello\n"
        third.send_signal(signal.SIGTERM)
        assert third.wait(15) == 0
        assert third.stderr is not None
        assert "plain/main" not in third.stderr.read()
