"""The benchmark runs: every figure is there and is a number. How large one is, no test asserts: machines differ."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.peers import ROOT
from tests.bench.table import WIDTH

ROWS = {
    "startup": {
        "spawn to initialize answered": 3,
        "spawn to tools/list answered": 3,
        "CPU time until then": 3,
        "resident memory after it": 3,
        "resident memory, all loaded": 3,
    },
    "roundtrip over stdio, 1 caller": {"2025 list_channels": 8, "2026 send_message": 8},
    "roundtrip over stdio, 32 callers": {"2025 send_message": 8, "2026 list_channels": 8},
    "roundtrip over http, 1 caller": {"2025 send_message": 8, "2026 list_channels": 8},
    "roundtrip over http, 32 callers": {"2025 list_channels": 8, "2026 send_message": 8},
    "roundtrip, CPU": {
        f"{transport} {era} {callers}": 5
        for transport in ("stdio", "http")
        for era in ("2025", "2026")
        for callers in (1, 32)
    },
    "turns": {
        "CPU of a turn, fresh conversations": 2,
        "the same, waited for by its ticket": 2,
        "turns/s, 1 conversation": 2,
        "turns/s, 100 conversations at once": 2,
    },
    "memory": {"engine": 5},
    "reading": {
        "read_messages, any conversation": 5,
        "read_messages, within the longest": 5,
        "list_conversations": 5,
        "list_conversations with a query": 5,
    },
    "a turn's writes": {"turns/s, one after another": 5, "turns/s, 100 conversations at once": 5},
    "reading on Postgres": {"read_messages, any conversation": 5, "read_messages, within the longest": 5},
    "hook": {"started to filed": 3},
    "console": {"memory with 100 open streams": 1},
    "gate": {"1 at once": 9, "32 at once": 9},
    "bridge-mcp gate": {"handshake": 9, "2026-07-28": 9},
    "tools on offer": {"scripted": 5, "chat completions": 5},
    "telegram": {
        "arrival to sendMessage, p50": 1,
        "arrival to sendMessage, p99": 1,
        "replies/s to everybody at once": 1,
    },
    "channels": {"telegram": 3, "slack": 3, "discord": 3},
    "channels, memory": {"with this platform": 4},
    "startup, a model of litellm's configured": {"spawn to initialize answered": 3, "spawn to tools/list answered": 3},
    "models": {f"{what}, {count} at once": 3 for what in ("per second", "p50", "p99") for count in (1, 16, 100)},
    "models, costs": {"CPU of one": 3, "with a history of 20 messages": 3},
    "models, beside the origin": {
        "turns per second, 100 chats at once": 1,
        "a turn, 20 messages before it": 1,
        "a turn, 10,000 chats let in": 1,
        "a turn, 5 tools of 100 ms": 1,
    },
}
"""Of each table, by the beginning of its title, rows and how many figures they hold at least."""

SAMPLE = ("turns", "reading")
"""The figures that every run of the suite prints, with all tables of theirs; `--full` prints all."""

NUMBER = re.compile(r"(?<![\w.])-?\d[\d,]*(\.\d+)?(?=\s|$|/s)")


def tables(printed: str) -> dict[str, dict[str, str]]:
    """Title by title, the rows by what stands before their figures."""
    found: dict[str, dict[str, str]] = {}
    for block in printed.split("\n\n"):
        title, *lines = block.splitlines()
        found[title] = {re.split(r"\s{2,}", line)[0]: line for line in lines[2:] if not line.startswith("(")}
    return found


def run(*arguments: str, module: str = "tests.bench") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)


@pytest.mark.slow
def test_every_figure_is_printed_and_is_a_number(full: bool) -> None:
    done = run("--quick", *(() if full else SAMPLE))
    assert (done.returncode, done.stderr) == (0, "")
    assert max(map(len, done.stdout.splitlines())) <= WIDTH
    found = tables(done.stdout)
    for beginning, rows in ROWS.items() if full else [(each, ROWS[each]) for each in SAMPLE]:
        ((_, printed),) = [each for each in found.items() if each[0].startswith(beginning + ":")] or [("", {})]
        for name, least in rows.items():
            assert name in printed, f"{beginning}: no row '{name}'"
            figures = NUMBER.findall(printed[name].removeprefix(name))
            assert len(figures) >= least, f"{beginning}: '{printed[name]}' holds {len(figures)} figures of {least}"
            assert "nan" not in printed[name] or sys.platform != "linux"  # elsewhere no process tells its CPU time


def test_a_name_that_is_none_is_refused_with_the_names_there_are() -> None:
    refused = run("startupp")
    assert refused.returncode == 2
    assert "there is no figure 'startupp'; there are startup, roundtrip, turns, memory, reading, " in refused.stderr


def test_two_checkouts_are_compared_in_pairs() -> None:
    done = run(str(ROOT), str(ROOT), "page", "--pairs", "1", "--share", "0.02", module="tests.bench.compare")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(
        r"page +before [\d,]+ us  after [\d,]+ us  ratio \d+\.\d+  half of them \d+\.\d+ to \d+\.\d+, of 1\n",
        done.stdout,
    )


def test_a_checkout_that_is_none_is_said_to_be(tmp_path: Path) -> None:
    refused = run(str(ROOT), str(tmp_path), "page", module="tests.bench.compare")
    assert refused.returncode == 2
    assert f"{tmp_path} is no checkout of this project" in refused.stderr
