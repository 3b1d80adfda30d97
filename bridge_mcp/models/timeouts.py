"""The time-outs of one call: until its first token, between two tokens, and as a whole."""

from __future__ import annotations

from types import TracebackType

import anyio

from bridge_mcp.core.errors import ModelFailed
from bridge_mcp.models.errors import ProviderError, failed
from bridge_mcp.models.settings import ModelSettings

__all__ = ["CallTimeouts"]


class CallTimeouts:
    """A context manager for one call. On a time-out the body is cancelled, and `spent` holds the failure.

    `first_token_s` counts only for a streamed answer: from `listen` on.
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
        """Restart the time-out between tokens: a chunk has come, or streaming begins."""
        self._listening = True
        self._scope.deadline = min(self._end, anyio.current_time() + self._settings.first_token_s)

    def spent(self) -> ModelFailed:
        """The failure, after a time-out."""
        if self._listening and anyio.current_time() < self._end:
            silence = f"not a word within {self._settings.first_token_s:g} s"
            return failed(self._settings, ProviderError(silence, kind="silent"))
        return failed(
            self._settings, ProviderError(f"no whole answer in {self._settings.timeout_s:g} s", kind="timeout")
        )
