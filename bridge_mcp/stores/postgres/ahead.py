"""What a transaction reads ahead: the answers to what its appends will ask, in the round trip that begins it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from bridge_mcp.stores.sql.session import Row

__all__ = ["CHANGES_CONVERSATIONS", "Ahead"]

CHANGES_CONVERSATIONS = frozenset(
    {
        "set_wake",
        "shift_wakes",
        "wake_conversations_from_the_future",
        "wake_conversations_waiting_for",
        "reset_conversation",
    }
)
"""After these, a conversation's row that was read ahead may be another."""


class Ahead:
    """Rows of conversations, which are locked, and places of keys; they hold until this transaction writes others."""

    def __init__(self) -> None:
        self._rows: dict[str, Row | None] = {}
        self._keys: dict[tuple[str, str], int | None] = {}
        self._forgetful: dict[int, bool] = {}

    def take(
        self,
        conversations: Iterable[str],
        rows: Iterable[Row],
        keys: Iterable[tuple[str, str]],
        taken: Iterable[Row],
    ) -> None:
        """Note what was asked for, and what was found."""
        self._rows = dict.fromkeys(conversations)
        for name, forgetful, *row in rows:
            self._rows[name] = tuple(row)
            self._forgetful[row[0]] = forgetful
        self._keys = dict.fromkeys(keys)
        for name, key, seq in taken:
            self._keys[name, key] = seq

    def row(self, name: str, read: Callable[[], list[Row]]) -> list[Row]:
        """The row of a conversation, once: the append that asked for it changes it."""
        if name not in self._rows:
            return [row[2:] for row in read()]
        row = self._rows.pop(name)
        return [] if row is None else [row]

    def is_free(self, name: str, key: str | None) -> bool | None:
        """Whether no entry has a key; None where that was not asked."""
        if key is None:
            return True
        return None if (name, key) not in self._keys else self._keys[name, key] is None

    def seq_of(self, name: str, key: str, read: Callable[[], int | None]) -> int | None:
        """Where a key stands."""
        return self._keys[name, key] if (name, key) in self._keys else read()

    def added(self, name: str, key: str | None, seq: int) -> None:
        """An entry was added."""
        if key is not None:
            self._keys[name, key] = seq

    def forgets(self, conversation: int) -> bool:
        """Whether a conversation may have entries whose content is gone."""
        return self._forgetful.get(conversation, True)

    def changed(self, statement: str) -> None:
        """A statement that writes is sent."""
        if statement in CHANGES_CONVERSATIONS:
            self._rows.clear()


def columns(keys: Sequence[tuple[str, str]]) -> tuple[list[str], list[str]]:
    """Pairs as two arrays."""
    return [name for name, _ in keys], [key for _, key in keys]


__all__ += ["columns"]
