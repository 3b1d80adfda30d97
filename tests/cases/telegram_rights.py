"""The right values of Telegram cases: functions that look at what was played, by the name of the case."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import pytest

from tests.cases.telegram_played import CASES, Played, play_all

__all__ = ["Rights", "case"]

Object: TypeAlias = dict[str, Any]
Check: TypeAlias = Callable[[Played], None]


class Rights:
    """The right values of one theme."""

    def __init__(self) -> None:
        self.checks: dict[str, Check] = {}
        self._made: dict[str, Object] = {}

    def of(self, *names: str) -> Callable[[Check], Check]:
        """What holds of these files, named without their ending."""

        def keep(check: Check) -> Check:
            for name in names:
                self.checks[name] = check
            return check

        return keep

    def of_made(self, name: str, steps: Sequence[Object], **settings: Any) -> Callable[[Check], Check]:
        """What holds of a case that is told here; `settings` are the other keys of a case."""
        self._made[name] = {"about": name, "steps": list(steps), **settings}
        return self.of(name)

    def hold(self, subtests: pytest.Subtests) -> None:
        """Play all of them, beside each other, and look at each."""
        cases = ((name, self._made[name]) if name in self._made else name for name in self.checks)
        for name, playing in play_all(*cases):
            with subtests.test(name):
                self.checks[name](playing.result())


def case(name: str, **changes: Any) -> Object:
    """A file's case with other settings or steps, for `of_made(name, **case(...))`."""
    found: Object = json.loads((CASES / f"{name}.json").read_bytes())
    found.pop("about")
    return {key: value for key, value in (found | changes).items() if key != "about"}
