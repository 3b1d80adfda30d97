"""The named statements of `sql/`."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import LiteralString, cast

from bridge_mcp.stores.sql.session import named_statements

__all__ = ["statements", "together"]


@cache
def statements() -> dict[str, LiteralString]:
    """The text of each, by its name."""
    found = named_statements(Path(__file__).with_name("sql"))
    return cast("dict[str, LiteralString]", found)  # files of the package, and nothing that anybody else wrote


@cache
def together(names: tuple[str, ...]) -> LiteralString:
    """One statement that does all of these: the server's time first, then the rows of each as JSON, NULL for none."""
    if not names:
        return statements()["server_time"]
    parts = ", ".join([f"{name} AS (\n{statements()[name].rstrip(';')}\n)" for name in names])
    rows = ", ".join([f"(SELECT json_agg({name}) FROM {name})" for name in names])
    return cast("LiteralString", f"WITH {parts} SELECT bridge_now(), {rows}")
