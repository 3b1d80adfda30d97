"""Shows in a chat that a turn runs: "is typing", and the text so far if the platform or a reader can show it.

Nothing of it is stored: a crash loses a hint, never a message.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import anyio

from bridge_mcp.core.address import Address
from bridge_mcp.operations import chat_migrations
from bridge_mcp.ports import Channel, ChannelState, Drafts
from bridge_mcp.wakeup import Signal

__all__ = ["ChatActivity"]

logger = logging.getLogger(__name__)

GRACE_S = 0.4
"""A shorter turn shows nothing."""

TICK_S = 1.0
"""How often a chat is looked at: new text is shown then, and typing shown again when it fades."""

TYPING_S = 4.0
"""How often "is typing" is shown again; platforms let it fade after some five seconds."""


@dataclass(slots=True)
class Shown:
    """What one conversation shows now."""

    draft: int = 1
    text: str = ""
    told: tuple[int, str] | None = None
    """What the channel was given last."""
    idle_s: float = 0.0
    """How long ago that was."""


class ChatActivity:
    """Follows running turns, and shows them as their channels can."""

    def __init__(self, channels: Mapping[str, Channel], state: ChannelState, drafts: Drafts | None = None) -> None:
        self._channels = {name: channel for name, channel in channels.items() if channel.traits.can.shows}
        self._state = state
        self._drafts = drafts
        self._active: dict[str, Shown] = {}
        self._ended: set[str] = set()
        self._begun = Signal()

    def shows(self, conversation: str) -> bool:
        """Whether there is anybody to show this conversation's texts to: its channel, or a reader of drafts."""
        channel = self._channels.get(Address.of(conversation).channel)
        in_chat = channel is not None and channel.traits.can.drafts
        return in_chat or (self._drafts is not None and self._drafts.wanted(conversation))

    def begin(self, conversation: str) -> None:
        """A turn goes on here."""
        if conversation in self._ended:
            # The turn before is over, but was not noticed yet: what it said stands in the chat by now.
            self._ended.discard(conversation)
            self._active[conversation].text = ""
        if Address.of(conversation).channel in self._channels and conversation not in self._active:
            self._active[conversation] = Shown()
            self._begun.set()

    def text(self, conversation: str, started: int, text: str) -> None:
        """The text so far of the reply that the model call at `started` gives; "" takes it back.

        It is taken back once the call is over, however it ended: from then on a message tells it, or nothing does.
        """
        if activity := self._active.get(conversation):
            activity.draft, activity.text = started + 1, text
        if self._drafts is not None:
            self._drafts.put(conversation, started + 1, text)

    def end(self, conversation: str) -> None:
        """Nothing goes on here any more."""
        if conversation in self._active:
            self._ended.add(conversation)

    async def run(self) -> None:
        """Until cancelled."""
        if not self._channels:
            await anyio.sleep_forever()
        async with anyio.create_task_group() as tasks:
            while True:
                await self._begun.wait()
                for conversation in [name for name, activity in self._active.items() if activity.told is None]:
                    self._active[conversation].told = (0, "")
                    tasks.start_soon(self._show, conversation)

    async def _show(self, conversation: str) -> None:
        """Follow one conversation; a chat that cannot be shown anything has no hint, and disturbs no other."""
        try:
            await self._follow(conversation)
        except Exception:
            logger.exception("%s: nothing more of this turn can be shown", conversation)
        finally:
            self._ended.discard(conversation)
            self._active.pop(conversation, None)

    async def _follow(self, conversation: str) -> None:
        """Show one conversation until its turn has ended."""
        address = Address.of(conversation)
        channel, activity = self._channels[address.channel], self._active[conversation]
        chat = await chat_migrations.current(self._state, address)
        await anyio.sleep(GRACE_S)
        while conversation not in self._ended:
            now = (activity.draft, activity.text if channel.traits.can.drafts else "")
            if activity.told == (0, "") or activity.idle_s >= TYPING_S or (now[1] and now != activity.told):
                await channel.show(chat, *now)
                activity.told, activity.idle_s = now, 0.0
            await anyio.sleep(TICK_S)
            activity.idle_s += TICK_S
