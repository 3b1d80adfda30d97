"""What Postgres and its driver raise, in the bridge's own words; a password is in none of them."""

from __future__ import annotations

import re

import psycopg
from psycopg import errors

from bridge_mcp.core.errors import BadInput, StoreError
from bridge_mcp.stores.sql.session import Contended

__all__ = ["UNREACHABLE", "ConnectionLost", "Refused", "store_error"]

CONTENDED = (
    errors.DeadlockDetected,
    errors.SerializationFailure,
    errors.LockNotAvailable,
    errors.UniqueViolation,
)
"""Another transaction was in the way: the same again may go well."""

VALUES = (
    errors.NumericValueOutOfRange,
    errors.InvalidTextRepresentation,
    errors.UntranslatableCharacter,
    errors.CharacterNotInRepertoire,
    errors.ProgramLimitExceeded,
)
"""A value has no place in the database."""

FIXES: dict[str, str] = {
    # by SQLSTATE (postgresql.org/docs/current/errcodes-appendix.html)
    "28P01": "Set the right password: [store] url, url_env or url_file.",
    "28000": "Let this user in (pg_hba.conf), or name another one in [store] url.",
    "3D000": "Create the database, or name another one in [store] url.",
    "42501": "Let this user create and change tables in that database (GRANT CREATE ON SCHEMA public).",
    "53100": "Free some space on the disk of Postgres.",
    "53300": "Raise max_connections of Postgres, or run fewer processes of the bridge.",
    "25006": "Name the primary in [store] url (target_session_attrs=read-write): this server is a standby.",
    "08P01": "See sslmode, sslrootcert in [store] url, and whether that server takes TLS.",
    "pool": "Raise its pool_size, in session mode to all connections of all processes; and see that Postgres runs.",
    "3F000": "Create the schema that search_path names, or name another one.",
    "value": "Correct that parameter in [store] url (postgresql.org/docs/current/libpq-connect.html).",
    "connect": "Let this user in (GRANT CONNECT ON DATABASE), or name another one in [store] url.",
    "startup": "A pooler takes no such parameter: leave options= out of the URL (ALTER ROLE … SET does it).",
    "XX001": "Postgres finds its data damaged: restore a backup.",
    "XX002": "Postgres finds an index damaged: REINDEX DATABASE, or restore a backup.",
}
CONNECTING: tuple[tuple[str, str, bool], ...] = (
    # what libpq says where there is no connection yet, and so no SQLSTATE; whether no waiting helps against it
    ("authentication failed|no password supplied", "28P01", True),
    (r'pg_hba\.conf|role "[^"]*" (does not exist|is not permitted)', "28000", True),
    ('database "[^"]*" does not exist|no such database', "3D000", True),
    ("permission denied for database", "connect", True),
    ("too many (clients|connections)|remaining connection slots", "53300", False),
    ("the pooler on the way", "pool", False),
    (r"bad value for|invalid (\w+ )?value|invalid port", "value", True),
    ("unsupported startup parameter", "startup", True),
    ('SSL(?! SYSCALL| connection has been closed)|certificate (file )?"|certificate verify', "08P01", True),
)
NAMES = re.compile(r'server at "[^"]*"|host \'[^\']*\'')
"""Names of machines, which may hold any word."""

UNREACHABLE = "See that Postgres runs and can be reached from here; the bridge goes on by itself then."


class ConnectionLost(Contended):
    """The connection is gone, and what was not committed with it."""


class Refused(ConnectionLost):
    """No connection is made, however long that is tried: somebody has to do something first."""


def reason(said: str) -> tuple[str, bool]:
    """Why there is no connection, as a key of `FIXES`, and whether that stays so; "" where it may be made later."""
    said = NAMES.sub("", said)
    return next(((key, stays) for pattern, key, stays in CONNECTING if re.search(pattern, said)), ("", False))


def store_error(place: str, exc: Exception, *, lost: bool = False) -> StoreError | BadInput:
    """What Postgres said, where, and the next move. `lost`: the connection is gone, or there never was one."""
    state = exc.sqlstate if isinstance(exc, psycopg.Error) else None
    said = (str(exc).strip() or type(exc).__name__).splitlines()[0].removesuffix(".")
    if isinstance(exc, CONTENDED):
        return Contended(f"The store {place} is busy: {said}.", fix="Try again.")
    if isinstance(exc, VALUES):
        return BadInput(f"A value cannot be stored: {said}.", fix="Use text of whole characters, 64-bit numbers.")
    key, stays = reason(str(exc)) if state is None else (state, False)
    fix = FIXES.get(key, "")
    if lost:
        return (Refused if stays else ConnectionLost)(
            f"The store {place} cannot be reached: {said}.", fix=fix or UNREACHABLE
        )
    return StoreError(f"The store {place} failed: {said}.", fix=fix)
