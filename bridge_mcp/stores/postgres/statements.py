"""The named statements of `sql/`, as the driver takes them."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from bridge_mcp.stores.sql.session import named_statements

__all__ = ["statements"]

NAMED = re.compile(r"(?<![:\w]):([a-z_]+)")


@cache
def statements() -> dict[str, bytes]:
    """The text of each named statement, with the driver's placeholders."""
    texts = named_statements(Path(__file__).with_name("sql"))
    return {name: NAMED.sub(r"%(\1)s", text.replace("%", "%%")).rstrip(";").encode() for name, text in texts.items()}
