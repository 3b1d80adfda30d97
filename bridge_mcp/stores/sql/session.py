"""What the faces ask of a database: a session with named statements, reads beside the writer, an index of words."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar

from bridge_mcp.core.errors import StoreError
from bridge_mcp.core.words import Query

__all__ = [
    "MAX_INLINE_ROWS",
    "SHARED",
    "Chat",
    "CommitUnknown",
    "Contended",
    "Reads",
    "Row",
    "Session",
    "Words",
    "named_statements",
]

T = TypeVar("T")

Row: TypeAlias = tuple[Any, ...]

MAX_INLINE_ROWS = 256
"""Rows from which on a read is long. Below, reading on the event loop (10 to 20 us for a row or two) costs less than
the way to a worker thread and back, where a database can be read without waiting for it."""

NAMED = re.compile(r"^-- name: (\w+)\(.*\n", re.MULTILINE)
"""The line above a statement in a file of statements."""


SHARED = Path(__file__).with_name("statements")
"""The statements that both databases have, as SQLite takes them."""


def named_statements(*folders: Path) -> dict[str, str]:
    """The text of each statement in the files of folders: what stands below its line `-- name: NAME(parameters)`."""
    texts: dict[str, str] = {}
    for file in [file for folder in folders for file in folder.glob("*.sql")]:
        _, *blocks = NAMED.split(file.read_text(encoding="utf-8"))
        texts.update(zip(blocks[::2], map(str.strip, blocks[1::2]), strict=True))
    return texts


class Contended(StoreError):
    """Another transaction was in the way, and nothing was written: the same again may go well."""


class CommitUnknown(StoreError):
    """Whether a transaction was committed cannot be told: it may not be tried again."""


class Session(Protocol):
    """One connection, used by one thread at a time. Every read is fetched whole, so none is left open.

    All methods raise `StoreError` where the database cannot do it, and `BadInput` for a value that has no place in one.
    """

    @property
    def place(self) -> str:
        """Where the store is, as messages name it; without a password."""
        ...

    @property
    def changes(self) -> int:
        """Grows with every row that this session writes."""
        ...

    @property
    def words(self) -> Words:
        """The full-text index."""
        ...

    def rows(self, statement: str, /, **values: object) -> list[Row]:
        """All rows of a named statement."""
        ...

    def row(self, statement: str, /, **values: object) -> Row | None:
        """The only row; None where there is none."""
        ...

    def value(self, statement: str, /, **values: object) -> Any:
        """The first column of the only row; None where there is none."""
        ...

    def run(self, statement: str, /, **values: object) -> int:
        """Run a statement that writes; how many rows it has written."""
        ...

    def put(self, statement: str, /, **values: object) -> None:
        """Run a statement that writes and whose outcome nobody needs.

        It may be sent later, in its order; what is wrong with it may be raised by a later call, up to the commit.
        """
        ...

    def insert(self, statement: str, /, **values: object) -> int:
        """Run a statement that inserts one row with an id of its own; the id, 0 where nothing was inserted."""
        ...

    def add_entry(self, name: str, key: str | None, seq: int, **values: object) -> bool:
        """Add an entry to a log (`insert_entry`); False, and nothing done, where its key is taken."""
        ...

    def seq_of_key(self, name: str, id: int, key: str) -> int | None:
        """Where the entry with a key stands in a conversation; None where there is none."""
        ...

    def is_forgotten(self, id: int, seq: int) -> bool:
        """Whether the content of an entry is gone."""
        ...

    def tell(
        self, type: str, conversation: str, *, seq: int | None = None, at: float | None = None, body: str = ""
    ) -> None:
        """Add an event to the feed with this commit: of an entry, or with a time and a body of its own."""
        ...

    def hold_channel(self, channel: str) -> None:
        """Until the commit nobody else becomes the one who receives from a channel.

        Raises:
            StoreError: somebody else is that by now.
        """
        ...

    def alone(self, what: str) -> None:
        """Until the commit, no other transaction goes on that asks for the same."""
        ...

    def snapshot(self) -> AbstractContextManager[None]:
        """Several reads of one and the same state."""
        ...

    def begin(self, conversations: Sequence[str] = (), keys: Sequence[tuple[str, str]] = ()) -> None:
        """Begin to write, most likely to these conversations; these keys of theirs may be asked for.

        Raises:
            StoreError: that is not possible now.
            StoreLost: this is not the store any more.
        """
        ...

    def commit(self, changed: dict[str, int] | None = None) -> None:
        """End what `begin` began: all of it is durable. `changed` is told to other processes; see `Writer`.

        Raises:
            CommitUnknown: the database is gone, and whether it was committed could not be asked.
        """
        ...

    def roll_back(self) -> None:
        """Give up what `begin` began, if it is still there to be given up. Raises nothing."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class Chat(NamedTuple):
    """A conversation as the rows know it."""

    id: int
    channel: str


class Words(Protocol):
    """The full-text index of messages. It changes in the transactions in which messages do."""

    def insert_message(self, session: Session, chat: Chat, text: str, **values: object) -> None:
        """Insert the row of a message (`values`), and have its text found, now or by the next search."""
        ...

    def changing(self, session: Session, chat: Chat, seq: int, text: str) -> AbstractContextManager[None]:
        """Wraps a change after which a message has this text."""
        ...

    def emptying(self, session: Session, chat: Chat, seqs: list[int]) -> AbstractContextManager[None]:
        """Wraps a change after which these messages have other texts, and all of the conversation's are replayed."""
        ...

    def replayed(self, session: Session, chat: Chat, seq: int, text: str) -> None:
        """A message's row was computed anew, or it has this text as a replay goes on."""
        ...

    def begin_anew(self, session: Session) -> None:
        """Forget all words, within a transaction: every conversation is about to be replayed."""
        ...

    def catch_up(self, session: Session) -> None:
        """Take in what is missing, in transactions of its own."""
        ...

    def is_behind(self, session: Session) -> bool:
        """Whether `take_in` has something to do before a search finds everything."""
        ...

    def take_in(self, session: Session) -> None:
        """Take in some of what is missing, within a transaction."""
        ...

    def search(self, session: Session, query: Query, places: list[str] | None, before: int, limit: int) -> list[Row]:
        """The newest messages with all terms, of those with an id below `before`, as rows of `message_details`.

        `places` are terms of `conversation_term` and `channel_term`; None stands for everywhere.
        """
        ...


class Reads(Protocol):
    """Reads for the faces, which belong to an event loop."""

    async def short(self, read: Callable[[Session], T]) -> T:
        """What a read finds that takes no time to speak of: a few rows by an index."""
        ...

    async def long(self, read: Callable[[Session], T]) -> T:
        """What a read finds that may take long: beside the event loop, and on its own if the caller is cancelled."""
        ...

    async def rows(self, statement: str, /, **values: object) -> list[Row]:
        """A short read of one statement."""
        ...

    async def row(self, statement: str, /, **values: object) -> Row | None:
        """A short read of one row; None where there is none."""
        ...

    async def value(self, statement: str, /, **values: object) -> Any:
        """A short read of one value; None where there is none."""
        ...
