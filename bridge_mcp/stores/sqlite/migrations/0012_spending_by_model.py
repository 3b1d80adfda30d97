"""What models took is summed for each of them, and not for all together: computed anew from the entries that tell it.

The sums are those of `core/spending.py` as it was when this was written.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from typing import Any

TABLE = """
CREATE TABLE spending (
    scope TEXT NOT NULL,
    day INTEGER NOT NULL,               -- since 1970
    model TEXT NOT NULL,                -- as the entry names it; empty where it names none
    calls INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    nano_usd INTEGER NOT NULL,          -- of the calls whose price is known
    unpriced INTEGER NOT NULL,          -- calls whose price is not
    latency_ms INTEGER NOT NULL,
    PRIMARY KEY (scope, day, model)
) WITHOUT ROWID
"""
ENTRIES = """
SELECT c.name, l.at, l.body FROM log AS l JOIN conversations AS c ON c.id = l.conversation
WHERE l.body LIKE '%"kind":"Replied"%' OR l.body LIKE '%"kind":"Summarised"%'
    OR l.body LIKE '%"kind":"Reviewed"%' OR l.body LIKE '%"kind":"Transcribed"%'
"""
DAY_S = 86_400


def upgrade(connection: sqlite3.Connection) -> None:
    """Replace the table."""
    sums: defaultdict[tuple[str, int, str], list[int]] = defaultdict(lambda: [0] * 7)
    for name, at, body in connection.execute(ENTRIES):
        read = taken(body)
        if read is None:
            continue
        model, numbers = read
        for scope in ("", name.partition("/")[0], name):
            known = sums[scope, int(at // DAY_S), model]
            known[:] = [a + b for a, b in zip(known, numbers, strict=True)]
    connection.execute("DROP TABLE spending")
    connection.execute(TABLE.strip())
    rows = [(*key, *numbers) for key, numbers in sums.items()]
    connection.executemany("INSERT INTO spending VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)


def taken(body: str) -> tuple[str, list[int]] | None:
    """The model and the numbers of an entry that is the outcome of a call of one; None for any other."""
    try:
        entry: dict[str, Any] = json.loads(body)
        kind = entry["kind"]
        usage: dict[str, Any] = entry.get("usage", {})
        calls: int = entry.get("calls", 0) if kind == "Transcribed" else 1
        if kind not in ("Replied", "Summarised", "Reviewed", "Transcribed") or not calls:
            return None
        if kind in ("Summarised", "Reviewed") and entry.get("ref", -1) < 0:
            return None
        cost: float | None = usage.get("cost_usd")
        latency: float = usage.get("latency_s", 0.0)
        tokens: list[int] = [usage.get(f"{name}_tokens", 0) for name in ("input", "output", "cached")]
        priced = [0, calls] if cost is None else [round(cost * 1e9), 0]
        return str(entry.get("model", "")), [calls, *tokens, *priced, round(latency * 1000)]
    except (ValueError, TypeError, KeyError, AttributeError):  # damaged: `verify` tells of it
        return None
