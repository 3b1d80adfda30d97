"""How a channel is, from what its receiving tells: kept in one place, read by everybody."""

from __future__ import annotations

from dataclasses import replace

from bridge_mcp.ports import ChannelHealth, Clock

__all__ = ["BotHealth"]


class BotHealth:
    """The health of one channel. A foreign thing that goes wrong does not hide what was known before."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.health = ChannelHealth("starting")

    def begin(self) -> None:
        """It starts, perhaps again."""
        self.health = replace(self.health, state="starting", error="")

    def met(self, account: str, hints: tuple[str, ...]) -> None:
        """The platform knows us as this."""
        self.health = replace(self.health, account=account, hints=hints)

    def good(self) -> None:
        """An exchange with the platform went well."""
        self.health = replace(self.health, state="ready", error="", last_ok=self._clock.now())

    def bad(self, error: str) -> None:
        """It does not work just now."""
        self.health = replace(self.health, state="degraded", error=error)

    def end(self, error: str = "") -> None:
        """It ended; with an error, for good."""
        self.health = replace(self.health, state="stopped", error=error or self.health.error)
