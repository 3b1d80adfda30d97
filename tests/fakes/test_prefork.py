"""Processes that are forks (`tests.prefork`): whoever starts one finds a process as any other."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.prefork import COMMAND

ROOT = Path(__file__).parents[2]
TOLD = [sys.executable, "-m", "tests.prefork.told"]
"""Tells what it was given, as JSON; ends with the code of its last argument, or waits for its end without one."""


def test_a_fork_has_what_was_given_to_it(tmp_path: Path) -> None:
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    done = subprocess.run(
        [*TOLD, "two words", "ü", "3"], input="a line\nmore", capture_output=True, text=True, check=False,
        cwd=tmp_path, env={"PATH": "/bin", "OWN": "1"},
    )  # fmt: skip
    assert done.returncode == 3
    told = json.loads(done.stdout)
    if not told.pop("forked"):
        pytest.skip("this system gives a fork no other parent")
    assert told == {
        "arguments": ["two words", "ü", "3"],
        "folder": str(tmp_path),
        "environment": {"PATH": "/bin", "OWN": "1"},
        "input": "a line\nmore",
        "parent": os.getpid(),
        "open": [0, 1, 2],
    }
    assert done.stderr == "said on standard error\n"


def test_a_fork_is_waited_for_and_killed_as_any_child() -> None:
    with subprocess.Popen(
        TOLD, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, start_new_session=True
    ) as child:
        assert os.getsid(child.pid) == child.pid
        child.send_signal(signal.SIGKILL)
        assert child.wait(10) == -signal.SIGKILL


@pytest.mark.usefixtures("new_interpreters")
def test_a_new_interpreter_can_be_had() -> None:
    done = subprocess.run([*TOLD, "0"], input="", capture_output=True, text=True, check=True, cwd=ROOT)
    assert json.loads(done.stdout)["forked"] is False


def test_an_option_of_the_interpreter_is_heeded() -> None:
    command = [sys.executable, "-X", "importtime", COMMAND, "--version"]
    assert "import time:" in subprocess.run(command, capture_output=True, text=True, check=True).stderr
