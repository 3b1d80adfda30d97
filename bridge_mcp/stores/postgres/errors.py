"""What Postgres and its driver raise, in the bridge's own words; a password is in none of them."""

from __future__ import annotations

import psycopg
from psycopg import errors

from bridge_mcp.core.errors import BadInput, StoreError
from bridge_mcp.stores.sql.session import Contended

__all__ = ["UNREACHABLE", "ConnectionLost", "refusal", "store_error"]

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
    "startup": "A pooler takes no such parameter: leave options= out of the URL (ALTER ROLE … SET does it).",
    "XX001": "Postgres finds its data damaged: restore a backup.",
    "XX002": "Postgres finds an index damaged: REINDEX DATABASE, or restore a backup.",
}
REFUSED: dict[str, str] = {
    # by what libpq says where there is no connection yet, and so no SQLSTATE
    "authentication failed": "28P01",
    "no password supplied": "28P01",
    "pg_hba.conf": "28000",
    "role": "28000",
    'database "': "3D000",
    "unsupported startup parameter": "startup",
    "SSL": "08P01",
    "certificate": "08P01",
}
"""What no waiting helps against."""

UNREACHABLE = "See that Postgres runs and can be reached from here; the bridge goes on by itself then."


class ConnectionLost(Contended):
    """The connection is gone, and what was not committed with it."""


def refusal(said: str) -> str:
    """The SQLSTATE of a connection that was refused for good; "" where it may be made later."""
    return next((state for word, state in REFUSED.items() if word in said), "")


def store_error(place: str, exc: Exception, *, lost: bool = False) -> StoreError | BadInput:
    """What Postgres said, where, and the next move. `lost`: the connection is gone, or there never was one."""
    state = exc.sqlstate if isinstance(exc, psycopg.Error) else None
    said = (str(exc).strip() or type(exc).__name__).splitlines()[0].removesuffix(".")
    if isinstance(exc, CONTENDED):
        return Contended(f"The store {place} is busy: {said}.", fix="Try again.")
    if isinstance(exc, VALUES):
        return BadInput(f"A value cannot be stored: {said}.", fix="Use text of whole characters, 64-bit numbers.")
    fix = FIXES.get(state or refusal(said), "")
    if lost:
        return ConnectionLost(f"The store {place} cannot be reached: {said}.", fix=fix or UNREACHABLE)
    return StoreError(f"The store {place} failed: {said}.", fix=fix)
