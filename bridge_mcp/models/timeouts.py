"""How long one call may take: until its first token, between two of them, and as a whole."""

from __future__ import annotations

from types import TracebackType

import anyio

from bridge_mcp.core.errors import ModelFailed
from bridge_mcp.models.errors import ProviderError, failed
from bridge_mcp.models.settings import ModelSettings

__all__ = ["CallTimeouts"]


class CallTimeouts:
    """A context for one call. When time runs out, what is inside is cancelled, and `spent` says how it failed.

    `first_token_s` counts only where tokens can be told from silence: from `listen` on.
    """

    def __init__(self, settings: ModelSettings) -> None:
        self._settings = settings
        self._end = anyio.current_time() + settings.timeout_s
        self._scope = anyio.CancelScope(deadline=self._end)
        self._listening = False

    def __enter__(self) -> CallTimeouts:
        self._scope.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> bool:
        return bool(self._scope.__exit__(kind, exc, trace))

    def listen(self) -> None:
        """Something was heard, or is to be heard from now on."""
        self._listening = True
        self._scope.deadline = min(self._end, anyio.current_time() + self._settings.first_token_s)

    def spent(self) -> ModelFailed:
        """The failure, once time has run out."""
        if self._listening and anyio.current_time() < self._end:
            silence = f"not a word within {self._settings.first_token_s:g} s"
            return failed(self._settings, ProviderError(silence, kind="silent"))
        return failed(
            self._settings, ProviderError(f"no whole answer in {self._settings.timeout_s:g} s", kind="timeout")
        )
