"""The demo: exit code 0 only if all of it happened, in time, with nothing left behind."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import pytest

from tests.acceptance.parts import Home, processes_in


@pytest.mark.shows("approvals.demo")
def test_the_demo_shows_the_whole_story_and_leaves_nothing(home: Home) -> None:
    before = set(Path(tempfile.gettempdir()).glob("bridge-mcp-demo-*"))
    began = time.monotonic()
    told = home.run("demo", TMPDIR=str(home.root))
    took = time.monotonic() - began
    story = [
        "channels: home (local), answered by: assistant",
        "Ann: Please tidy up my folder.",
        "runs files__list_files, cleared by: read-only",
        "waits for a",
        "✓ the destructive call waits, whole",
        "→ approve_call(",
        "runs files__delete_file, cleared by: verdict",
        "✓ report-2019-draft.txt is really gone",
        "→ read_messages(",
        "✓ the reply is in the chat",
        "$ kill -9",
        "✓ the bridge is dead: it answers no more",
        "✓ the approval is still there, with the same digest",
        "✓ the turn went on: backup.zip is really gone",
        "✓ the tool server counted two deletions: nothing ran twice",
        "✓ no process is left, neither bridge nor tool server",
        "All of it happened: 17 checks",
    ]
    places = [told.find(line) for line in story]
    assert -1 not in places, f"missing: {story[places.index(-1)]}\n{told}"
    assert places == sorted(places)
    assert max(map(len, told.splitlines())) <= 80
    assert took < 120
    assert not list(home.root.glob("bridge-mcp-demo-*"))
    assert set(Path(tempfile.gettempdir()).glob("bridge-mcp-demo-*")) <= before
    assert not home.state.exists(), "it keeps away from the owner's own state"
    assert not processes_in(home.root)


def test_a_demo_that_cannot_show_it_says_so_and_fails(home: Home) -> None:
    # In this owner's Python the process that speaks in the chat ends at once: the story cannot be told.
    broken = home.root / "broken"
    broken.mkdir()
    (broken / "sitecustomize.py").write_text("import os, sys\nif 'say' in sys.orig_argv: os._exit(3)\n", "utf-8")
    told = home.run("demo", code=1, PYTHONPATH=str(broken), TMPDIR=str(home.root))
    assert "✗ The demo failed: saying it failed" in told
    assert "What the bridge logged last:" in told
    assert not list(home.root.glob("bridge-mcp-demo-*"))
    assert not processes_in(home.root)
