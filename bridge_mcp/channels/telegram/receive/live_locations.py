"""Live locations: throttles a message that an app edits every few seconds, for hours.

The first position and the last one reach the log, and some in between: an edit is held back if another one was passed
on a short while ago. It is released when its pause is over, or before anything else from its chat. The pause doubles
with each position, so that hours make few entries and the first move is seen at once. A position that is held back
counts as received: should the process end, the next one is only seconds away.
"""

from __future__ import annotations

from dataclasses import dataclass

from bridge_mcp.ports import Incoming

__all__ = ["LiveLocations"]

FIRST_S = 2.0
"""The pause between the first two positions that are passed on."""
APART_S = 60.0
"""The longest pause between two later ones."""
MAX_FOLLOWED = 1_000
"""Live locations that are remembered; the one that moved longest ago is forgotten first."""


@dataclass(slots=True)
class LocationPace:
    """When a location was last passed on, and how long the next position waits. Seconds."""

    at: float
    apart_s: float = FIRST_S

    @property
    def due(self) -> float:
        """When the next position may be passed on, in seconds of the same clock."""
        return self.at + self.apart_s


class LiveLocations:
    """The positions that are held back, for one channel. Times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._paces: dict[tuple[str, str], LocationPace] = {}
        self._held: dict[tuple[str, str], Incoming] = {}

    def begin(self, first: Incoming, now: float) -> None:
        """Note a new live location, whose first position is passed on."""
        self._note(key_of(first), LocationPace(now, FIRST_S))

    def hold(self, moved: Incoming, now: float) -> bool:
        """Hold this position back; False: it is to be passed on now."""
        key = key_of(moved)
        pace = self._paces.get(key)
        if pace is not None and now < pace.due:
            self._held[key] = moved
            return True
        self._held.pop(key, None)
        self._passed(key, now)
        return False

    def release(self, now: float, chat: str = "") -> list[Incoming]:
        """The positions that are due, and all those of `chat`, where something else came in."""
        due = [key for key in self._held if key[0] == chat or now >= self._paces[key].due]
        for key in due:
            self._passed(key, now)
        return [self._held.pop(key) for key in due]

    def next_due(self, now: float) -> float | None:
        """Seconds until the next held position is due; None for none."""
        times = [self._paces[key].due - now for key in self._held]
        return max(0.0, min(times)) if times else None

    def _passed(self, key: tuple[str, str], now: float) -> None:
        before = self._paces.get(key)
        self._note(key, LocationPace(now, min(APART_S, 2 * before.apart_s if before is not None else FIRST_S)))

    def _note(self, key: tuple[str, str], pace: LocationPace) -> None:
        self._paces.pop(key, None)
        self._paces[key] = pace
        if len(self._paces) > MAX_FOLLOWED:
            forgotten = next(iter(self._paces))
            del self._paces[forgotten]
            self._held.pop(forgotten, None)


def key_of(incoming: Incoming) -> tuple[str, str]:
    return incoming.chat, incoming.key
