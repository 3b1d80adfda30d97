"""The versions that were tried, as pip and uv take them: `python -m tests.house.constraints` writes them anew.

`uv.lock` says what they are; `tests/constraints.txt` says it to whoever has no uv. A test holds one to the other.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

__all__ = ["CONSTRAINTS", "constraints"]

ROOT = Path(__file__).parents[2]
CONSTRAINTS = ROOT / "tests" / "constraints.txt"
HEAD = "# The versions that were tried, made from uv.lock: python -m tests.house.constraints\n"


def constraints() -> str:
    """The file as it should be: a line for each package of the lock, with the condition under which it holds."""
    packages = tomllib.loads((ROOT / "uv.lock").read_text("utf-8"))["package"]
    lines = [
        f"{each['name']}=={each['version']}"
        + (f" ; {' or '.join(each['resolution-markers'])}" if each.get("resolution-markers") else "")
        for each in packages
        if "registry" in each["source"]
    ]
    return HEAD + "".join(f"{line}\n" for line in sorted(lines))


if __name__ == "__main__":
    CONSTRAINTS.write_text(constraints(), "utf-8")
