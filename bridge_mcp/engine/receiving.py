"""Runs channels: one that breaks is run again after a pause, and disturbs no other."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import anyio

from bridge_mcp.core.backoff import Backoff
from bridge_mcp.core.errors import ConfigError
from bridge_mcp.engine.supervision import STEADY_S, TaskSupervisor
from bridge_mcp.ports import Channel, Inbox

__all__ = ["Receiving"]

logger = logging.getLogger(__name__)

HOPELESS_S = 300.0
"""The pause before a misconfigured channel is run again."""

RESTART_S = 5.0
"""The pause before a channel that ended unexpectedly is run again."""


class Receiving:
    """The channels' receiving halves."""

    def __init__(self, intake: Inbox, supervisor: TaskSupervisor, changed: Callable[[], object]) -> None:
        """`changed` is called when a channel has ended."""
        self._intake = intake
        self._supervisor = supervisor
        self._changed = changed
        self._attempts: dict[str, anyio.CancelScope] = {}
        """By channel: its run under way, or the pause after one."""

    @property
    def running(self) -> frozenset[str]:
        """The channels that are run here."""
        return frozenset(self._attempts)

    async def run(self, channel: Channel) -> None:
        """Run one channel, until cancelled."""
        name = channel.traits.name
        backoff = Backoff(RESTART_S)
        try:
            while True:
                with anyio.CancelScope() as attempt:
                    self._attempts[name] = attempt
                    pause = await self._received(channel, backoff)
                    self._changed()
                    await anyio.sleep(pause)
                if attempt.cancelled_caught:
                    logger.info("channel %s is started afresh, as somebody asked", name)
                    backoff.reset()
                self._supervisor.troubles.clear(f"Channel {name}")
        finally:
            self._attempts.pop(name, None)
            self._supervisor.troubles.clear(f"Channel {name}")

    def retry(self, name: str) -> None:
        """Run a channel afresh at once, if it runs here."""
        if name in self._attempts:
            self._attempts[name].cancel()

    async def _received(self, channel: Channel, backoff: Backoff) -> float:
        """Run a channel until it ends, which it should not; the seconds until it is run again."""
        began = time.monotonic()
        try:
            await channel.run(self._intake)
        except ConfigError as exc:
            # Only the owner can mend it; the retries are for servers that were wrong about that.
            logger.error("channel %s cannot work: %s", channel.traits.name, exc)
            return HOPELESS_S
        except Exception as exc:
            if time.monotonic() - began > STEADY_S:
                backoff.reset()
            return self._supervisor.failed(f"Channel {channel.traits.name}", exc, backoff)
        logger.error("channel %s ended by itself", channel.traits.name)
        return backoff.next()
