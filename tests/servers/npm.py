"""Packages of npm that tests run: installed once, at the versions that are named here, and kept."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import NoReturn

import pytest
from filelock import FileLock

__all__ = ["cannot_be_had", "packages"]

INSTALL_S = 300


def packages(name: str, *wanted: str) -> Path:
    """The folder `node_modules` with these packages, kept under a name of their own.

    Where npm or its registry cannot be had, the test is skipped; with `CI=true` in the environment it fails.
    """
    found, missing = installed(name, wanted)
    if found is None:
        cannot_be_had(missing)
    return found


def cannot_be_had(why: str) -> NoReturn:
    """Skip the test that needs it; with `CI=true` in the environment, fail it."""
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


@cache
def installed(name: str, wanted: tuple[str, ...]) -> tuple[Path | None, str]:
    """The folder, or why there is none: whichever test process comes first installs, and each tries once."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        return None, f"{name} needs Node.js and npm, which are not installed here"
    kept = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bridge-mcp-tests"
    folder = kept / "+".join(each.replace("/", "_") for each in (name, *wanted))
    done = folder / "installed"
    kept.mkdir(parents=True, exist_ok=True)
    with FileLock(kept / f"{name}.lock", timeout=INSTALL_S):
        if not done.exists():
            quietly = ("--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=0")
            install = [npm, "install", "--prefix", folder, *quietly, *wanted]
            tried = subprocess.run(install, capture_output=True, text=True, check=False, timeout=INSTALL_S)
            if tried.returncode:
                return None, f"npm could not install {', '.join(wanted)}: {tried.stderr.strip()[-300:]}"
            done.touch()
    return folder / "node_modules", ""
