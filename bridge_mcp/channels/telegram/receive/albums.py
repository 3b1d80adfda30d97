"""Albums (media groups): several messages with the same `media_group_id` become one.

Telegram never says that an album is complete. It counts as complete when its sender sent something else, when it has
the most parts there can be, or when no part came for a while.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from bridge_mcp.channels.telegram.receive.updates import ReadUpdate
from bridge_mcp.ports import Incoming

__all__ = ["Album", "Albums", "joined"]

MAX_PARTS = 10
"""Parts of an album."""


@dataclass(slots=True)
class Album:
    """The parts of an album so far, by the update that brought them."""

    name: str
    author: tuple[str, str]
    """Chat and sender."""
    parts: dict[int, Incoming] = field(default_factory=dict[int, Incoming])
    grew_at: float = 0.0

    @property
    def first(self) -> int:
        """The update that brought its first part."""
        return min(self.parts)


class Albums:
    """The albums that are not complete yet, in the order they began; one is after `quiet_s` seconds without a part."""

    def __init__(self, quiet_s: float) -> None:
        self._quiet_s = quiet_s
        self._open: dict[str, Album] = {}

    def __bool__(self) -> bool:
        return bool(self._open)

    def holds(self, update_id: int) -> bool:
        """Whether the update brought a part of an album that is not complete."""
        return any(update_id in album.parts for album in self._open.values())

    def first_beside(self, album: Album | None) -> int | None:
        """The first update that is held, without those of this album; None for none."""
        return min((each.first for each in self._open.values() if each is not album), default=None)

    def add(self, reading: ReadUpdate, incoming: Incoming, now: float) -> None:
        """Hold a part. `now`: seconds of a monotonic clock."""
        album = self._open.setdefault(reading.album, Album(reading.album, (incoming.chat, incoming.sender.id)))
        album.parts[reading.update_id] = incoming
        album.grew_at = now

    def let_go(self, album: Album) -> None:
        """The album is in the inbox: hold it no longer."""
        del self._open[album.name]

    def followed_by(self, reading: ReadUpdate) -> list[Album]:
        """Albums that are complete because this message came after them."""
        arrival = reading.arrival
        if not isinstance(arrival, Incoming) or arrival.edit:
            return []
        author = (arrival.chat, arrival.sender.id)
        return [each for each in self._open.values() if each.name != reading.album and each.author == author]

    def complete(self, now: float) -> list[Album]:
        """Albums that are full, or got no part for `quiet_s`."""
        return [
            each for each in self._open.values() if len(each.parts) >= MAX_PARTS or now - each.grew_at >= self._quiet_s
        ]


def joined(parts: Sequence[Incoming]) -> Incoming:
    """One message of all parts: the first one's id and place, the files and captions of all."""
    ordered = sorted(parts, key=lambda part: int(part.key))
    return replace(
        ordered[0],
        text="\n".join(part.text for part in ordered if part.text),
        attachments=tuple(dict.fromkeys(each for part in ordered for each in part.attachments)),
        addressed=any(part.addressed for part in ordered),
    )
