"""Where an `except` takes every exception, the map says so, and why."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.house.modules import HOME, MAP

EVERY = ("Exception", "BaseException")


def broad(node: ast.AST, function: str = "") -> Iterator[str]:
    """The functions with an `except` (or a `suppress`) that takes every exception."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        function = node.name
    if isinstance(node, ast.ExceptHandler):
        named = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
        if any(each is None or ast.unparse(each) in EVERY for each in named):
            yield function
    if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "suppress":
        yield from (function for each in node.args if ast.unparse(each) in EVERY)
    for child in ast.iter_child_nodes(node):
        yield from broad(child, function)


def told() -> set[str]:
    """The places of the map's table: `module function`."""
    rows = re.findall(r"^\| `([\w/]+\.py)` (`.*?`) \| \S", MAP.read_text("utf-8"), re.MULTILINE)
    return {f"{module} {function}" for module, functions in rows for function in re.findall(r"`(\w+)`", functions)}


def test_the_map_tells_each_of_them_and_why() -> None:
    found = {
        f"{path.relative_to(HOME).as_posix()} {function}"
        for path in HOME.rglob("*.py")
        if re.search("Exception|except:", source := path.read_text("utf-8"))
        for function in broad(ast.parse(source))
    }
    assert found == told(), "name the exceptions that can come; where nobody can, add a row to the map with the reason"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("def f():\n try: ...\n except (OSError, Exception): ...", ["f"]),
        ("def f():\n try: ...\n except: ...", ["f"]),
        ("def f():\n with suppress(Exception): ...", ["f"]),
        ("def f():\n try: ...\n except OSError: ...", []),
    ],
)
def test_the_check_finds_them(source: str, found: list[str]) -> None:
    assert list(broad(ast.parse(source))) == found
