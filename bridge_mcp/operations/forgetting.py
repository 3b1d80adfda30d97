"""Forgets a conversation, a person, or what is older than its channel keeps; any process may, beside an engine.

What is wanted is noted in the store first and done step by step, each step in a transaction of its own and harmless to
repeat: whoever is killed in the middle leaves the note, and the next engine, or the next `bridge-mcp forget`, goes on.

    1. end what is under way there: the turn, calls that wait, messages on their way, questions, reminders
    2. empty the entries, and with them rows, index and events (`core/forgetting.py` has the design)
    3. the same for prompts and reminders about it in other conversations
    4. delete what stands beside the logs, the draft, and kept files that nothing refers to any more
    5. have the store written anew, without what is free in it
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from msgspec import Struct

from bridge_mcp.core.address import Address
from bridge_mcp.core.entries import Delivered, Entry, Failed, Lapsed, Rang
from bridge_mcp.core.errors import BadInput, NotFound
from bridge_mcp.core.forgetting import seqs_of_person
from bridge_mcp.operations.conversations import clear, stop
from bridge_mcp.ports import Clock, Drafts, Files, Forgotten, Rules, Store, ToForget, Why

__all__ = ["Keepers", "forget", "go_on", "retain"]

logger = logging.getLogger(__name__)

DAY_S = 24 * 3600.0
AT_ONCE = 10_000
"""Conversations of a channel that one look for old entries finds at most."""

WHY = "forgotten"
ELSEWHERE = "\0"
"""A sender's id that nobody has: on another platform the same id is another person's."""

Progress = Callable[[str], None]
"""Hears what is being forgotten."""


class Keepers(Struct, frozen=True):
    """All that keeps content."""

    store: Store
    files: Files | None
    drafts: Drafts | None
    clock: Clock


async def forget(keepers: Keepers, request: ToForget, progress: Progress = lambda what: None) -> bool:
    """Forget a conversation or a person; whether the file of the store could be written anew at once.

    Raises:
        NotFound: there is nothing of it.
        Unreadable: an entry of it cannot be read; what could be done is done, and the rest is noted.
    """
    if request.kind == "conversation" and await keepers.store.history.conversation(request.subject) is None:
        raise NotFound(f"There is no conversation '{request.subject}'.", fix="See list_conversations.")
    if request.kind == "person":
        channel, subject = person_in(request.subject)
        pairing = await keepers.store.access.find(channel, subject)
        if not pairing and not await conversations_of(keepers.store, channel, subject):
            raise NotFound(f"Nobody called '{request.subject}' is known.", fix="Write CHANNEL/ID with the numeric id.")
    await keepers.store.forgetting.note(request)
    return await go_on(keepers, progress)


async def go_on(keepers: Keepers, progress: Progress = lambda what: None) -> bool:
    """Do all that is noted. False where others kept the store from being written anew: it is noted still."""
    noted = await keepers.store.forgetting.noted()
    for todo in noted:
        if todo.kind == "conversation":
            await forget_conversation(keepers, todo.subject, todo.by, "conversation", progress)
        elif todo.kind == "person":
            await forget_person(keepers, todo, progress)
        else:
            continue
        await keepers.store.forgetting.done(todo)
    await remove_files(keepers)
    if any(request.kind == "compact" for request in await keepers.store.forgetting.noted()):
        progress("free pages")
        return await keepers.store.forgetting.compact()
    return True


async def forget_conversation(keepers: Keepers, conversation: str, by: str, why: Why, progress: Progress) -> None:
    """Forget one conversation, with its reminders and the prompts about it elsewhere."""
    progress(conversation)
    store = keepers.store
    await end_all(keepers, conversation, by)
    forgotten = await store.forgetting.entries(conversation, None, by=by, why=why)
    for log in await store.forgetting.reminders_for(conversation):
        await store.log.record(log, Rang())
        await store.forgetting.entries(log, None, by=by, why=why)
    await forget_prompts(keepers, forgotten, by, why)
    await store.forgetting.beside(conversation)
    if keepers.drafts is not None:
        keepers.drafts.forget(conversation)
    # What was told meanwhile of that which was just ended, by an engine that was at it.
    await store.forgetting.entries(conversation, None, by=by, why=why)


async def forget_person(keepers: Keepers, request: ToForget, progress: Progress) -> None:
    """Forget a person: their own chats whole, and what is theirs in all others, calls and other channels included."""
    channel, subject = person_in(request.subject)
    principal, store = f"{channel}:{subject}", keepers.store
    for conversation in await conversations_of(store, channel, subject):
        address = Address.of(conversation)
        if (address.channel, address.chat) == (channel, subject):
            await forget_conversation(keepers, conversation, request.by, "person", progress)
            continue
        sender = subject if address.channel == channel else ELSEWHERE
        if sender == ELSEWHERE and not any(seqs_of_person(await store.log.load(conversation), sender, principal)):
            continue  # it only speaks of them
        progress(conversation)
        await stop(store, keepers.clock, conversation, request.by, WHY)  # whoever else waits there is told so
        seqs, quoting = seqs_of_person(await store.log.load(conversation), sender, principal)
        await settle_unsent(keepers, conversation, set(seqs))
        forgotten = await store.forgetting.entries(conversation, seqs, quoting, by=request.by, why="person")
        await forget_prompts(keepers, forgotten, request.by, "person")
        if keepers.drafts is not None:
            keepers.drafts.forget(conversation)
    await store.forgetting.person(channel, subject, principal)


async def conversations_of(store: Store, channel: str, subject: str) -> tuple[str, ...]:
    """The conversations in which a person is: their own chats, and those with them in the log."""
    direct = f"{channel}/{subject}"
    chats, *_ = await store.history.conversations(within=frozenset({direct}), limit=200)
    conversations = await store.forgetting.conversations_with(channel, subject)
    return tuple(dict.fromkeys([*(chat.id for chat in chats), *conversations]))


async def end_all(keepers: Keepers, conversation: str, by: str) -> None:
    """End what is under way in a conversation."""
    store = keepers.store
    await stop(store, keepers.clock, conversation, by, WHY)
    await clear(store, conversation, by)
    await settle_unsent(keepers, conversation, None)
    for seq in await store.restoring.questions(conversation):
        await store.log.record(conversation, Lapsed(seq, by))


async def settle_unsent(keepers: Keepers, conversation: str, seqs: set[int] | None) -> None:
    """Messages that are not out yet, or may be, do not go out any more: nobody sends what is forgotten."""
    unsent = await keepers.store.restoring.unsent(conversation)
    ends: list[Entry] = []
    for seq, begun in unsent.items():
        if seqs is None or seq in seqs:
            ends.append(Delivered(seq, "uncertain", begun) if begun else Failed("deliver", seq, WHY))
    if ends:
        await keepers.store.log.record(conversation, *ends)


async def forget_prompts(keepers: Keepers, forgotten: Forgotten, by: str, why: Why) -> None:
    """Forget what asked people for approvals that are gone, and reminded them, wherever that was."""
    for place, seqs in (await keepers.store.forgetting.prompts_of(forgotten.approvals)).items():
        await settle_unsent(keepers, place, set(seqs))
        await keepers.store.forgetting.entries(place, seqs, by=by, why=why)


async def remove_files(keepers: Keepers) -> None:
    """Remove the kept files that only forgotten entries brought."""
    store = keepers.store
    for ref in await store.forgetting.unused() if keepers.files is not None else ():
        assert keepers.files is not None
        await keepers.files.remove(ref)
        await store.forgetting.done(ToForget("file", ref))


async def retain(keepers: Keepers, rules: Rules, old_before: Callable[[float], float] = lambda at: at) -> int:
    """Forget what is older than its channel keeps; how many conversations that concerned.

    One conversation at a time: others write in between. What is under way is left to a later look. `old_before` is
    `Jumps.old_before`: what a clock that was set ahead makes older than it is, stays.
    """
    count, now = 0, keepers.clock.now()
    for channel in rules.channels.values():
        if not channel.keep_days:
            continue
        before = old_before(now - channel.keep_days * DAY_S)
        for conversation, last in (await keepers.store.forgetting.older_than(channel.name, before, AT_ONCE)).items():
            unsettled = await keepers.store.log.unsettled(conversation)
            end = last + 1 if unsettled is None else min(last + 1, unsettled)
            await settle_unsent(keepers, conversation, set(range(end)))
            forgotten = await keepers.store.forgetting.entries(
                conversation, range(end), by="retention", why="retention"
            )
            await forget_prompts(keepers, forgotten, "retention", "retention")
            count += forgotten.entries > 0
    if count:
        await keepers.store.forgetting.done()
    return count


def person_in(subject: str) -> tuple[str, str]:
    """Channel and id of `channel/id`.

    Raises:
        BadInput: it is not that.
    """
    channel, _, id = subject.partition("/")
    if not channel or not id or "/" in id:
        raise BadInput(f"'{subject[:80]}' is no person.", fix="Write CHANNEL/ID with the person's numeric id.")
    return channel, id
