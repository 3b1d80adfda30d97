"""What ends in a conversation whose store was restored from a backup: everything that was under way.

A backup knows nothing of what happened after it. What it shows as unfinished may have been done since, so nothing of it
is done again, and each thing is ended as what can be known of it: a call that was begun is `unknown`, one that waits
has expired, a message on its way is `uncertain`, a question, a reminder and a turn are over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bridge_mcp.core.entries import (
    Asked,
    Call,
    Delivered,
    Entry,
    Finished,
    Judged,
    Lapsed,
    Log,
    Outcome,
    Rang,
    Stopped,
)
from bridge_mcp.core.evidence import with_evidence
from bridge_mcp.core.state import CallState, State, state_of

__all__ = ["RESTORED", "ends"]

RESTORED = "restore"
"""By whom everything is ended."""

WHY = "the bridge was restored from a backup"
UNKNOWN = "Outcome unknown: the call had begun when the backup was made, and nobody can say what came of it."
LAPSED = "Not run: the bridge was restored from a backup, and what waited then has lapsed. Ask for it again."


def ends(log: Log, unsent: Mapping[int, tuple[str, ...]], questions: Sequence[int]) -> tuple[Entry, ...]:
    """The entries that end all that is open in a conversation; none where nothing is.

    `log` is its end, as far back as `decide` needs; `unsent` and `questions` as `ports.Restoring` gives them.
    """
    state = state_of(log)
    entries: list[Entry] = []
    for call, fate in state.open_fates:
        entries += ends_of_call(call, fate)
    if state.scheduled is not None:
        entries.append(Rang())
    if has_open_turn(state):
        entries.append(Stopped(WHY, state.head, RESTORED))
    entries += [Delivered(seq, "uncertain", platform_ids) for seq, platform_ids in unsent.items()]
    entries += [Lapsed(seq, RESTORED) for seq in questions]
    return with_evidence(log, entries)


def has_open_turn(state: State) -> bool:
    """Whether a turn is under way, or somebody waits for one."""
    return bool(state.unread or state.asking is not None or state.model_starts or state.open_turn is not None)


def ends_of_call(call: Call, fate: CallState) -> tuple[Entry, ...]:
    """How a call without an outcome ends."""
    if fate.begun:
        return (Finished(call.id, "unknown", UNKNOWN),)
    outcome: Outcome = "expired" if isinstance(fate.asked, Asked) else "stopped"
    finished = Finished(call.id, outcome, LAPSED)
    if fate.asked is not None and fate.judged is None:
        return (Judged(call.id, "expired", RESTORED, digest=fate.asked.digest, note=WHY, via="rule"), finished)
    return (finished,)
