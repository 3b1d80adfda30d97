"""Live locations: a message that an app edits every few seconds, for hours. Only where it is now matters.

The first position and the last one reach the log, and one in between now and then: an edit is held back while another
one was passed on a short while ago, and goes on when its time has come, or before anything else from its chat. What is
held back counts as taken: should the process end, the next position is only seconds away.
"""

from __future__ import annotations

from bridge_mcp.ports import Incoming

__all__ = ["LiveLocations"]

APART_S = 60.0
MOST = 1_000
"""Live locations that are remembered; the one that moved longest ago is forgotten first."""


class LiveLocations:
    """What is held back, for one channel. Times are seconds of a clock that only goes forward."""

    def __init__(self, apart_s: float = APART_S) -> None:
        self._apart_s = apart_s
        self._passed_at: dict[tuple[str, str], float] = {}
        self._held: dict[tuple[str, str], Incoming] = {}

    def begin(self, first: Incoming, now: float) -> None:
        """A live location was sent: its position then is passed on."""
        self._note(key_of(first), now)

    def hold(self, moved: Incoming, now: float) -> bool:
        """Whether this position is held back; if not, it is to be passed on."""
        key = key_of(moved)
        if now - self._passed_at.get(key, float("-inf")) < self._apart_s:
            self._held[key] = moved
            return True
        self._held.pop(key, None)
        self._note(key, now)
        return False

    def release(self, now: float, chat: str = "") -> list[Incoming]:
        """The last positions whose time has come, and all those of a chat in which something else came in."""
        due = [
            key
            for key in self._held
            if key[0] == chat or now - self._passed_at.get(key, float("-inf")) >= self._apart_s
        ]
        for key in due:
            self._note(key, now)
        return [self._held.pop(key) for key in due]

    def next_due(self, now: float) -> float | None:
        """Seconds until a position that is held back is to be passed on; None for none."""
        times = [self._passed_at.get(key, now) + self._apart_s - now for key in self._held]
        return max(0.0, min(times)) if times else None

    def _note(self, key: tuple[str, str], now: float) -> None:
        self._passed_at.pop(key, None)
        self._passed_at[key] = now
        if len(self._passed_at) > MOST:
            forgotten = next(iter(self._passed_at))
            del self._passed_at[forgotten]
            self._held.pop(forgotten, None)


def key_of(incoming: Incoming) -> tuple[str, str]:
    return incoming.chat, incoming.key
