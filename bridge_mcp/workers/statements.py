"""The named statements of `sql/`."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import LiteralString, cast

from bridge_mcp.stores.sql.session import named_statements

__all__ = ["statements"]


@cache
def statements() -> dict[str, LiteralString]:
    """The text of each, by its name."""
    found = named_statements(Path(__file__).with_name("sql"))
    return cast("dict[str, LiteralString]", found)  # files of the package, and nothing that anybody else wrote
