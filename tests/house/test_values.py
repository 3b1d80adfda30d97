"""Values are built with names: a swap of neighbouring strings must not be silent."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import bridge_mcp

HOME = Path(bridge_mcp.__file__).parent
POSITIONAL = 3
"""How many fields of a value may be given by their place; whatever follows is named."""


def is_value(node: ast.ClassDef) -> bool:
    """Whether a class is a dataclass or a msgspec struct."""
    decorators = [each.func if isinstance(each, ast.Call) else each for each in node.decorator_list]
    return any(ast.unparse(each) in ("dataclass", "dataclasses.dataclass") for each in decorators) or any(
        ast.unparse(base) in ("Struct", "msgspec.Struct") for base in node.bases
    )


def values(trees: dict[Path, ast.Module]) -> set[str]:
    """The names that only value classes have."""
    classes = [node for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    others = {node.name for node in classes if not is_value(node)}
    return {node.name for node in classes if is_value(node)} - others


def crowded(tree: ast.Module, known: set[str]) -> Iterator[tuple[int, str]]:
    """The calls that give too much by place: line and class."""
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("bridge_mcp")
        for alias in node.names
    }
    here = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in known & (imported | here):
            starred = any(isinstance(each, ast.Starred) for each in node.args)
            if len(node.args) > POSITIONAL and not starred:
                yield node.lineno, node.func.id


def test_no_value_gets_more_than_three_fields_by_their_place() -> None:
    trees = {path: ast.parse(path.read_text()) for path in sorted(HOME.rglob("*.py"))}
    known = values(trees)
    wrong = [(path, call) for path, tree in trees.items() for call in crowded(tree, known)]
    assert wrong == []


@pytest.mark.parametrize(("call", "found"), [("V(1, 2, 3)", []), ("V(1, 2, 3, 4)", [(4, "V")]), ("V(*x)", [])])
def test_the_check_finds_a_crowded_call(call: str, found: list[tuple[int, str]]) -> None:
    tree = ast.parse(f"@dataclass\nclass V:\n    a: int\n{call}")
    assert list(crowded(tree, values({Path("x"): tree}))) == found


BY_CYCLOPTS = {"cli/common.py"}
"""Options that a library makes of dataclasses."""


def test_frozen_values_are_structs() -> None:
    wrong = [
        f"{path.relative_to(HOME)}: {node.name}"
        for path in sorted(HOME.rglob("*.py"))
        if "frozen=True" in (source := path.read_text("utf-8"))
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ClassDef) and any("frozen=True" in ast.unparse(each) for each in node.decorator_list)
        if str(path.relative_to(HOME)) not in BY_CYCLOPTS
    ]
    assert wrong == []
