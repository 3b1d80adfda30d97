"""The health of a channel, as its receiving half reports it: kept in one place, read by everybody."""

from __future__ import annotations

from msgspec.structs import replace

from bridge_mcp.ports import ChannelHealth, Clock

__all__ = ["BotHealth"]


class BotHealth:
    """The health of one channel. An error keeps the account and hints that were known before."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.health = ChannelHealth("starting")

    def begin(self) -> None:
        """Receiving starts, perhaps again."""
        self.health = replace(self.health, state="starting", error="")

    def met(self, account: str, hints: tuple[str, ...] = ()) -> None:
        """The platform accepted the token: this is the bot's account."""
        self.health = replace(self.health, account=account, hints=hints)

    def good(self) -> None:
        """A request to the platform succeeded."""
        self.health = replace(self.health, state="ready", error="", last_ok=self._clock.now())

    def bad(self, error: str) -> None:
        """Receiving does not work at the moment."""
        self.health = replace(self.health, state="degraded", error=error)

    def end(self, error: str = "") -> None:
        """Receiving ended; with an error: for good."""
        self.health = replace(self.health, state="stopped", error=error or self.health.error)
