"""A store that fails when it is told to: every face's methods can be made to raise a `StoreError`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, cast

from bridge_mcp.core.errors import StoreError
from bridge_mcp.ports import Store, StoreHealth

__all__ = ["FACES", "FailingStore"]

FACES = tuple(name for name, each in vars(Store).items() if isinstance(each, property))
"""All that a store has."""


class FailingFace:
    """One face of a store. `fails` is asked before each coroutine, and again when that is done."""

    def __init__(self, face: object, name: str, fails: Callable[[str], bool]) -> None:
        self._face = face
        self._name = name
        self._fails = fails

    def __getattr__(self, method: str) -> Any:
        inner = getattr(self._face, method)
        if not inspect.iscoroutinefunction(inner):
            return inner
        name = f"{self._name}.{method}"

        async def call(*args: object, **kwargs: object) -> object:
            self._check(f"before {name}")
            answer = await inner(*args, **kwargs)
            self._check(f"after {name}")
            return answer

        return call

    def _check(self, place: str) -> None:
        if self._fails(place):
            raise StoreError(f"The store failed {place}.")


class FailingStore:
    """A store that counts what is done with it, and fails at chosen places.

    `places` holds the places come by, in order, such as `before log.record`. The place number `at` fails, and so do the
    next `times` - 1 with the same name. A failure after a call leaves what the call did.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.places: list[str] = []
        self.at = -1
        self.times = 1
        self.failed: list[str] = []
        for name in FACES:
            setattr(self, name, FailingFace(getattr(store, name), name, self._fails))

    def health(self) -> StoreHealth:
        return self._store.health()

    def as_store(self) -> Store:
        return cast("Store", self)

    def _fails(self, place: str) -> bool:
        index = len(self.places)
        self.places.append(place)
        first = index == self.at
        again = bool(self.failed) and place == self.failed[0] and len(self.failed) < self.times
        if first or again:
            self.failed.append(place)
        return first or again
