"""The sending half: errands to parts, parts to requests."""

from __future__ import annotations

from telegram import Bot

from bridge_mcp.core.errors import SendFailed
from bridge_mcp.ports import Clock, Errand, Part

__all__ = ["Sender"]


class Sender:
    """Not there yet."""

    def __init__(self, bot: Bot, clock: Clock, name: str) -> None:
        self._bot, self._clock, self._name = bot, clock, name

    def parts(self, errand: Errand) -> tuple[Part, ...]:
        """See `ports.Channel`."""
        return (Part(errand.chat, errand),)

    async def send(self, part: Part) -> tuple[str, ...]:
        """See `ports.Channel`."""
        raise SendFailed("Telegram cannot send yet.", fix="Use a later version.")

    async def show(self, chat: str, draft: int, text: str) -> None:
        """See `ports.Channel`."""
