"""Rows that wait in a transaction, so that one statement writes all of a kind: what many conversations append together.

A statement of `KINDS` takes an array for each of its parameters, one element for each row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

__all__ = ["KINDS", "Batch", "Sent"]

KINDS: Mapping[str, tuple[str, ...]] = {
    "insert_conversation_as": ("id",),
    "insert_entry_with_free_key": ("id", "seq"),
    "insert_message": ("id", "seq"),
    "put_words": ("id", "seq"),
    "set_message_outcome": ("id", "seq"),
    "insert_platform_id": ("id", "platform_id"),
    "add_spending": (),
    "update_conversation": ("id",),
    "update_conversation_due": ("id",),
    "update_conversation_listed": ("id",),
    "update_conversation_due_and_listed": ("id",),
}
"""The statements, in the order in which they are sent, and what their rows are known by: none takes a row twice at
once. () where it adds up what is there twice."""

Row: TypeAlias = Mapping[str, object]
Sent: TypeAlias = tuple[str, dict[str, object]]
"""A statement, and its arrays."""


class Batch:
    """The rows of one transaction that were not sent yet."""

    def __init__(self) -> None:
        self._rows: dict[str, list[Row]] = {}
        self._known: set[tuple[object, ...]] = set()

    def __bool__(self) -> bool:
        return bool(self._rows)

    def add(self, statement: str, row: Row) -> list[Sent]:
        """Add a row; what has to be sent before it, which is all that waited where that has the row already."""
        before: list[Sent] = []
        if columns := KINDS[statement]:
            name = (statement, *[row[column] for column in columns])
            before = self.take() if name in self._known else before
            self._known.add(name)
        self._rows.setdefault(statement, []).append(row)
        return before

    def take(self) -> list[Sent]:
        """What is to be sent; nothing waits any more."""
        rows, self._rows = self._rows, {}
        self._known.clear()
        return [(statement, arrays(rows[statement])) for statement in KINDS if statement in rows]


def arrays(rows: list[Row]) -> dict[str, object]:
    """The columns of some rows."""
    return {column: array([row[column] for row in rows]) for column in rows[0]}


def array(values: list[object]) -> str:
    """A list as Postgres reads it (postgresql.org/docs/current/arrays.html); the statement says of what type."""
    return "{" + ",".join(map(element, values)) + "}"


def element(value: object) -> str:
    """One element: None, a number, bytes or a text."""
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, bytes):
        return f'"\\\\x{value.hex()}"'
    return "NULL" if value is None else repr(value)
