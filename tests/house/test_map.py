"""The map of the house says what the code does."""

from __future__ import annotations

import re

from tests.house.diagram import mermaid
from tests.house.modules import MAP, listed, listing
from tests.house.tool_schemas import SCHEMAS, drawn


def test_the_state_diagram_is_the_one_that_decide_gives() -> None:
    """Regenerate with: python -m tests.house.diagram"""
    assert mermaid() in MAP.read_text()


def test_every_module_is_on_the_map_and_nothing_else() -> None:
    """Regenerate with: python -m tests.house.modules"""
    assert listed() == listing()


def test_the_schemas_of_the_tools_are_those_of_their_models() -> None:
    """Regenerate with: python -m tests.house.tool_schemas"""
    assert SCHEMAS.read_text("utf-8") == drawn()


def test_every_module_says_in_a_sentence_what_it_is() -> None:
    lines = [line for line in listing().splitlines() if line.startswith("- ")]
    assert [line for line in lines if len(line.partition(": ")[2]) < 15] == []


def test_every_file_and_function_that_the_map_names_is_there() -> None:
    home = MAP.parent
    wrong: list[str] = []
    for file, name in re.findall(r"`([\w/]+\.(?:py|sql))`(?: `(\w+)`)?", MAP.read_text()):
        found = [path for path in (home / file, home.parent / file, *home.rglob(f"*/{file}")) if path.exists()]
        if not found and "NNNN" not in file:
            wrong.append(file)
        elif name and not any(re.search(rf"\b(?:def|class) {name}\b", path.read_text()) for path in found):
            wrong.append(f"{file} {name}")
    assert wrong == []
