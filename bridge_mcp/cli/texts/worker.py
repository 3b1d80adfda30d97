"""What the command `worker` says."""

from __future__ import annotations

from collections.abc import Sequence

NAMED = 10
"""How many conversations are named."""


def up(settings: str, concurrency: int) -> str:
    return f"This worker is up ({settings}), for {concurrency} conversations at once. Ctrl-C ends it."


def waits(reason: str) -> str:
    return f"! Waiting for Postgres: {reason}"


def ended(left: Sequence[str]) -> str:
    if not left:
        return "This worker has ended: nothing was left in the middle."
    more = f" and {len(left) - NAMED} more" if len(left) > NAMED else ""
    return (
        f"This worker has ended. {len(left)} conversations were in the middle of something, and go on "
        f"at another worker: {', '.join(left[:NAMED])}{more}."
    )
