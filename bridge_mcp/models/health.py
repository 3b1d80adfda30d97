"""How the models were when they were last asked: what `get_status` tells of them. Knows no adapter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bridge_mcp.core.errors import ModelFailed
from bridge_mcp.models.errors import OF_THE_REQUEST
from bridge_mcp.models.settings import ModelSettings
from bridge_mcp.ports import ModelHealth

__all__ = ["Record"]


class Record:
    """The last word on every model that was asked; `now` tells the time in epoch seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._known: dict[tuple[str, str], ModelHealth] = {}

    def answered(self, asked: ModelSettings, section: ModelSettings) -> None:
        """`asked` gave a reply, in the place of `section` unless they are the same."""
        self._known[asked.name, asked.model] = ModelHealth(asked.name, asked.model)
        if asked is not section and self._health(section).error:
            self._known[section.name, section.model] = replace(self._health(section), instead=asked.model)

    def failed(self, asked: ModelSettings, failure: ModelFailed) -> None:
        """It gave none; what is wrong with the request alone is no matter of the model."""
        if failure.kind in OF_THE_REQUEST and not failure.aloud:
            return
        since = self._health(asked).since or self._now()
        self._known[asked.name, asked.model] = ModelHealth(
            asked.name, asked.model, str(failure), kind=failure.kind, since=since
        )

    def health(self) -> tuple[ModelHealth, ...]:
        """All that were asked so far, in the order of their first time."""
        return tuple(self._known.values())

    def _health(self, settings: ModelSettings) -> ModelHealth:
        return self._known.get((settings.name, settings.model)) or ModelHealth(settings.name, settings.model)
