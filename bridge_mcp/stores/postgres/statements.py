"""The named statements, those of `sql/` and those that SQLite has alike, as the driver takes them."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from bridge_mcp.stores.sql.session import SHARED, named_statements

__all__ = ["statements"]

NAMED = re.compile(r"(?<![:\w]):([a-z_]+)")

DIALECT = (
    (r"json_each\((:\w+)\)", r"jsonb_array_elements_text(CAST(\1 AS jsonb))"),
    (r"json_extract\(([\w.]+), '\$\.(\w+)'\)", r"(CAST(\1 AS json) ->> '\2')"),
    (r"json_extract\(([\w.]+), '\$\[(\d)\]'\)", r"(CAST(\1 AS json) ->> \2)"),
    (
        r"json_set\(([\w.]+), '\$\[(\d)\]', ''\)",
        r"CAST(jsonb_set(CAST(\1 AS jsonb), '{\2}', to_jsonb(CAST('' AS text))) AS text)",
    ),
    (r"\bjson_array\(", "json_build_array("),
    (r"\binstr\(", "strpos("),
    (r"\bmax\((?=[^()]+,)", "greatest("),
    (r"LIMIT -1 ", ""),
)
"""What SQLite writes in the shared statements, as a pattern, and what Postgres has for it."""


@cache
def statements() -> dict[str, bytes]:
    """The text of each named statement, with the driver's placeholders."""
    texts = {name: translated(text) for name, text in named_statements(SHARED).items()}
    texts |= named_statements(Path(__file__).with_name("sql"))
    return {name: NAMED.sub(r"%(\1)s", text.replace("%", "%%")).rstrip(";").encode() for name, text in texts.items()}


def translated(text: str) -> str:
    """A shared statement in the words of Postgres."""
    for pattern, words in DIALECT:
        text = re.sub(pattern, words, text)
    return text
