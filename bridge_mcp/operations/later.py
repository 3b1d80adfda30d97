"""Messages to be sent later: each stands in a log of its own until its time, as the assistant's reminders do.

So it blocks no other message of its chat, survives restarts, and is an ordinary message from the moment on at which it
is due: posted once, with an idempotency key of its log, and sent like any other. Its time is one of the wall clock: a
clock that is set makes it neither earlier nor later than it says.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection
from datetime import datetime

from msgspec import structs

from bridge_mcp.core.entries import CALLS, Entry, Log, Posted, Scheduled, Stopped
from bridge_mcp.core.errors import BadInput, NotFound
from bridge_mcp.core.results import Later
from bridge_mcp.operations import status_board
from bridge_mcp.operations.appending import append_following
from bridge_mcp.ports import Recorded, Store

__all__ = ["cancel", "cancel_of_gone", "due_time", "log_of", "schedule", "scheduled_messages"]

logger = logging.getLogger(__name__)

PREFIX = f"{CALLS}/bridge.later-"
END = f"{CALLS}/bridge.later."
"""The names of these logs lie between them."""

LATEST_S = 366 * 24 * 3600.0
AT_MOST = 1000
"""Messages that may wait at once."""


def due_time(text: str, now: float) -> float:
    """The epoch seconds of a time as `2026-12-24T09:00:00+01:00`.

    Raises:
        BadInput: it is no such time, has no offset, is over, or more than a year away.
    """
    try:
        due = datetime.fromisoformat(text.strip())
        at = due.timestamp() if due.tzinfo is not None else None
    except (ValueError, OverflowError) as exc:
        fix = "Write it as 2026-12-24T09:00:00+01:00."
        raise BadInput(f"send_at: '{text[:60]}' is no time.", fix=fix) from exc
    if at is None:
        raise BadInput(f"send_at: '{text[:60]}' has no offset.", fix="Add one: Z, or +01:00.")
    if at <= now:
        raise BadInput(f"send_at: {text[:60]} is over.", fix="Leave it out to send the message now.")
    if at > now + LATEST_S:
        raise BadInput(f"send_at: {text[:60]} is too far away.", fix="It may be a year away at most.")
    return at


def log_of(conversation: str, key: str) -> str:
    """The log of the message with this idempotency key."""
    return PREFIX + hashlib.sha256(f"{conversation}#{key}".encode("utf-8", "surrogatepass")).hexdigest()[:24]


async def schedule(store: Store, conversation: str, message: Posted, at: float) -> tuple[str, Recorded]:
    """Have a message sent at this time; the id by which it is cancelled, and whether it is new.

    Raises:
        BadInput: the key was used for another message, or as many wait as may.
    """
    log = log_of(conversation, message.key)
    entry = Scheduled(conversation, "", at, call="", posts=message)
    is_new = await store.log.entry(log, 0) is None
    if is_new and len(await store.history.scheduled(PREFIX, END, AT_MOST)) >= AT_MOST:
        raise BadInput(f"{AT_MOST:,} messages wait already.", fix="Cancel some, or send this one later.")
    (recorded,) = await store.log.record(log, entry)
    if not recorded.new:
        stored = await store.log.entry(log, 0)
        before = stored.entry if stored else None
        if not isinstance(before, Scheduled) or without_tokens(before) != without_tokens(entry):
            raise BadInput("This idempotency_key was used for another message here.", fix="Use a new key.")
    return log.partition("/")[2], recorded


def without_tokens(entry: Scheduled) -> Scheduled:
    """What was asked for, without what is random in it."""
    if entry.posts is None:
        return entry
    buttons = tuple([structs.replace(button, token="") for button in entry.posts.buttons])
    return structs.replace(entry, posts=structs.replace(entry.posts, buttons=buttons))


async def scheduled_messages(store: Store) -> tuple[Later, ...]:
    """All messages that wait for their time, the next one first."""
    messages: list[Later] = []
    for log, entry in await store.history.scheduled(PREFIX, END, AT_MOST):
        if entry.posts is not None:
            id = log.partition("/")[2]
            messages.append(Later(id, entry.conversation, entry.at, text=entry.posts.text, by=entry.posts.by.id))
    return tuple(sorted(messages, key=lambda each: each.send_at))


async def cancel(store: Store, later: Later, by: str) -> bool:
    """Cancel one; False if its time came first.

    Raises:
        NotFound: there never was such a message.
    """

    def cancelling(log: Log) -> tuple[Entry, ...]:
        if not log:
            raise NotFound(f"There is no message '{later.id}' to be sent later.", fix="See scheduled_messages.")
        return (Stopped("cancelled", 1, by),) if len(log) == 1 else ()

    return await append_following(store.log, f"{CALLS}/{later.id}", cancelling, whole=True, wake=None)


async def cancel_of_gone(store: Store, clients: Collection[str]) -> int:
    """Cancel what clients wanted to send that the config named at the last start, and names no more; how many.

    A client of the store is ended by `revoke_client`, which cancels its messages itself. `clients` are those of the
    config now; the name `oauth` stands for all that an authorization server lets in.
    """
    stored = {client.name for client in await store.clients.all()}
    before, now = await status_board.named_clients(store), tuple(sorted(clients))
    dropped = set(before) - set(now) - stored
    count = 0
    for message in await scheduled_messages(store) if dropped else ():
        if message.by in dropped or (message.by.startswith("oauth:") and "oauth" in dropped):
            count += await cancel(store, message, "config")
    if count:
        logger.info("cancelled %d messages to be sent later, of clients that the config names no more", count)
    if before != now:
        await status_board.publish(store, "named_clients", now)
    return count
