"""The statements of the two databases: one text for both, or one of each under the same name; each can be prepared."""

from __future__ import annotations

import re
import sqlite3
from collections import defaultdict
from pathlib import Path

import psycopg

from bridge_mcp.stores.postgres import statements as postgres
from bridge_mcp.stores.postgres.statements import translated
from bridge_mcp.stores.sql.session import SHARED
from bridge_mcp.stores.sqlite import migrate as sqlite_schema
from bridge_mcp.stores.sqlite import session as sqlite
from bridge_mcp.workers import statements as workers
from tests.servers.postgres import Database

HOME = SHARED.parent.parent

NAMED = re.compile(r"^-- name: (\w+)\(([^)]*)\)$(.*?)(?=^-- name|\Z)", re.MULTILINE | re.DOTALL)
PLACEHOLDER = re.compile(r"(?<![:\w]):([a-z_]+)")
DRIVERS = re.compile(r"%\((\w+)\)s")
"""A placeholder as the driver of Postgres takes it."""

ONLY_SQLITE = {
    "conversation_row_to_write",  # one by one: Postgres locks several at once
    "insert_conversation",
    "data_version",  # another process has written: Postgres tells it by itself
    "insert_entry_event",  # one by one: Postgres writes all events of a commit together
    "insert_event",
    "quick_check",  # Postgres reads everything instead
    *("fts_begin_anew", "fts_clear", "fts_delete_message", "fts_forget_progress", "fts_insert_message"),
    *("fts_insert_messages", "fts_optimize", "fts_progress", "fts_set_progress"),
}
ONLY_POSTGRES = {
    "set_for_transaction",
    *("begun", "fate", "is_entry", "lease_fence", "lock_for", "notify"),  # transactions
    *("end_stopped", "workers_alive"),  # SQLite has one process that works
    *("conversation_rows_to_write", "seqs_of_keys"),  # several at once, read ahead
    *("insert_conversation_as", "new_conversation_ids"),  # under a number that was taken before
    "insert_entry_with_free_key",
    "insert_events",
    "read_all",
    *("delete_all_words", "delete_words", "delete_words_of", "put_words"),
    # files, which SQLite has in a folder
    *("use_kept_file", "has_kept_file", "put_kept_file", "kept_file", "delete_kept_file", "kept_files_size"),
    *("delete_kept_files_beyond", "kept_file_hashes"),
    *("caller_leaves", "caller_lives", "callers_alive", "forget_callers"),  # SQLite's callers hold locks of files
    "job_queue",
    "server_now",  # by whose clock all machines go
    "settle_numbers",  # sequences, which SQLite has not
}
BY_APPENDS = {
    # What each append writes is each database's own, alike or not: they are made faster one by one.
    *("insert_entry", "insert_button", "insert_approval"),
    *("set_message_edited", "set_question_over", "set_message_platform_ids", "set_approval_verdict"),
}
OTHER_PARAMETERS = {
    "search_messages",  # what a query of the index is
    # a column with what lists are searched by: SQLite folds as it reads
    *("update_conversation_listed", "update_conversation_due_and_listed"),
}


def statements(folder: Path) -> dict[str, tuple[frozenset[str], str]]:
    """The parameters and the text of each statement in the files of a folder."""
    found: dict[str, tuple[frozenset[str], str]] = {}
    for file in sorted(folder.glob("*.sql")):
        for name, parameters, text in NAMED.findall(file.read_text(encoding="utf-8")):
            assert name not in found, f"{name} is there twice"
            found[name] = (frozenset(filter(None, parameters.split(", "))), text)
    return found


SAME, SQLITE, POSTGRES = (statements(each) for each in (SHARED, HOME / "sqlite" / "sql", HOME / "postgres" / "sql"))


def test_each_database_has_every_statement() -> None:
    assert SQLITE.keys() - POSTGRES.keys() == ONLY_SQLITE
    assert POSTGRES.keys() - SQLITE.keys() == ONLY_POSTGRES


def test_a_statement_takes_what_its_line_says_and_the_same_on_both() -> None:
    for named in (SAME, SQLITE, POSTGRES):
        for name, (parameters, text) in named.items():
            assert set(PLACEHOLDER.findall(code(text))) == parameters, name
    other = {name for name in SQLITE.keys() & POSTGRES.keys() if SQLITE[name][0] != POSTGRES[name][0]}
    assert other == OTHER_PARAMETERS


def test_what_both_databases_can_say_alike_is_said_once() -> None:
    assert not SAME.keys() & (SQLITE.keys() | POSTGRES.keys())
    both = SQLITE.keys() & POSTGRES.keys() - BY_APPENDS
    alike = {name for name in both if code(translated(SQLITE[name][1])) == code(POSTGRES[name][1])}
    assert not alike, "they belong into stores/sql/statements"


def test_sqlite_takes_every_statement(tmp_path: Path) -> None:
    path = tmp_path / "bridge.db"
    sqlite_schema.migrate(path)
    session = sqlite.connect(path, reading=True)
    broken = {name: why for name, text in sqlite.statements().items() if (why := sqlite_complaint(session, text))}
    session.close()
    assert broken == {}
    assert sqlite.statements().keys() == SAME.keys() | SQLITE.keys()


def sqlite_complaint(session: sqlite.Session, text: str) -> str:
    """Why SQLite cannot prepare a statement; "" where it can. Nothing is run."""
    try:
        session.connection.execute(f"EXPLAIN {text}", defaultdict(lambda: 1))
    except sqlite3.Error as exc:
        return str(exc)
    return ""


def test_postgres_takes_every_statement(own_store_database: Database) -> None:
    texts = {name: text.decode() for name, text in postgres.statements().items()} | workers.statements()
    with own_store_database.connect() as connection:
        broken = {name: why for name, text in texts.items() if (why := postgres_complaint(connection, text))}
    assert broken == {}
    assert postgres.statements().keys() == SAME.keys() | POSTGRES.keys()


def postgres_complaint(connection: psycopg.Connection, text: str) -> str:
    """Why Postgres cannot prepare a statement, whose types it infers; "" where it can. Nothing is run."""
    names = list(dict.fromkeys(DRIVERS.findall(text)))
    numbered = DRIVERS.sub(lambda match: f"${names.index(match[1]) + 1}", text).replace("%%", "%")
    try:
        connection.execute(f"PREPARE one AS {numbered}".encode())
        connection.execute("DEALLOCATE one")
    except psycopg.Error as exc:
        return str(exc)
    return ""


def code(text: str) -> str:
    """A statement without its comments, in one line."""
    return " ".join(re.sub(r"--.*", "", text).split())
