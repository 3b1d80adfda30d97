"""One request to a method, read: whatever way its parameters came, they are texts by name, and uploads by name.

https://core.telegram.org/bots/api#making-requests. Knows nothing of what the methods do.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from tests.servers.telegram.refusals import bad_request
from tests.servers.telegram.texts import Object

__all__ = ["Call", "Upload"]


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it was sent."""

    name: str
    mime: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Call:
    """A method with its parameters. `method` is in lower case: names of methods are not case-sensitive."""

    method: str
    args: Mapping[str, str]
    uploads: Mapping[str, Upload] = field(default_factory=dict[str, Upload])

    def text(self, name: str) -> str:
        """A text; empty for none."""
        return self.args.get(name, "")

    def required(self, name: str) -> str:
        value = self.text(name)
        if not value:
            raise bad_request(f'parameter "{name}" is required')
        return value

    def integer(self, name: str, default: int = 0, low: int = -(2**63), high: int = 2**63 - 1) -> int:
        """A whole number, kept within bounds. Like Telegram it reads what begins as one and takes the rest for 0."""
        value = self.text(name).strip()
        if not value:
            return default
        digits = value[1:] if value[0] in "+-" else value
        end = next((at for at, char in enumerate(digits) if not char.isdecimal()), len(digits))
        number = int(digits[:end] or "0")
        return max(low, min(high, -number if value[0] == "-" else number))

    def flag(self, name: str) -> bool:
        return self.text(name).lower() in ("true", "yes", "1")

    def objects(self, name: str, what: str) -> list[Object]:
        """A JSON list of objects; an empty one when there is none. `what` names its items in a refusal."""
        read: object = self.json(name) if self.text(name) else list[object]()
        if not isinstance(read, list):
            raise bad_request(f"expected an Array of {what}")
        values = cast("list[object]", read)
        if not all(isinstance(value, dict) for value in values):
            raise bad_request(f"can't parse {what}: expected an Object")
        return cast("list[Object]", values)

    def json(self, name: str) -> object:
        """What a JSON text holds; None when there is none or it cannot be read."""
        try:
            return json.loads(self.text(name)) if self.text(name) else None
        except ValueError:
            return None
