"""How long a function and a module may be: what fits on a screen, and what is read in one go."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import bridge_mcp

HOME = Path(bridge_mcp.__file__).parent

MAX_FUNCTION, MAX_MODULE = 50, 400
"""Lines, with docstrings and comments."""

LONG_MODULES = {
    "core/entries.py",  # one table: every kind of entry there is
}


def test_functions_and_modules_are_short() -> None:
    sources = {path.relative_to(HOME).as_posix(): path.read_text(encoding="utf-8") for path in HOME.rglob("*.py")}
    modules = {name for name, source in sources.items() if source.count("\n") > MAX_MODULE}
    functions = {
        f"{name} {function}"
        for name, source in sources.items()
        if source.count("\n") > MAX_FUNCTION
        for function in too_long(source)
    }

    assert modules == LONG_MODULES, "cut a module where two subjects meet; one that became short leaves this list"
    assert functions == set(), "give a part of the function a name of its own"


def too_long(source: str) -> Iterator[str]:
    """The names of the functions that are."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > MAX_FUNCTION:
                yield node.name
