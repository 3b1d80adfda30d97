"""What `check` says of a store on Postgres."""

from __future__ import annotations

from bridge_mcp.core.results import Queue
from bridge_mcp.core.safe_text import visible
from bridge_mcp.ports import WorkerInfo

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


def worker(each: WorkerInfo) -> str:
    holds = f", holds {', '.join(each.holds)}" if each.holds else ""
    busy = f"{each.under_way} of {each.concurrency} busy{holds}"
    told = f"{visible(each.host)}:{each.pid}, bridge_mcp {each.version}, {busy}"
    return f"{told}. {visible(each.refuses)}" if each.refuses else told


def queue(found: Queue) -> str:
    oldest = f", the oldest for {found.oldest_s:.1f} s" if found.waiting else ""
    return f"{found.waiting} waiting{oldest}, {found.under_way} under way"
