"""Text as Telegram counts it, and the entities on it: offsets and lengths are in UTF-16 code units.

https://core.telegram.org/bots/api#messageentity. Knows nothing of messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

__all__ = ["Entity", "Object", "Rich", "units"]

Object: TypeAlias = dict[str, Any]
"""An object of the Bot API as it goes over the wire."""


def units(text: str) -> int:
    """How many UTF-16 code units a text takes."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


@dataclass(frozen=True, slots=True)
class Entity:
    """One marked stretch of a text, in UTF-16 code units."""

    type: str
    offset: int
    length: int
    url: str = ""
    language: str = ""
    user_id: int = 0
    custom_emoji_id: str = ""

    @property
    def end(self) -> int:
        return self.offset + self.length

    def of(self, text: str) -> str:
        """The stretch itself."""
        raw = text.encode("utf-16-le", "surrogatepass")
        return raw[2 * self.offset : 2 * self.end].decode("utf-16-le", "surrogatepass")

    def wire(self, users: Mapping[int, Object]) -> Object:
        """As it goes over the wire; `users` gives the whole User for a text mention."""
        found: Object = {"type": self.type, "offset": self.offset, "length": self.length}
        optional = {"url": self.url, "language": self.language, "custom_emoji_id": self.custom_emoji_id}
        found.update({name: value for name, value in optional.items() if value})
        if self.user_id:
            found["user"] = users.get(self.user_id, {"id": self.user_id, "is_bot": False, "first_name": ""})
        return found


@dataclass(frozen=True, slots=True)
class Rich:
    """A text with its entities, sorted as Telegram sorts them: by offset, the longer first."""

    text: str
    entities: tuple[Entity, ...] = ()

    @property
    def units(self) -> int:
        return units(self.text)
