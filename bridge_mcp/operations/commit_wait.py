"""Waiting for what a commit may bring, until a deadline: one way for all calls that wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge_mcp.operations.clocks import elapsed
from bridge_mcp.ports import Agenda

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

__all__ = ["CommitWait"]


class CommitWait:
    """Hears of commits from the moment that it is entered, so that none is missed between a look and the wait for more.

    with CommitWait(store.agenda, timeout_s) as wait:
        while True:
            found = await look()
            if found or not await wait.more(5.0):
                return found
    """

    def __init__(self, agenda: Agenda, timeout_s: float) -> None:
        self._changes = agenda.watch()
        self._deadline = elapsed() + timeout_s

    @property
    def left(self) -> float:
        """The seconds until the deadline; negative once it is over."""
        return self._deadline - elapsed()

    async def more(self, pause_s: float, conversation: str = "") -> bool:
        """Wait for the next commit, of this conversation if one is named, at most `pause_s`; False once time is up.

        Raises:
            StoreError: the store was closed.
        """
        now = elapsed()
        if now >= self._deadline:
            return False
        ends = min(now + pause_s, self._deadline)
        while (pause := ends - elapsed()) > 0:
            changed = await self._changes.wait(pause)
            if changed is None or not conversation or conversation in changed:
                break
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._changes.close()
