"""A model that asks for one call after the other."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tests.hosts.model.wire import Dialect, Event

__all__ = ["CallingModel"]


class CallingModel:
    """Asks for one call after the other, each of a tool by a pattern for the end of its name; then it is done."""

    def __init__(self, dialect: Dialect, calls: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
        self.dialect = dialect
        self.offered: list[str] = []
        """The tools of the last request."""
        self.shown: list[str] = []
        """What the host showed of each call, in order."""
        self._left = list(calls)
        self._open = ""
        self._next: tuple[str, Mapping[str, Any]] = ("", {})

    async def answer(self, body: Mapping[str, Any]) -> list[Event]:
        """The events that answer a request; one without the tool that comes next is the host's own."""
        asked = self.dialect.asked(body)
        self.offered = asked.tools or self.offered
        if self._open in asked.results:
            self.shown.append(asked.results[self._open].text)
            self._open = ""
        if not self._open and not self._left:
            return list(self.dialect.says("That is all."))
        tool, arguments = self._next if self._open else self._left[0]
        name = next((each for each in asked.tools if re.search(rf"(?:^|[._]){tool}$", each)), "")
        if not name:
            return list(self.dialect.says("Fine."))
        if not self._open:
            self._open, self._next = f"call_{len(self._left)}", self._left.pop(0)
        return list(self.dialect.calls(self._open, name, arguments))
