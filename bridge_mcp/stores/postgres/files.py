"""Files kept in the database, by the hash of what they hold: one place for all machines, and one to back up.

A folder would have to be the same on every machine, and one that is not loses files without a word. A file has at most
`max_file` bytes (20 MB by default) and all together `max_total` (1 GB), which a database carries; each stands in
chunks outside of its row (TOAST, uncompressed), so that the rows are small.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import anyio.to_thread
import psycopg

from bridge_mcp.core.attachments import attachment_kind
from bridge_mcp.core.entries import Attachment
from bridge_mcp.core.errors import NotFound
from bridge_mcp.core.file_names import plain_name
from bridge_mcp.ports import KEPT
from bridge_mcp.stores.files import MAX_FOLDER, MAX_KEPT_FILE, ROOM, check_size, hash_of, removed
from bridge_mcp.stores.postgres.connecting import CONNECT_S, LONG_S, Database
from bridge_mcp.stores.postgres.errors import ConnectionLost, store_error
from bridge_mcp.stores.postgres.session import statements

__all__ = ["PostgresFiles"]

T = TypeVar("T")


class PostgresFiles:
    """See `ports.Files`. It has a connection of its own from the first file on: files are long, and hold up nobody."""

    def __init__(self, url: str, *, max_file: int = MAX_KEPT_FILE, max_total: int = MAX_FOLDER) -> None:
        self.max_file = max_file
        self.max_total = max_total
        self._database = Database(url)
        self._connection: psycopg.Connection[Any] | None = None
        self._lock = threading.Lock()

    async def put(self, data: bytes, *, mime: str = "", name: str = "") -> Attachment:
        """See `ports.Files`."""
        check_size(data, self.max_file)
        digest = await anyio.to_thread.run_sync(self._in_turn, lambda: self._keep(data))
        return Attachment(f"{KEPT}{digest}", attachment_kind(mime), mime, name=plain_name(name), size=len(data))

    async def read(self, ref: str) -> bytes:
        """See `ports.Files`."""
        digest = hash_of(ref)
        found = await anyio.to_thread.run_sync(self._in_turn, lambda: self._read(digest))
        if found is None:
            raise removed()
        return found

    async def remove(self, ref: str) -> None:
        """See `ports.Files`."""
        try:
            digest = hash_of(ref)
        except NotFound:
            return
        await anyio.to_thread.run_sync(self._in_turn, lambda: self._run("delete_kept_file", hash=digest))

    async def close(self) -> None:
        """Close the connection, if there is one."""
        await anyio.to_thread.run_sync(self._close)

    # -- on a thread ------------------------------------------------------------------------------------------

    def _keep(self, data: bytes) -> str:
        """Write the bytes, unless they are there, and make room where there is too much."""
        digest = hashlib.sha256(data).hexdigest()
        if self._run("has_kept_file", hash=digest):
            self._run("use_kept_file", hash=digest)
            return digest
        self._run("put_kept_file", hash=digest, size=len(data), body=data)
        ((total,),) = self._run("kept_files_size")
        if total > self.max_total:
            self._run("delete_kept_files_beyond", room=int(self.max_total * ROOM))
        return digest

    def _read(self, digest: str) -> bytes | None:
        found = self._run("kept_file", hash=digest)
        if not found:
            return None
        self._run("use_kept_file", hash=digest)
        return bytes(found[0][0])

    def _in_turn(self, work: Callable[[], T]) -> T:
        """Do it once the others have; on a fresh connection where this one is gone, since all of it may be repeated."""
        with self._lock:
            try:
                return work()
            except ConnectionLost:
                self._close()
                return work()

    def _run(self, statement: str, **values: object) -> list[tuple[Any, ...]]:
        """Run a named statement.

        Raises:
            StoreError: Postgres cannot be reached, or cannot do it.
        """
        if self._connection is None:
            self._connection = self._database.connect(wait_s=CONNECT_S, answer_s=LONG_S)
        given: Mapping[str, object] = values
        try:
            cursor = self._connection.execute(statements()[statement], given)
            return cursor.fetchall() if cursor.description else []
        except psycopg.Error as exc:
            gone = self._connection.closed or self._connection.broken
            raise store_error(self._database.place, exc, lost=gone) from exc

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
