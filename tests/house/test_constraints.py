"""The README's commands install the versions that were tried."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from tests.house.constraints import CONSTRAINTS, ROOT, constraints

README = (ROOT / "README.md").read_text("utf-8")


def test_the_constraints_are_those_of_the_lock() -> None:
    assert CONSTRAINTS.read_text("utf-8") == constraints(), "write them anew: python -m tests.house.constraints"


def test_every_command_of_the_readme_that_installs_is_held_to_them() -> None:
    commands = re.findall(r"(?:pip|pipx|uv tool) install [^\n`]*", README)
    assert len(commands) >= 4
    assert all("tests/constraints.txt" in command for command in commands), commands


def test_nothing_sends_anybody_to_the_package_of_a_stranger() -> None:
    """The name `bridge-mcp` on PyPI is another project's; the command and the package of ours are called so."""
    assert tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["name"] == "mcp-chat-bridge"
    wrong = re.compile(
        r"(?:pip|pipx|uv tool|uv) (?:install|upgrade|run)[^\n\"']*[^-./\w\n]bridge-mcp\b|uvx bridge-mcp\b"
    )
    for path in [ROOT / "README.md", *(ROOT / "bridge_mcp").rglob("*.py"), *(ROOT / "examples").rglob("*.py")]:
        assert not wrong.search(path.read_text("utf-8")), path.relative_to(ROOT)


def test_every_file_that_the_readme_names_is_there() -> None:
    named = re.findall(r"\]\(([\w./-]+)\)", README)
    assert named
    assert [name for name in named if not (ROOT / Path(name)).exists()] == []
