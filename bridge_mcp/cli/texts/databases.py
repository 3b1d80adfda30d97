"""What `check` and `status` say of a store on Postgres, and of who works on it."""

from __future__ import annotations

from collections.abc import Sequence

POOLED_ALONE = (
    "[store] url leads to a pooler that shares sessions (PgBouncer in transaction mode): notices and advisory locks do "
    "not work there, so no worker could hold a channel. Name Postgres itself in url, or beside it in direct_url."
)
DIRECT_IS_POOLED = (
    "[store] direct_url leads to a pooler that shares sessions (PgBouncer in transaction mode). Name Postgres itself."
)
TWO_DATABASES = "[store] url and direct_url lead to two databases. Name the same one."
NO_WORKER = "no worker drives: conversations wait. Start one: bridge-mcp worker"


def opens(place: str, server: str, *, version: int) -> str:
    return f"{place}, Postgres {server}, schema version {version}"


def unencrypted(host: str) -> str:
    return f"what goes to {host} is not encrypted (sslmode=disable): that network has to be yours alone"


def clock(offset: float) -> str:
    if abs(offset) < 0.5:
        return "this machine and the database agree"
    where = "ahead of" if offset > 0 else "behind"
    return f"this machine is {abs(offset):.1f} s {where} the database, whose clock decides"


WORKERS = "Workers"


def worker(
    place: str,
    version: str,
    *,
    schema: int,
    clock_off_s: float,
    busy: int,
    total: int,
    holds: Sequence[str],
    refuses: str,
) -> str:
    held = f", holds {', '.join(holds)}" if holds else ""
    runs = f"bridge_mcp {version}, schema version {schema}, clock {clock_off_s:+.1f} s"
    told = f"{place}, {runs}, {busy} of {total} busy{held}"
    return f"{told}. {refuses}" if refuses else told


def queue(waiting: int, *, under_way: int, oldest_s: float) -> str:
    oldest = f", the oldest for {oldest_s:.1f} s" if waiting else ""
    return f"Queue: {waiting} waiting{oldest}, {under_way} under way"
