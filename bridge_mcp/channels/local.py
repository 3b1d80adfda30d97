"""The channel of the owner's own machine: a terminal or a console that reads and writes the store.

A message committed to the store is a delivered one, so there is nothing to receive from and nothing to send to. Knows
neither the store nor its readers.
"""

from __future__ import annotations

import anyio

from bridge_mcp.channels.plug import ChannelType, Keys
from bridge_mcp.core.capabilities import MAX_FILE
from bridge_mcp.core.entries import Attachment
from bridge_mcp.core.errors import FetchFailed, SendFailed
from bridge_mcp.ports import Capabilities, ChannelHealth, ChannelTraits, Inbox, OutgoingAction, Part

__all__ = ["TYPE", "LocalChannel"]


CAN = Capabilities(edits=True, reactions=True, buttons=100, file_bytes=MAX_FILE, threads=True, history=True)
"""What readers of the store can see; they look at drafts and approvals there. A terminal shows Markdown as it is."""


class LocalChannel:
    """A `Channel` whose conversations are `NAME/ID`, each there from its first message on; none needs pairing."""

    def __init__(self, name: str) -> None:
        self.traits = ChannelTraits(name, "local", needs_pairing=False, delivered_by_commit=True, can=CAN)

    async def run(self, inbox: Inbox) -> None:
        """Wait until cancelled: messages of people arrive through the store."""
        await anyio.sleep_forever()

    def parts(self, action: OutgoingAction) -> tuple[Part, ...]:
        """See `ports.Channel`; nothing is ever cut here."""
        return (Part(action.chat, action),)

    async def send(self, part: Part) -> tuple[str, ...]:
        """Never called, because its messages are delivered when they are committed.

        Raises:
            SendFailed: always, and for good.
        """
        raise SendFailed(
            f"The local channel '{self.traits.name}' does not send: its messages are delivered when they are stored.",
            fix="Post it to the conversation instead.",
        )

    async def show(self, chat: str, draft: int, text: str) -> None:
        """Does nothing: readers of the store see that a turn is under way."""

    async def fetch(self, attachment: Attachment, most: int) -> bytes:
        """Never called with a file of its own, because nobody can attach one here.

        Raises:
            FetchFailed: always.
        """
        raise FetchFailed(f"The local channel '{self.traits.name}' has no files.", fix="Read the file itself.")

    def health(self) -> ChannelHealth:
        """It has no platform that could be away."""
        return ChannelHealth("ready")


class LocalKeys(Keys):
    """[channels.NAME] of type "local": chats on this machine, which have no keys of their own."""


TYPE = ChannelType(LocalKeys, lambda _, keys: keys.name, lambda name, _: LocalChannel(name))
"""The type, which takes no settings but the channel's name."""
