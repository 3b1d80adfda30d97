"""Approval prompts in chats: each waiting call gets a message with buttons, which shows in the end who decided.

A prompt is one message of a chat platform: long arguments are attached as a file. If a prompt does not arrive complete,
its buttons are not sent (`OutboxWorker` sees to it), and the chat is told how to decide instead.

A durable reader of the feed, like any other: it goes on where it stopped, and what it writes is keyed by the approval,
so that nothing is asked twice and nothing is forgotten, whoever crashed in between. A call that a reviewer looks at is
asked about once that is over, and only where the reviewer does not decide.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from msgspec import structs

from bridge_mcp.core.address import Address
from bridge_mcp.core.entries import CALLS, Posted, Revised, message_id
from bridge_mcp.core.errors import Unreadable
from bridge_mcp.core.events import Event, EventType
from bridge_mcp.core.projections import BRIDGE, Approval
from bridge_mcp.operations.access import is_let_in
from bridge_mcp.operations.addresses import parse_message
from bridge_mcp.operations.approval_texts import (
    asks_for,
    escalation_key,
    outcome_text,
    prompt,
    prompt_key,
    question_text,
    withheld_text,
)
from bridge_mcp.operations.feed_reader import follow_feed
from bridge_mcp.operations.waiting_approvals import waiting
from bridge_mcp.ports import Capabilities, ChannelTraits, Clock, Store

__all__ = ["PromptWorker"]

logger = logging.getLogger(__name__)

READER = "/prompts"
"""Its name as a consumer of the feed; no client's can have a slash."""

FOLLOWED: tuple[EventType, ...] = ("approval.requested", "approval.reviewed", "approval.decided", "message.failed")


class PromptWorker:
    """Asks, and tells what came of it, in the chats whose channel has buttons."""

    def __init__(self, store: Store, traits: Mapping[str, ChannelTraits], clock: Clock) -> None:
        self._store = store
        self._traits = traits
        self._clock = clock

    async def run(self) -> None:
        """Until cancelled."""
        for approval in reversed([a async for a in waiting(self._store)]):
            await self._ask(approval)
        await follow_feed(self._store, READER, FOLLOWED, self._follow_readable)

    async def _follow_readable(self, event: Event) -> None:
        """Follow an event; what cannot be read is passed over, and said: the ones behind it go on."""
        try:
            await self._follow(event)
        except Unreadable as exc:
            logger.error("no prompt for what event %d tells of: %s", event.cursor, exc)

    async def _follow(self, event: Event) -> None:
        if event.type == "message.failed":
            await self._tell_withheld(*parse_message(str(event.body.get("message", ""))))
            return
        approval = await self._store.approvals.get(str(event.body.get("approval", "")))
        if approval is None:
            return
        if event.type in ("approval.requested", "approval.reviewed") and approval.status == "waiting":
            await self._ask(approval)
        elif event.type == "approval.decided":
            await self._tell(approval)

    def _places(self, approval: Approval) -> list[str]:
        """The conversations in which an approval is asked by a message; none where nobody is."""
        places = dict.fromkeys(place for place in (approval.asked_in, *approval.also_route) if place)
        return [place for place in places if self._prompts(Address.of(place).channel)]

    def _prompts(self, channel: str) -> bool:
        """Whether people of a channel are asked by messages."""
        traits = self._traits.get(channel)
        return channel != CALLS and traits is not None and traits.can.prompts

    async def _ask(self, approval: Approval) -> None:
        if approval.in_review:
            return
        for place in self._places(approval):
            if await is_let_in(self._store.access, self._traits, place):
                can = self._traits[Address.of(place).channel].can
                posted = prompt(approval, place, self._clock.now(), key=prompt_key(approval), can=can)
                await self._store.log.record(place, posted)

    async def _tell(self, approval: Approval) -> None:
        """The prompt loses its buttons and says who decided; that is all that a late press can find."""
        decider = await self._name(approval.decided_by)
        for place, key in (
            *((place, prompt_key(approval)) for place in self._places(approval)),
            (approval.escalate_to, escalation_key(approval.id, 1)),
        ):
            seq = await self._store.traces.posted(place, key) if place else None
            if seq is not None:
                revision = structs.replace(self._outcome(approval, place, seq, decider), key=f"decided:{key}")
                await self._store.log.record(place, revision)

    def _outcome(self, approval: Approval, place: str, prompted: int, by: str) -> Revised | Posted:
        """What becomes of a prompt; a message below it where the channel cannot change it."""
        traits = self._traits.get(Address.of(place).channel)
        can = traits.can if traits is not None else Capabilities(edits=True)
        text = outcome_text(approval, by, can)
        if not can.edits:
            return Posted(text, BRIDGE, "", reply_to=message_id(place, prompted))
        return Revised(prompted, f"{question_text(approval, place, None, can=can)}\n\n{text}", BRIDGE, "")

    async def _tell_withheld(self, place: str, seq: int) -> None:
        """Where a prompt did not arrive whole, and so without its buttons: say how to decide instead."""
        failed = await self._store.history.message(place, seq)
        asked = asks_for(failed) if failed is not None else ""
        approval = await self._store.approvals.get(asked) if asked else None
        if approval is None or approval.status != "waiting":
            return
        if await is_let_in(self._store.access, self._traits, place):
            notice = Posted(withheld_text(approval), BRIDGE, key=f"withheld:{approval.id}:{seq}")
            await self._store.log.record(place, notice)

    async def _name(self, principal: str) -> str:
        """What people call whoever decided: the name under which they were let in; the log has the id."""
        channel, colon, subject = principal.partition(":")
        pairings = await self._store.access.find(channel, subject) if colon else ()
        return next((pairing.name for pairing in pairings if pairing.name), principal)
