"""No statement that runs often looks at a whole table: what is asked for decides the cost, not what is stored."""

from __future__ import annotations

import re
import sqlite3
from collections import defaultdict
from pathlib import Path

import pytest

from bridge_mcp.stores.sql.session import SHARED
from bridge_mcp.stores.sqlite import migrate as migrate_module
from bridge_mcp.stores.sqlite.migrate import migrate
from bridge_mcp.stores.sqlite.session import connect, statements

SQLITE = Path(migrate_module.__file__).parent

PENDING = "SCAN messages USING COVERING INDEX messages_pending"
"""Of messages on their way out there are few, and this index holds no others."""

MAY_SCAN = {
    # What is small: one row, or few.
    "messages_due": {PENDING, "SCAN first"},
    "count_pending_messages": {PENDING.replace("messages", "m", 1)},
    "messages_being_sent": {PENDING},
    "cursor_span": {"SCAN sqlite_sequence"},
    "fts_progress": {"SCAN indexed"},
    "fts_set_progress": {"SCAN indexed"},
    "fts_delete_message": {"SCAN indexed"},
    "fts_insert_message": {"SCAN indexed"},
    "active_grants": {"SCAN grants"},
    "clients": {"SCAN clients"},
    "delete_ended_claims": {"SCAN claims"},
    "open_pairing_requests": {"SCAN pairing_requests"},
    "delete_expired_pairing_requests": {"SCAN pairing_requests"},
    "subscription_ids": {"SCAN event_subscriptions"},
    "count_subscriptions": {"SCAN event_subscriptions"},
    "delete_expired_subscriptions": {"SCAN event_subscriptions"},
    "count_failing": {"SCAN event_subscriptions"},
    "failing_subscriptions": {"SCAN event_subscriptions"},
    "delete_old_callbacks": {"SCAN event_callbacks USING COVERING INDEX event_callbacks_by_host"},
    # What is on its way, and what there are few of, when a clock was set.
    "has_times_from_the_future": {"SCAN messages USING COVERING INDEX messages_pending"},
    "send_messages_from_the_future": {"SCAN messages USING INDEX messages_pending"},
    "shift_messages": {"SCAN messages USING INDEX messages_pending"},
    "shift_pairing_requests": {"SCAN pairing_requests USING COVERING INDEX pairing_requests_by_channel"},
    "undelivered": {"SCAN undelivered"},
    # What people ask for who look back: on a worker thread, and by no turn.
    "calls_since": {"SCAN l"},
    "conversations_with": {"SCAN c"},
    # What a rebuild does once.
    "all_conversations": {"SCAN conversations"},
    "delete_messages_of_nobody": {"SCAN messages"},
    "delete_platform_ids_of_nobody": {"SCAN platform_ids"},
    "delete_buttons_of_nobody": {"SCAN buttons USING COVERING INDEX buttons_by_conversation"},
    "delete_approvals_of_nobody": {"SCAN approvals"},
    "delete_events_of_nobody": {"SCAN events"},
    "delete_spending_of_nobody": {"SCAN spending"},
    "sum_spending_of_channels": {"SCAN spending"},
    "sum_spending_of_the_bridge": {"SCAN spending"},
    "delete_oldest_undelivered": {"SCAN undelivered"},
    # What a restored store does once.
    "unfinished_conversations": {
        "SCAN conversations",
        "SCAN messages USING COVERING INDEX messages_pending",
        "SCAN messages USING INDEX messages_open",
    },
    "hold_back_clients": {"SCAN clients"},
    "hold_back_grants": {"SCAN grants"},
    "hold_back_pairings": {"SCAN pairings"},
    "held_back": {"SCAN held_back"},
    "let_in_clients": {"SCAN held_back"},
    "let_in_grants": {"SCAN held_back"},
    "let_in_pairings": {"SCAN held_back"},
    "forget_newest_cursor": {"SCAN sqlite_sequence"},
    # What forgetting for good does once, in a thread beside where it is long.
    "events_of_conversation": {"SCAN events"},
    "delete_own_events_of": {"SCAN events"},
    "delete_pairing_events": {"SCAN events"},
    "delete_grant_events_in": {"SCAN events"},
    "delete_grant_events_by": {"SCAN events"},
    "entries_with_key_of": {"SCAN l USING COVERING INDEX log_keys"},
    "to_forget": {"SCAN forgetting"},
    "first_messages_heard": {"SCAN first_messages"},
    "clear_pairings_by": {"SCAN pairings"},
    "clear_clients_by": {"SCAN clients"},
    "clear_accepted_tools_by": {"SCAN accepted_tools"},
    "delete_grants_in": {"SCAN grants"},
    "delete_grants_by": {"SCAN grants"},
    "delete_held_grants_in": {"SCAN held_back"},
    "delete_held_pairing": {"SCAN held_back"},
    "clear_held_pairing_name": {"SCAN held_back"},
    "clear_held_pairings_by": {"SCAN held_back"},
    "clear_held_clients_by": {"SCAN held_back"},
    "delete_held_grants_by": {"SCAN held_back"},
    # What is limited: the first rows of an index, and the rows that were found so.
    "conversations_due": {
        "SCAN conversations USING INDEX conversations_due_now",
        "SCAN now",
        "SCAN by_time",
        "SCAN due",
    },
    "channels": {"SCAN step"},
    # What begins at the newest, and ends with the first that fits; in a thread beside.
    "newest_cursor_within": {"SCAN e"},
    # What asks for everything.
    "pairings": {"SCAN pairings"},
    # What counts everything, in a thread beside; what waits is counted by its index.
    "count_approvals": {"SCAN approvals USING COVERING INDEX approvals_by_conversation"},
    "count_approvals_in": {"SCAN a USING COVERING INDEX approvals_by_conversation"},
    "conversation_names": {"SCAN conversations USING COVERING INDEX sqlite_autoindex_conversations_1"},
    "event_rows": {"SCAN events"},
    "spending_scopes": {"SCAN spending"},
}


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    path = tmp_path_factory.mktemp("plans") / "bridge.db"
    migrate(path)
    session = connect(path, reading=True)
    assert statements()["entries_between"]
    found = {name: plan(session.connection, sql) for name, sql in statements().items()}
    session.close()
    return found


def plan(connection: sqlite3.Connection, sql: str) -> list[str]:
    if sql.startswith("PRAGMA"):
        return []
    rows = connection.execute(f"EXPLAIN QUERY PLAN {sql}", defaultdict(lambda: 1))
    return [detail.replace("SCAN TABLE ", "SCAN ") for _, _, _, detail in rows]


def scanned(lines: list[str]) -> set[str]:
    """Tables looked at from end to end; inner queries and virtual tables know what they look at."""
    ours = ("CONSTANT", "VIRTUAL TABLE", "(subquery")
    return {line for line in lines if line.startswith("SCAN") and not any(word in line for word in ours)}


def test_no_statement_scans_a_table_unless_it_may(plans: dict[str, list[str]]) -> None:
    assert {name: found for name, lines in plans.items() if (found := scanned(lines) - MAY_SCAN.get(name, set()))} == {}


def test_what_may_scan_is_no_more_than_what_does(plans: dict[str, list[str]]) -> None:
    assert {name: scanned(plans[name]) for name in MAY_SCAN} == MAY_SCAN


@pytest.mark.parametrize(
    "name",
    [
        "entries_between",
        "conversation_row",
        "conversation_head",
        "seq_of_key",
        "events",
        "events_where",
        "conversation",
        "conversations_of_channel",
        "messages_before",
        "message",
    ],
)
def test_what_is_read_often_is_read_in_order_of_an_index(plans: dict[str, list[str]], name: str) -> None:
    lines = plans[name]
    assert lines
    assert not [line for line in lines if "TEMP B-TREE" in line or line.startswith("SCAN e ")]


def test_every_statement_is_run_and_takes_what_it_says() -> None:
    code = "".join(file.read_text("utf-8") for file in SQLITE.parent.rglob("*.py"))
    for file in (*SHARED.glob("*.sql"), *SQLITE.glob("sql/*.sql")):
        _, *blocks = re.split(r"^-- name: (\w+)\((.*)\)\n", file.read_text("utf-8"), flags=re.MULTILINE)
        for name, parameters, body in zip(blocks[::3], blocks[1::3], blocks[2::3], strict=True):
            statement = re.sub(r"^--.*$", "", body, flags=re.MULTILINE)
            assert set(filter(None, parameters.split(", "))) == set(re.findall(r":(\w+)", statement)), name
            assert f'"{name}"' in code, name
