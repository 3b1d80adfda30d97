"""What models took, by day and model (`Spending`)."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import asdict

from bridge_mcp.core.entries import Logged
from bridge_mcp.core.spending import Spent, Taken, day_of, model_of, usage_in
from bridge_mcp.stores.sql.session import Reads, Session

__all__ = ["SqlSpending", "add_spending"]


class SqlSpending:
    """See `ports.Spending`."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads

    async def on(self, day: int, *scopes: str) -> tuple[Spent, ...]:
        """One sum for each scope; `day` counts from 1970-01-01 UTC."""
        per_scope = [await self.between(day, day, scope) for scope in scopes]
        return tuple([sum((row.spent for row in rows), Spent()) for rows in per_scope])

    async def between(self, first: int, last: int, *scopes: str) -> tuple[Taken, ...]:
        """By day, from `first` to `last`, and by model; an entry for each scope that took something."""
        sums: list[Taken] = []
        for scope in scopes:
            rows = await self._reads.rows("spending_between", scope=scope, first=first, last=last)
            sums += [Taken(day, model, spent=Spent(*numbers)) for day, model, *numbers in rows]
        return tuple(sums)

    async def ever(self, scope: str) -> Spent:
        """The sum over all days."""
        row = await self._reads.row("spending_total", scope=scope)
        return Spent() if row is None else Spent(*row)


def add_spending(session: Session, scopes: Iterable[str], logged: Logged) -> None:
    """Count, in these scopes, what an entry tells that a model took. Runs inside a writer's transaction."""
    usage = usage_in(logged)
    if usage is None:
        return
    for scope in scopes:
        session.put(
            "add_spending",
            scope=scope,
            day=day_of(logged.at),
            model=model_of(logged.entry),
            **asdict(usage),
        )
