"""What the code says of its own names: the docstrings that stand below the fields and constants of a module."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterable
from functools import cache
from types import ModuleType

__all__ = ["field_sentences", "first_sentence", "name_sentences"]


def field_sentences(cls: type) -> dict[str, str]:
    """Below each field of a class, or of those it inherits from: its docstring."""
    sentences: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        module = inspect.getmodule(base)
        if module is None or not module.__name__.startswith("bridge_mcp"):
            continue
        for node in parsed(module).body:
            if isinstance(node, ast.ClassDef) and node.name == base.__name__:
                sentences |= below(node.body)
    return sentences


def name_sentences(module: ModuleType) -> dict[str, str]:
    """Below each name that a module assigns at its top: its docstring."""
    return below(parsed(module).body)


def below(statements: Iterable[ast.stmt]) -> dict[str, str]:
    """The texts that stand alone below an assignment, by what is assigned."""
    sentences: dict[str, str] = {}
    name = ""
    for node in statements:
        match node:
            case ast.Expr(value=ast.Constant(value=str(text))) if name:
                sentences[name] = " ".join(text.split())
                name = ""
            case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
                pass
            case _:
                name = ""
    return sentences


@cache
def parsed(module: ModuleType) -> ast.Module:
    return ast.parse(inspect.getsource(module))


def first_sentence(text: str) -> str:
    """The first sentence of a docstring, on one line."""
    line = " ".join(inspect.cleandoc(text).partition("\n\n")[0].split())
    return re.split(r"(?<=[.?!])\s+(?=[A-Z`])", line)[0]
