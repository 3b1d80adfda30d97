"""The manifest and the tests agree: each promise has a test that shows it, and no test shows one that is not made."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


def promised() -> set[str]:
    """The promises, as `face.name`."""
    faces = tomllib.loads((TESTS / "manifest.toml").read_text("utf-8"))
    return {f"{face}.{name}" for face, promises in faces.items() for name in promises}


def shown(source: str) -> Iterator[tuple[str, str]]:
    """What the tests of a module say that they show: the test, and the promise."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.shows":
                    yield from ((node.name, ast.literal_eval(each)) for each in mark.args)


@lru_cache(1)
def everything_shown() -> list[tuple[str, str]]:
    sources = {path: path.read_text("utf-8") for path in TESTS.rglob("test_*.py") if "cases" not in path.parts}
    return [
        (f"{path.relative_to(TESTS)}::{test}", promise)
        for path, source in sorted(sources.items())
        if "mark.shows" in source
        for test, promise in shown(source)
    ]


def test_every_promise_is_shown_by_a_test() -> None:
    assert promised() - {promise for _, promise in everything_shown()} == set()


def test_no_test_shows_what_is_not_promised() -> None:
    known = promised()
    assert [(test, promise) for test, promise in everything_shown() if promise not in known] == []


def test_only_tests_show_anything() -> None:
    assert [test for test, _ in everything_shown() if not test.partition("::")[2].startswith("test_")] == []


def test_each_promise_is_one_sentence() -> None:
    faces = tomllib.loads((TESTS / "manifest.toml").read_text("utf-8"))
    lines = [sentence for promises in faces.values() for sentence in promises.values()]
    assert len(lines) >= 100
    assert [line for line in lines if not line.endswith(".") or len(line) > 160] == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('@pytest.mark.shows("a.b", "a.c")\nasync def test_x(): ...', [("test_x", "a.b"), ("test_x", "a.c")]),
        ("@pytest.mark.slow\ndef test_x(): ...", []),
    ],
)
def test_the_check_finds_what_a_test_says(source: str, found: list[tuple[str, str]]) -> None:
    assert list(shown(source)) == found
