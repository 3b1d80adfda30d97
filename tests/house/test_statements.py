"""The statements of the two databases: the same names with the same parameters, but for what is named here."""

from __future__ import annotations

import re
from pathlib import Path

import bridge_mcp

HOME = Path(bridge_mcp.__file__).parent / "stores"

NAMED = re.compile(r"^-- name: (\w+)\(([^)]*)\)$(.*?)(?=^-- name|\Z)", re.MULTILINE | re.DOTALL)
PLACEHOLDER = re.compile(r"(?<![:\w]):([a-z_]+)")

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
    *("begun", "fate", "is_entry", "lease_fence", "lock_for", "notify"),  # transactions
    "workers_alive",  # SQLite has one process that works
    *("conversation_rows_to_write", "seqs_of_keys"),  # several at once, read ahead
    *("insert_conversation_as", "new_conversation_ids"),  # under a number that was taken before
    "insert_entry_with_free_key",
    "insert_events",
    "read_all",
    *("delete_all_words", "delete_words", "delete_words_of", "put_words"),
    # files, which SQLite has in a folder
    *("use_kept_file", "has_kept_file", "put_kept_file", "kept_file", "delete_kept_file", "kept_files_size"),
    *("delete_kept_files_beyond", "kept_file_hashes"),
    "job_queue",
    "server_now",  # by whose clock all machines go
    "settle_numbers",  # sequences, which SQLite has not
}
OTHER_PARAMETERS = {
    "search_messages",  # what a query of the index is
    # a column with what lists are searched by: SQLite folds as it reads
    *("update_conversation_listed", "update_conversation_due_and_listed"),
}


def statements(adapter: str) -> dict[str, tuple[frozenset[str], str]]:
    """The parameters and the text of each statement."""
    found: dict[str, tuple[frozenset[str], str]] = {}
    for file in sorted((HOME / adapter / "sql").glob("*.sql")):
        for name, parameters, text in NAMED.findall(file.read_text(encoding="utf-8")):
            assert name not in found, f"{name} is there twice"
            found[name] = (frozenset(filter(None, parameters.split(", "))), text)
    return found


def test_each_database_has_every_statement() -> None:
    sqlite, postgres = statements("sqlite"), statements("postgres")
    assert sqlite.keys() - postgres.keys() == ONLY_SQLITE
    assert postgres.keys() - sqlite.keys() == ONLY_POSTGRES


def test_a_statement_takes_what_its_line_says_and_the_same_on_both() -> None:
    sqlite, postgres = statements("sqlite"), statements("postgres")
    for named in (sqlite, postgres):
        for name, (parameters, text) in named.items():
            code = re.sub(r"--.*", "", text)
            assert set(PLACEHOLDER.findall(code)) == parameters, name
    other = {name for name in sqlite.keys() & postgres.keys() if sqlite[name][0] != postgres[name][0]}
    assert other == OTHER_PARAMETERS
