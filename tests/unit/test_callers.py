"""Processes that run calls themselves: what is left of those that were killed is swept, and nothing else."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from bridge_mcp import file_lock
from bridge_mcp.callers import CallerLock, caller_lives, sweep


def left_behind(folder: Path, name: str, age_s: float) -> Path:
    """A file as a process leaves it that was killed so long ago."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name * 16}.lock"
    path.touch()
    made = time.time() - age_s
    os.utime(path, (made, made))
    return path


def test_only_what_is_old_and_held_by_nobody_is_swept(tmp_path: Path) -> None:
    folder = tmp_path / "callers"
    assert sweep(folder, time.time()) == 0, "there is no folder at first"
    old, new = left_behind(folder, "a", 3700), left_behind(folder, "b", 3500)
    with CallerLock(folder) as lock:
        held = folder / f"{lock.name}.lock"
        os.utime(held, (0, 0))
        assert sweep(folder, time.time()) == 1
        assert (old.exists(), new.exists(), held.exists()) == (False, True, True)
        assert caller_lives(folder, lock.name)


def test_a_file_that_is_swept_before_it_is_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, lock_file, swept = tmp_path / "callers", file_lock.locked, list[int]()

    def swept_first(descriptor: int) -> bool:
        if not swept:
            swept.append(0)
            swept[0] = sweep(folder, time.time() + 7200)
        return lock_file(descriptor)

    monkeypatch.setattr(file_lock, "locked", swept_first)
    with CallerLock(folder) as lock:
        monkeypatch.undo()
        assert swept == [1]
        assert caller_lives(folder, lock.name)
