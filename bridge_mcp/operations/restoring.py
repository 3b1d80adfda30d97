"""Brings a restored store to rest before anybody works with it: a new identity, and all that was under way ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bridge_mcp.core.entries import Delivered, Finished, Judged, Rang, Stopped
from bridge_mcp.core.restoring import ends
from bridge_mcp.operations.waiting_approvals import close_what_is_over
from bridge_mcp.ports import Clock, Store

__all__ = ["Rested", "bring_to_rest"]

FAR = 1_000_000_000
"""How many cursors are left out at least, so that none of before is given again."""


@dataclass(slots=True)
class Rested:
    """What was ended, in numbers."""

    conversations: int = 0
    unknown: int = 0
    """Calls that had begun."""
    expired: int = 0
    """Approvals."""
    uncertain: int = 0
    """Messages."""
    turns: int = 0
    reminders: int = 0


async def bring_to_rest(
    store: Store, clock: Clock, progress: Callable[[int, int], None] = lambda done, of: None
) -> Rested:
    """End all that is under way in a store that nobody else works with, and give it a new identity.

    Doing it again, after a crash in the middle, ends what is left.
    """
    # A backup can be restored twice: the time keeps the cursors of one restored store from being given in the next.
    await store.restoring.begin_anew(max(await store.feed.head() + FAR, int(clock.now() * 1000)))
    rested = Rested()
    unfinished = await store.restoring.unfinished()
    for number, conversation in enumerate(unfinished):
        progress(number, len(unfinished))
        log = await store.log.tail(conversation)
        unsent, questions = await store.restoring.unsent(conversation), await store.restoring.questions(conversation)
        entries = ends(log, unsent, questions)
        if entries:
            recorded = await store.log.record(conversation, *entries)
            await store.agenda.rest(conversation, recorded[-1].seq + 1, None)
        rested.conversations += bool(entries)
        rested.turns += sum(isinstance(entry, Stopped) for entry in entries)
        rested.expired += sum(isinstance(entry, Judged) for entry in entries)
        rested.uncertain += sum(isinstance(entry, Delivered) for entry in entries)
        rested.reminders += sum(isinstance(entry, Rang) for entry in entries)
        rested.unknown += sum(isinstance(entry, Finished) and entry.outcome == "unknown" for entry in entries)
    await close_what_is_over(store)
    return rested
