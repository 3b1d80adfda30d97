"""The map's list of modules, drawn from their docstrings: `python -m tests.house.modules` writes it into the map."""

from __future__ import annotations

import ast
import re
from functools import lru_cache
from pathlib import Path

import bridge_mcp

__all__ = ["MAP", "listed", "listing"]

HOME = Path(bridge_mcp.__file__).parent
MAP = HOME / "README.md"

BEGIN, END = "<!-- modules: begin -->", "<!-- modules: end -->"


@lru_cache(1)
def listing() -> str:
    """Folder by folder, each module with the first sentence of its docstring."""
    lines: list[str] = []
    for folder in folders():
        name = folder.relative_to(HOME).as_posix()
        lines += ["", f"**`{name}/`**: {said(folder / '__init__.py')}" if name != "." else "**at the top**", ""]
        modules = sorted(path for path in folder.glob("*.py") if path.name != "__init__.py")
        lines += [f"- `{path.stem}`: {said(path)}" for path in modules]
    return "\n".join(lines).strip()


def folders() -> list[Path]:
    """Every package of the house, the top first."""
    return [HOME, *sorted(path.parent for path in HOME.rglob("__init__.py") if path.parent != HOME)]


def said(path: Path) -> str:
    """The first sentence of a module's docstring."""
    text = " ".join((ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").split("\n\n")[0].split())
    return re.split(r"(?<=[.?!])\s+(?=[A-Z`])", text)[0]


def listed() -> str:
    """What stands on the map between its two marks."""
    return MAP.read_text("utf-8").partition(BEGIN)[2].partition(END)[0].strip()


def main() -> None:
    """Write the list into the map."""
    before, _, rest = MAP.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    MAP.write_text(f"{before}{BEGIN}\n\n{listing()}\n\n{END}{after}", "utf-8")


if __name__ == "__main__":
    main()
