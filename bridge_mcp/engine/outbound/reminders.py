"""Reminders and escalations: tells people again that a call waits, or tells others when nobody decides.

A reminder is a message of the bridge in the chat concerned, with an idempotency key, and an entry in the log of the
call. A crash between the two repeats the step, and the key keeps the message from being sent twice.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import structs

from bridge_mcp.core import chat_texts
from bridge_mcp.core.address import Address
from bridge_mcp.core.entries import Heard, Posted, Rang, Reminded, Sender, Stopped, approval_id, message_id
from bridge_mcp.core.projections import BRIDGE, Approval
from bridge_mcp.core.steps import Remind, Ring
from bridge_mcp.operations.access import is_let_in
from bridge_mcp.operations.approval_texts import escalation_key, prompt, prompt_key, question_text
from bridge_mcp.ports import Capabilities, ChannelTraits, Clock, Store

__all__ = ["fire_reminder", "send_reminder"]


async def fire_reminder(store: Store, traits: Mapping[str, ChannelTraits], conversation: str, step: Ring) -> None:
    """Put a reminder into the assistant's conversation, as a message that it has to read; or post a message. Once."""
    scheduled = step.scheduled
    if scheduled.posts is not None:
        if await is_let_in(store.access, traits, scheduled.conversation):
            await store.log.record(scheduled.conversation, scheduled.posts)
            await store.log.record(conversation, Rang())
        else:
            await store.log.record(conversation, Stopped("the chat is not let in any more", 1))
        return
    text = chat_texts.reminder(scheduled.text)
    bridge = Sender("bridge", "reminder", "bot")
    heard = Heard(text, bridge, f"reminder:{scheduled.call}", to="assistant", asked_by=scheduled.asked_by)
    await store.log.record(scheduled.conversation, heard)
    await store.log.record(conversation, Rang())


async def send_reminder(
    store: Store, traits: Mapping[str, ChannelTraits], clock: Clock, conversation: str, step: Remind
) -> None:
    """Repeat a prompt, or put it to the next ones, and write down that this was done.

    A chat that is not let in any more is told nothing; the feed tells of it all the same.
    """
    reminded = step.reminded
    to = reminded.to or conversation
    asked = await store.approvals.get(approval_id(conversation, reminded.call))
    route = to if asked is not None and await is_let_in(store.access, traits, to) else ""
    further = asked.also_route if asked is not None and reminded.why != "escalation" else ()
    for place in dict.fromkeys((route, *further)):
        if asked is not None and place and await is_let_in(store.access, traits, place):
            channel_traits = traits.get(Address.of(place).channel)
            can = channel_traits.can if channel_traits is not None else Capabilities()
            await store.log.record(place, await reminder_message(store, clock, asked, place, reminded, can=can))
    await store.log.record(conversation, structs.replace(reminded, to=route))


async def reminder_message(
    store: Store, clock: Clock, asked: Approval, place: str, reminded: Reminded, *, can: Capabilities
) -> Posted:
    """What people are told. Who is asked only now gets a prompt of their own, others a word below theirs."""
    if reminded.why == "escalation":
        key = escalation_key(asked.id, reminded.number)
        return prompt(asked, place, clock.now(), key=key, head=chat_texts.ESCALATED, can=can)
    key = f"{reminded.why}:{asked.id}:{reminded.number}"
    if reminded.why == "tool":
        again = Posted(question_text(asked, place, None, chat_texts.TOOL_MISSING, can=can), BRIDGE, key=key)
    else:
        again = prompt(asked, place, clock.now(), key=key, head=chat_texts.REMINDED, can=can)
    first = await store.traces.posted(place, prompt_key(asked))
    return structs.replace(again, buttons=(), reply_to="" if first is None else message_id(place, first))
