"""The first message of a stranger: kept while their pairing code is open, and taken in, after a welcome, once paired.

One message is kept for each chat, and for few chats. The task is a durable reader of the feed: its entries have
idempotency keys, so that a crash repeats nothing.
"""

from __future__ import annotations

from bridge_mcp.core import chat_texts
from bridge_mcp.core.address import Address
from bridge_mcp.core.codec import decode, encode
from bridge_mcp.core.entries import Heard, Posted
from bridge_mcp.core.errors import BridgeError
from bridge_mcp.core.events import Event
from bridge_mcp.core.projections import BRIDGE
from bridge_mcp.operations import commands
from bridge_mcp.operations.addresses import join
from bridge_mcp.operations.feed_reader import follow_feed
from bridge_mcp.ports import ChannelState, Clock, FirstMessage, Inbox, Incoming, Rules, Store

__all__ = ["KEPT_S", "WelcomeWorker", "keep_first_message"]

READER = "/welcome"
"""Its name as a consumer of the feed; no client's can have a slash."""
KEPT_S = 3_600.0
"""As long as a code is open."""
MAX_KEPT = 50
"""Chats of one channel whose first message is kept; the oldest is dropped first."""
MAX_TEXT = 8_000
"""Characters of one message; no platform's is longer."""


async def keep_first_message(state: ChannelState, incoming: Incoming) -> None:
    """Keep a stranger's message; of a command only the fact, since it stays refused."""
    message = FirstMessage(
        incoming.channel,
        Address.on(incoming.channel, incoming.chat).chat,
        incoming.chat,
        at=incoming.at,
        bare=incoming.bare[:MAX_TEXT],
        topic=incoming.topic,
        heard="" if commands.is_command(incoming.bare or incoming.text) else encode(first_entry(incoming)),
    )
    await state.keep_first_message(message, at_most=MAX_KEPT)


def first_entry(incoming: Incoming) -> Heard:
    return Heard(
        incoming.text[:MAX_TEXT],
        incoming.sender,
        incoming.key,
        to="off",
        attachments=incoming.attachments,
        title=incoming.title,
        quote=incoming.quote,
        forwarded_from=incoming.forwarded_from,
        group=incoming.group,
    )


class WelcomeWorker:
    """Welcomes newly paired chats, and takes in their first message."""

    def __init__(self, store: Store, rules: Rules, clock: Clock, inbox: Inbox) -> None:
        self._store = store
        self._state = store.channel_state
        self._rules = rules
        self._clock = clock
        self._inbox = inbox

    async def run(self) -> None:
        """Until cancelled."""
        types = ("pairing.added",)
        await follow_feed(self._store, READER, types, self._welcome, of_conversations=False)

    async def _welcome(self, event: Event) -> None:
        channel, subject = str(event.body.get("channel")), str(event.body.get("subject"))
        first_message = await self._state.first_message(channel, subject)
        if first_message is None:
            return
        pairings = await self._store.access.find(channel, subject)
        if pairings and self._clock.now() - first_message.at <= KEPT_S:
            conversation = join(channel, first_message.chat)
            may_decide = any(pairing.role == "approver" for pairing in pairings)
            text = chat_texts.let_in(self._rules.channel(channel).responder, may_decide=may_decide)
            greeting = Posted(text, BRIDGE, key=f"welcome:{event.cursor}")
            await self._store.log.record(conversation, greeting)
            await self._hear(first_message)
        await self._state.forget_first_message(channel, subject)

    async def _hear(self, first_message: FirstMessage) -> None:
        """Take in a message as any other."""
        if not first_message.heard:
            return
        try:
            heard = decode(first_message.heard)
        except BridgeError:
            return  # an older version stored it in another form; they can write again
        if isinstance(heard, Heard):
            await self._inbox.put(
                Incoming(
                    first_message.channel,
                    first_message.chat,
                    heard.key,
                    sender=heard.sender,
                    text=heard.text,
                    at=first_message.at,
                    title=heard.title,
                    topic=first_message.topic,
                    attachments=heard.attachments,
                    quote=heard.quote,
                    forwarded_from=heard.forwarded_from,
                    group=heard.group,
                    bare=first_message.bare,
                )
            )
