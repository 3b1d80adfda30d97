"""What goes wrong on purpose: by method, path and count."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field

__all__ = ["Fault", "Faults"]


@dataclass(slots=True)
class Fault:
    """One kind of trouble.

    Attributes:
        kind: `status` answers that status and does nothing; `lost` does it and breaks the connection before the answer;
            `unseen` breaks it before anything is done; `flood` answers 429; `hold` waits for `release` first; `garbage`
            answers 200 with a page that is no JSON.
        of: a pattern of `METHOD /path`, without the version.
        times: how often; then it is over.
    """

    kind: str
    of: str = ""
    times: int = 1
    status: int = 500
    retry_after: float = 1.0
    global_: bool = False
    release: asyncio.Event = field(default_factory=asyncio.Event)


class Faults:
    """Those that are still to come."""

    def __init__(self) -> None:
        self._all: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        self._all.append(fault)
        return fault

    def next(self, request: str) -> Fault | None:
        """The trouble that this request meets."""
        for fault in self._all:
            if fault.times > 0 and re.search(fault.of, request):
                fault.times -= 1
                return fault
        return None
