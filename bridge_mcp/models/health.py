"""The health of the models, by their last call, as `get_status` shows it. Knows no adapter."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from bridge_mcp.core.errors import ModelFailed
from bridge_mcp.models.errors import OF_THE_REQUEST
from bridge_mcp.models.settings import ModelSettings
from bridge_mcp.ports import ModelHealth

__all__ = ["HealthRecord"]


class HealthRecord:
    """The last outcome of every model that was called; `now` returns epoch seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._known: dict[tuple[str, str], ModelHealth] = {}

    def answered(self, candidate: ModelSettings, section: ModelSettings) -> None:
        """`candidate` replied, as a fallback of `section` unless they are the same."""
        self._known[candidate.name, candidate.model] = ModelHealth(candidate.name, candidate.model)
        if candidate is not section and self._health(section).error:
            self._known[section.name, section.model] = replace(self._health(section), instead=candidate.model)

    def failed(self, candidate: ModelSettings, failure: ModelFailed) -> None:
        """`candidate` failed; a failure of the request alone (`OF_THE_REQUEST`) is not counted."""
        if failure.kind in OF_THE_REQUEST and not failure.aloud:
            return
        since = self._health(candidate).since or self._now()
        self._known[candidate.name, candidate.model] = ModelHealth(
            candidate.name, candidate.model, str(failure), kind=failure.kind, since=since
        )

    def health(self) -> tuple[ModelHealth, ...]:
        """All models that were called so far, in the order of their first call."""
        return tuple(self._known.values())

    def _health(self, settings: ModelSettings) -> ModelHealth:
        return self._known.get((settings.name, settings.model)) or ModelHealth(settings.name, settings.model)
