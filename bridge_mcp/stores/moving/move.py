"""Moves a bridge from one store to another: every row, every file, and a check that all of it is there.

The source is read only, and nobody may write to it meanwhile. The target is filled table by table, each batch with how
far the move is in one transaction, so that a move that was interrupted goes on where it stopped. It is a store only
once all has arrived: the counts of all tables are equal, each conversation has the same length and the same last link
of its hash chain, and each chain is computed anew from the entries that arrived.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeAlias

import msgspec
from msgspec import Struct

from bridge_mcp.core.errors import StoreError
from bridge_mcp.stores.moving.ends import End, PostgresEnd, SqliteEnd
from bridge_mcp.stores.moving.tables import COMPUTED, LEFT_OUT, TABLES, Reached, Row

__all__ = ["Files", "Move", "Moved", "Progress", "Stage"]

BATCH = 2000
"""Rows of one transaction."""
BATCH_BYTES = 8_000_000
"""About how many bytes of text it has: single rows may be large."""

Stage: TypeAlias = str
Progress: TypeAlias = Callable[[Stage, int, int], object]
"""Hears what is done now, how much of it is done, and of how much."""

SOURCE = ""
"""Under this name the target remembers what is moved into it."""


class Files(Protocol):
    """The kept files of one end, by the SHA-256 of what they hold."""

    def hashes(self) -> Sequence[str]:
        """All of them."""
        ...

    def get(self, digest: str) -> bytes | None:
        """The bytes; None where they are gone."""
        ...

    def put(self, digest: str, data: bytes) -> None:
        """Keep them."""
        ...


class Moved(Struct, frozen=True):
    """What a move has brought over."""

    conversations: int
    entries: int
    rows: int
    files: int
    wrong: tuple[str, ...] = ()
    """What is wrong with the target; then it is no store yet."""


class Move:
    """One move.

    Args:
        source: where the bridge is.
        target: where it goes to.
        files: the files of both.
        index: has the words of the target's messages be found, if that is to be done now; hears of progress.
        verify: what is wrong with the store of a URL, a line each; hears of progress.
    """

    def __init__(
        self,
        source: End,
        target: End,
        files: tuple[Files, Files],
        *,
        index: Callable[[End, End, Progress], None],
        verify: Callable[[End, Progress], Sequence[str]],
        progress: Progress,
    ) -> None:
        self._source = source
        self._target = target
        self._files = files
        self._index = index
        self._verify = verify
        self._progress = progress
        self._rows = 0

    def run(self) -> Moved:
        """Move all that is not moved yet.

        Raises:
            BadInput: there is no bridge at the source, or one at the target.
            StoreError: either is in use, or failed; what was moved stays, and the next run goes on.
        """
        try:
            self._source.begin(writes=False)
            self._target.begin(writes=True)
            self._check_tables()
            self._recognise()
            for table in TABLES:
                self._copy(table)
            self._index(self._source, self._target, self._progress)
            moved = self._move_files()
            self._target.set_head(self._source.head())
            wrong = (*self._differences(), *self._faults())
            report = Moved(
                self._target.count("conversations"), self._target.count("log"), self._rows, files=moved, wrong=wrong
            )
            if not wrong:
                self._target.finish()
            return report
        finally:
            self._source.close()
            self._target.close()

    # -- before -----------------------------------------------------------------------------------------------

    def _check_tables(self) -> None:
        """Raise where a table or a column has no place in the target: nothing may be lost in silence.

        Raises:
            StoreError: there is one.
        """
        unknown = self._source.tables() - TABLES.keys() - LEFT_OUT.keys()
        if unknown:
            raise StoreError(
                f"{self._source.place} has a table {min(unknown)} that this bridge_mcp cannot move.",
                fix="Use the bridge_mcp that wrote it.",
            )
        for table in TABLES:
            lost = set(self._source.columns(table)) - set(self._target.columns(table)) - {c for _, c in COMPUTED}
            if lost:
                raise StoreError(f"{table}.{min(lost)} has no place in {self._target.place}.", fix="Report this.")

    def _recognise(self) -> None:
        """Remember what is moved, and raise where what was begun is the move of something else.

        Raises:
            StoreError: the source is another one, or has been written to since.
        """
        heads = [int(head) for (head,) in self._pages("conversations", ("head", "id"), 1)]
        says = [self._source.place, len(heads), sum(heads), self._source.head()]
        before = self._target.state(SOURCE)
        if before is not None and before != says:
            raise StoreError(
                f"{self._target.place} holds the beginning of another move, or {self._source.place} has been written "
                "to since.",
                fix="Remove the target (the file, or the database), and begin anew.",
            )
        self._target.put(SOURCE, (), (), says)

    def _pages(self, table: str, columns: tuple[str, ...], keep: int) -> Iterator[Row]:
        """The first `keep` columns of every row of the source."""
        key = TABLES[table]
        selected = (*columns[:keep], *key)
        after: Sequence[Any] | None = None
        while rows := self._source.page(table, selected, key, after, BATCH):
            yield from (row[:keep] for row in rows)
            after = rows[-1][keep:]

    # -- rows -------------------------------------------------------------------------------------------------

    def _copy(self, table: str) -> None:
        """Copy what is left of one table."""
        source, key = self._source, TABLES[table]
        theirs = self._target.columns(table)
        shared = tuple(name for name in source.columns(table) if name in theirs)
        computed = tuple(column for column in theirs if (table, column) in COMPUTED and column not in shared)
        key_at = [shared.index(column) for column in key]
        total, reached = source.count(table), msgspec.convert(self._target.state(table) or {}, Reached)
        after, done = reached.after, reached.done
        self._progress(table, done, total)
        while rows := bounded(source.page(table, shared, key, after, BATCH)):
            after = [rows[-1][index] for index in key_at]
            done += len(rows)
            full = [(*row, *self._made(table, computed, shared, row)) for row in rows]
            self._target.put(table, (*shared, *computed), full, Reached(after, done))
            self._progress(table, done, total)
        self._rows += done

    def _made(self, table: str, computed: tuple[str, ...], columns: tuple[str, ...], row: Row) -> tuple[Any, ...]:
        """The columns of a row that the source does not have."""
        by_column = dict(zip(columns, row, strict=True)) if computed else {}
        return tuple(COMPUTED[table, column](by_column) for column in computed)

    # -- files ------------------------------------------------------------------------------------------------

    def _move_files(self) -> int:
        """Copy the files that are not there; how many the source has."""
        ours, theirs = self._files
        source_hashes, target_hashes = ours.hashes(), set(theirs.hashes())
        for number, digest in enumerate(source_hashes):
            self._progress("files", number, len(source_hashes))
            if digest not in target_hashes and (data := ours.get(digest)) is not None:
                theirs.put(digest, data)
        self._progress("files", len(source_hashes), len(source_hashes))
        return len(source_hashes)

    # -- after ------------------------------------------------------------------------------------------------

    def _differences(self) -> Iterator[str]:
        """What the target has not as the source has it, a line each."""
        for table in TABLES:
            source_count, target_count = self._source.count(table), self._target.count(table)
            if source_count != target_count:
                yield f"{table}: {source_count:,} rows at the source, {target_count:,} at the target"
        columns, key = ("name", "head", "tip"), ("name",)
        after: Sequence[Any] | None = None
        while rows := self._source.page("conversations", columns, key, after, BATCH):
            theirs = self._target.page("conversations", columns, key, after, BATCH)
            mine = [(name, head, bytes(tip)) for name, head, tip in rows]
            for left, right in zip(mine, [(name, head, bytes(tip)) for name, head, tip in theirs], strict=False):
                if left != right:
                    yield f"{left[0]}: its hash chain ends otherwise at the target"
            after = rows[-1][:1]
        ours, theirs_files = (set(files.hashes()) for files in self._files)
        if missing := ours - theirs_files:
            yield f"files: {len(missing):,} are not at the target"

    def _faults(self) -> Iterator[str]:
        """What is wrong with the target and was not with the source: each chain is computed anew."""
        faults = self._verify(self._target, self._progress)
        if faults:
            before = set(self._verify(self._source, self._progress))
            yield from (line for line in faults if line not in before)


def bounded(rows: list[Row]) -> list[Row]:
    """As many of these rows as one transaction should have, at least one."""
    size = 0
    for number, row in enumerate(rows):
        size += sum(len(value) for value in row if isinstance(value, str | bytes))
        if size > BATCH_BYTES:
            return rows[: number + 1]
    return rows


__all__ += ["PostgresEnd", "SqliteEnd"]
