"""No read of the service gets dearer on Postgres with what is stored: so many pages are looked at, and no more."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from psycopg import sql

from bridge_mcp.stores.postgres.statements import statements
from tests.servers.postgres import Database

LONG, OTHERS, IN_EACH = 20_000, 400, 10

FILL = f"""
INSERT INTO conversations (id, name, channel, head, at, tip, woken, due_since, title, messages, last_at, last_text)
SELECT n, 'local/' || n, 'local', CASE n WHEN 1 THEN {LONG} ELSE {IN_EACH} END,
    0, '', -1, 0, 't', 1, n, '' FROM generate_series(1, {OTHERS}) AS n;
INSERT INTO log (conversation, seq, at, body, link)
SELECT 1, n, n, '{{"text":"x"}}', '' FROM generate_series(0, {LONG - 1}) AS n;
INSERT INTO log (conversation, seq, at, body, link)
SELECT c, n, n, '{{"text":"x"}}', '' FROM generate_series(2, {OTHERS}) AS c, generate_series(0, {IN_EACH - 1}) AS n;
INSERT INTO messages (conversation, seq, status)
SELECT conversation, seq, 'received' FROM log ORDER BY conversation, seq;
INSERT INTO words (conversation, seq, terms)
SELECT conversation, seq, array_to_tsvector(ARRAY['x', 'c' || seq]) FROM log;
INSERT INTO events (cursor, type, conversation, seq)
SELECT row_number() OVER (), 'message.received', 'local/' || conversation, seq FROM log;
UPDATE feed SET head = (SELECT count(*) FROM events);
ANALYZE;
"""

HERE = "local/1"
TYPES: dict[type, str] = {str: "text", int: "bigint", float: "float8"}
READS: dict[str, tuple[dict[str, object], int]] = {
    # statement: its values, and how many pages of the database it may look at
    "messages_before": ({"name": HERE, "before": LONG // 2, "limit": 20}, 400),
    "message": ({"name": HERE, "seq": 7}, 40),
    "entries_after": ({"name": HERE, "after": LONG // 2, "most": 50}, 40),
    "entries_of_tail": ({"name": HERE, "limit": 64, "most": 257}, 60),
    "conversation_row": ({"name": HERE}, 10),
    "conversation": ({"name": HERE}, 20),
    "conversations_of_channel": ({"channel": "local", "last_at": 1e9, "id": 2**62, "limit": 20}, 120),
    "conversations_due": ({"now": 1.0, "limit": 10}, 60),
    "messages_due": ({"now": 1.0, "limit": 10, "channel": ""}, 60),
    "events": ({"after": LONG // 2, "upto": LONG, "limit": 20}, 300),
    "cursor_span": ({}, 10),
    "seq_of_key_in": ({"name": HERE, "key": "heard:1"}, 20),
    "open_questions": ({"name": HERE, "now": 1.0, "limit": 10}, 40),
    "search_messages": ({"terms": "'c7'", "before": 2**62, "limit": 5}, 4_000),
}


@pytest.fixture(scope="module")
def filled(own_store_database: Database) -> Iterator[Database]:
    with own_store_database.connect() as connection:
        connection.execute(FILL.encode())
    yield own_store_database
    own_store_database.as_kept()


@pytest.mark.shows("store.flat")
@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize("name", READS)
def test_a_read_looks_at_a_few_pages(filled: Database, name: str, mode: str) -> None:
    """Also with the plan that fits any values: what the server settles on for a statement that is prepared."""
    values, most = READS[name]
    text, order = statements()[name].decode(), list(values)
    text = re.sub(r"%\((\w+)\)s", lambda found: f"${order.index(found[1]) + 1}", text)
    types = ", ".join(TYPES[type(value)] for value in values.values())
    given = ", ".join(sql.Literal(value).as_string(None) for value in values.values())
    with filled.connect() as connection:
        connection.execute(f"SET plan_cache_mode = {mode}".encode())
        connection.execute(f"PREPARE one{f'({types})' if types else ''} AS {text}".encode())
        shown = connection.execute(
            f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE one{f'({given})' if given else ''}".encode()
        ).fetchone()
    assert shown is not None
    plan: dict[str, Any] = shown[0][0]["Plan"]
    looked_at = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    assert looked_at <= most, json.dumps(plan, indent=1)[:9000]
