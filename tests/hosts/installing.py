"""Gets packages from PyPI and npm, and runs what came: with few variables, in a home of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["NODE", "RUN_S", "Skipped", "machine", "node_folder", "npm_modules", "python_of", "ran"]

NODE = "node@22.23.3"
"""The Node.js that hosts want; some run on no older one."""
INSTALL_S = 420
RUN_S = 240


class Skipped(Exception):
    """Why a host could not be tried."""


def python_of(folder: Path, packages: Sequence[str]) -> str:
    """The Python of a fresh environment that holds packages.

    Raises:
        Skipped: they cannot be had.
    """
    venv.create(folder, with_pip=True)
    python = str(folder / "bin" / "python")
    install([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages])
    return python


def npm_modules(folder: Path, packages: Sequence[str]) -> Path:
    """The `node_modules` that hold packages, and the Node.js for them.

    Raises:
        Skipped: they cannot be had.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise Skipped("there is no npm")
    install([npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), NODE, *packages])
    return folder / "node_modules"


def node_folder(modules: Path) -> Path:
    """Where its `node` is."""
    return modules / "node" / "bin"


def install(command: Sequence[str]) -> None:
    """Install packages.

    Raises:
        Skipped: their registry is out of reach, or has none of them for this machine.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S, check=False)
    except subprocess.TimeoutExpired:
        raise Skipped(f"not installed within {INSTALL_S} s") from None
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise Skipped(f"cannot be installed: {' '.join(last)[:200]}")


def machine(home: Path, *, first: Path | None = None) -> dict[str, str]:
    """The variables of a host: the machine's PATH (behind `first`) and language, and a home."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG")}
    if first is not None:
        kept["PATH"] = f"{first}{os.pathsep}{kept.get('PATH', os.defpath)}"
    return kept | {"HOME": str(home)}


def ran(command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None) -> str:
    """What a command writes to standard output.

    Raises:
        RuntimeError: it failed; with the end of what it said.
    """
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
        cwd=folder,
        env=environment or machine(folder),
    )
    if done.returncode:
        raise RuntimeError((done.stderr or done.stdout)[-1_500:])
    return done.stdout
