"""Operations on a conversation: stop a turn, clear the history, pair a chat."""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec.structs import replace

from bridge_mcp.core.address import Address
from bridge_mcp.core.decide import decide
from bridge_mcp.core.entries import Cleared, Entry, Judged, Log, Replied, Stopped, Withdrawn
from bridge_mcp.core.errors import BadInput, NotFound
from bridge_mcp.core.events import Event
from bridge_mcp.core.policy import Policy, Principal
from bridge_mcp.core.projections import Conversation
from bridge_mcp.core.results import ConversationStatus
from bridge_mcp.core.spending import day_of
from bridge_mcp.core.state import CallState, open_calls, open_fates, state_of, unread_count
from bridge_mcp.core.steps import Idle
from bridge_mcp.core.transcript import since_cleared
from bridge_mcp.operations.appending import append_following
from bridge_mcp.ports import ChannelTraits, Clock, Pairing, Rules, Store

__all__ = ["clear", "conversation_status", "pair", "stop", "unpair", "withdraw"]

MAX_SUBJECT = 128
"""Characters of a chat's or a user's id."""


async def stop(store: Store, clock: Clock, conversation: str, by: str, reason: str = "stopped by request") -> bool:
    """Stop the current turn: waiting calls are cancelled, running ones cut off. False if there was nothing to stop."""

    def stopping(log: Log) -> tuple[Entry, ...]:
        if not log or isinstance(decide(log, Policy(conversation), clock.now()), Idle):
            return ()
        return (*cancel_waiting(log, by), Stopped(reason, log[-1].seq + 1, by))

    return await append_following(store.log, conversation, stopping)


async def withdraw(store: Store, conversation: str, message: int, by: str, reason: str) -> bool:
    """Withdraw a message: other messages are answered all the same. False if it was answered or stopped already.

    A turn that has read no other message is stopped; from others only this message is removed.
    """
    return await append_following(store.log, conversation, lambda log: taking_back(log, message, by, reason))


def taking_back(log: Log, message: int, by: str, reason: str) -> tuple[Entry, ...]:
    """The entries that withdraw a message; none if it was answered or stopped before."""
    state = state_of(log)
    if message not in [heard.seq for heard in state.unread]:
        batch = state.batch.entry if state.batch and state.open_turn is not None else None
        if not isinstance(batch, Replied) or not batch.turn <= message < batch.upto:
            return ()
        return (*cancel_waiting(log, by), Stopped(reason, batch.upto, by))
    upto = state.asking if state.asking is not None and state.asking > message else message + 1
    alone = state.open_turn is None and [heard.seq for heard in state.unread if heard.seq < upto] == [message]
    withdrawn = Withdrawn(message, by)
    return (withdrawn, Stopped(reason, upto, by)) if alone else (withdrawn,)


async def clear(store: Store, conversation: str, by: str) -> bool:
    """Begin a new epoch: the model sees nothing before it, people still can. False if there was nothing to clear."""

    def clearing(log: Log) -> tuple[Entry, ...]:
        return (*cancel_waiting(log, by), Cleared(by)) if since_cleared(log) else ()

    return await append_following(store.log, conversation, clearing, wake=None)


def cancel_waiting(log: Log, by: str) -> list[Judged]:
    """A cancelling verdict for every waiting call, so that later verdicts are refused with its author."""
    waiting = ((call, asked) for call, asked in open_calls(log) if asked is not None)
    return [Judged(call.id, "cancelled", by, digest=asked.digest) for call, asked in waiting]


async def conversation_status(store: Store, rules: Rules, clock: Clock, conversation: str) -> ConversationStatus:
    """The state of one conversation. Its time does not grow with the log."""
    stored = await store.history.conversation(conversation)
    channel = Address.of(conversation).channel
    log = await store.log.tail(conversation)
    waiting = await store.approvals.find(status="waiting", conversation=conversation)
    configured = rules.channel(channel).responder
    return ConversationStatus(
        stored or Conversation(conversation, channel),
        (stored.responder if stored else None) or configured,
        step_of(log, conversation),
        waiting=waiting,
        usage=await store.spending.ever(conversation),
        today=(await store.spending.on(day_of(clock.now()), conversation))[0],
        unread=unread_count(log),
    )


def step_of(log: Log, conversation: str) -> str:
    """The name of a conversation's step, by its log alone: the engine's tools are unknown here.

    `Run` while a call runs or may run, `Wait` while calls wait for people or, approved, for their tool; without calls
    the result of `decide`.
    """
    fates = [fate for _, fate in open_fates(log)]
    if not fates:
        return type(decide(log, Policy(conversation), float("inf"))).__name__
    return "Wait" if all(waits_for_others(fate) for fate in fates) else "Run"


def waits_for_others(fate: CallState) -> bool:
    """Whether an open call waits for people or, approved, for its tool."""
    if fate.question is not None:
        return fate.answer is None
    if fate.begun:
        return False
    return fate.asked is not None and (fate.judged is None or fate.told_of_tool)


async def pair(
    store: Store,
    clock: Clock,
    traits: Mapping[str, ChannelTraits],
    who: Principal,
    code: str,
    pairing: Pairing,
) -> Pairing:
    """Pair the chat that was shown `code`, or the subject in `pairing`."""
    now = clock.now()
    if code:
        asked = next((r for r in await store.access.requests(now) if r.code == code.strip().upper()), None)
        if asked is None or not who.sees(f"{asked.channel}/{asked.subject}"):
            raise NotFound(
                f"There is no open code '{code[:40]}'.", fix="Codes expire; have them write to the bot again."
            )
        pairing = replace(pairing, channel=asked.channel, subject=asked.subject, name=pairing.name or asked.name)
    if pairing.channel not in traits or not who.sees(f"{pairing.channel}/{pairing.subject}"):
        raise NotFound(f"There is no channel '{pairing.channel}'.", fix="See list_channels.")
    if not traits[pairing.channel].needs_pairing:
        raise BadInput(f"{pairing.channel} is open to this machine's user.", fix="It needs no pairing.")
    if not re.fullmatch(traits[pairing.channel].subjects, pairing.subject[:MAX_SUBJECT]):
        raise BadInput(f"'{pairing.subject[:40]}' is no chat or user id.", fix="Pass the platform's own id, or a code.")
    paired = replace(pairing, by=who.name, at=now)
    await store.access.pair(paired)
    event = Event(
        "pairing.added", "", now, body={"channel": paired.channel, "subject": paired.subject, "role": paired.role}
    )
    await store.feed.publish(event)
    return paired


async def unpair(store: Store, clock: Clock, channel: str, subject: str, by: str) -> bool:
    """End a pairing. False if there was none."""
    if not await store.access.unpair(channel, subject):
        return False
    event = Event("pairing.removed", "", clock.now(), body={"channel": channel, "subject": subject, "by": by})
    await store.feed.publish(event)
    return True
