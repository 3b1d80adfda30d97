"""llm-expose, the project before this one: how it comes into an environment of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

__all__ = ["ORIGIN", "installed", "missing_because"]

ORIGIN = "llm-expose==0.1.2"
INSTALL_S = 240.0


def installed(folder: Path) -> str:
    """The Python of a new environment that has the origin. Raises where there is no index to get it from."""
    python = str(folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python"))
    if uv := shutil.which("uv"):
        # Many times as quick as pip.
        steps = [[uv, "venv", "--quiet", "--python", sys.executable, str(folder)]]
        steps.append([uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", python, ORIGIN])
    else:
        steps = [[sys.executable, "-m", "venv", str(folder)], [python, "-m", "pip", "install", "--quiet", ORIGIN]]
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True, timeout=INSTALL_S, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr.strip() or f"{step[0]} failed")
    return python


def missing_because(failure: Exception) -> str:
    """Why it is left out of a table."""
    return f"not to be had here: {str(failure).splitlines()[-1][:60]}"
