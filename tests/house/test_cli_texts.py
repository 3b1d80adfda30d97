"""What commands say to people stands in `cli/texts`, ready to be translated; no command has a sentence of its own."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.house.modules import HOME

CLI = HOME / "cli"
ELSEWHERE = {
    "lines.py",  # a table: the words for each kind of entry and of event, beside how each is shown
    "service_units.py",  # files for systemd and launchd
}
WORDS = re.compile(r"[^\W\d_]{2,}[,:;]? (?:\{\} )?[^\W\d_]{2,}|^[A-Z][a-z]{2,}(?: \{\})?[.!?]$")
"""Two words with a blank between them, or one that ends like a sentence."""
STYLE = re.compile(r"(?:(?:bold|dim|red|green|yellow|cyan|ansiyellow) ?)+")
NOT_SAID = ("logger", "Parameter", "cast", "App")
"""Calls whose texts are for logs, for `--help`, or for a type checker."""


def told(node: ast.expr) -> str | None:
    """A literal text, with `{}` for each value in it."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(each.value) if isinstance(each, ast.Constant) else "{}" for each in node.values)
    return None


def said(node: ast.AST) -> Iterator[str]:
    """The sentences in a piece of code, but for docstrings, errors, logs and what commands say of themselves."""
    if isinstance(node, ast.Raise) or (isinstance(node, ast.keyword) and node.arg == "help"):
        return
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    if isinstance(node, ast.Call) and ast.unparse(node.func).partition(".")[0] in NOT_SAID:
        return
    if isinstance(node, ast.expr) and (text := told(node)) is not None:
        if WORDS.search(text.strip()) and not STYLE.fullmatch(text):
            yield text
        if isinstance(node, ast.Constant):
            return
    for child in ast.iter_child_nodes(node):
        if not (isinstance(node, ast.JoinedStr) and isinstance(child, ast.Constant)):
            yield from said(child)


def test_no_command_has_a_sentence_of_its_own() -> None:
    found = {
        f"{path.name}: {text}"
        for path in CLI.glob("*.py")
        if path.name not in ELSEWHERE
        for text in said(ast.parse(path.read_text("utf-8")))
    }
    assert found == set(), "a constant or a function of its group's module in cli/texts"


def test_what_is_elsewhere_is_still_there() -> None:
    assert {name for name in ELSEWHERE if list(said(ast.parse((CLI / name).read_text("utf-8"))))} == ELSEWHERE


def test_texts_know_nothing_but_texts() -> None:
    for path in (CLI / "texts").glob("*.py"):
        imports = re.findall(r"^(?:from|import) (\S+)", path.read_text("utf-8"), re.MULTILINE)
        assert set(imports) <= {"__future__", "collections.abc", "bridge_mcp.cli.texts"}, path.name


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('out.print("No approval waits.")', ["No approval waits."]),
        ('out.print(f"{name} is let in.")', ["{} is let in."]),
        ('told = f"still {state}" if state else "It runs."', ["It runs."]),
        ('raise BadInput(f"{name} is not there.", fix="Name another one.")', []),
        ('logger.info("settings: %s", where)', []),
        ('"""What this is for."""', []),
        ('Text(name, "bold red")', []),
        ('out.print(f"{name}: {state}")', []),
    ],
)
def test_the_check_finds_them(source: str, found: list[str]) -> None:
    assert list(said(ast.parse(source))) == found
