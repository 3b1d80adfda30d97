"""Continuations: messages that belong together, because an app split what a person sent once.

Apps cut a long paste into several messages, send a comment and what it is about as two, and a picture and the question
about it too. Nobody types two messages within a second: a message that the same sender sends
so soon after an incomplete one is its continuation. The inbox notes that in the log (`Heard.continues`) by the rules of
this module.

After a visibly incomplete message (a long text, a forward, a file without text) the model call waits. After any other
message a comment's forward may come: the model is called at once, but its reply waits for `gather_s`; a continuation
that comes meanwhile makes that call void, and it is made again with all messages.
"""

from __future__ import annotations

from collections.abc import Sequence

from bridge_mcp.core.entries import Heard, Logged

__all__ = ["LONGEST_S", "asks_at", "goes_on", "group_end", "replies_at"]

LOOSE_S = 1.2
"""Seconds in which the rest of a visibly incomplete message comes."""
LONGEST_S = 5.0
"""No wait is longer, whatever the clock does."""
SAME_MOMENT_S = 2.0
"""Times of platforms may be whole seconds; two messages further apart were not sent as one."""


def loose(heard: Heard) -> bool:
    """Whether a message is visibly incomplete: a long text, a forward, a picture or document without text."""
    wordless = not heard.text and any(file.kind != "audio" and not file.quoted for file in heard.attachments)
    pasted = heard.paste_chars and len(heard.text) >= heard.paste_chars
    return bool(pasted or heard.forwarded_from or wordless)


def asks_at(logged: Logged, heard: Heard) -> float:
    """The earliest time of a model call, in epoch seconds, if nothing else comes."""
    if not heard.gather_s:
        return logged.at
    if loose(heard):
        return logged.at + max(LOOSE_S, heard.gather_s)
    return logged.at + heard.gather_s if heard.followed else logged.at


def replies_at(logged: Logged, heard: Heard) -> float:
    """The earliest time of its reply, in epoch seconds, if nothing else comes."""
    return max(asks_at(logged, heard), logged.at + heard.gather_s)


def goes_on(before: Logged, heard: Heard, now: float) -> bool:
    """Whether a message that comes in at `now` continues the sender's last one."""
    first = before.entry
    if not isinstance(first, Heard) or not heard.gather_s or first.to == "bridge" or first.sender.id != heard.sender.id:
        return False
    if abs(heard.sent_at - first.sent_at) > SAME_MOMENT_S or not 0 <= now - before.at <= LONGEST_S:
        return False
    if loose(first):
        return now - before.at <= LOOSE_S + SAME_MOMENT_S
    # An ordinary message is continued only by a message that says nothing by itself.
    return not first.forwarded_from and about_nothing(heard) and now - before.at <= heard.gather_s + SAME_MOMENT_S / 2


def about_nothing(heard: Heard) -> bool:
    """Whether it is a forward, or has no text: a comment before it may be about it."""
    return bool(heard.forwarded_from) or (not heard.text and bool(heard.attachments))


def group_end(unread: Sequence[Logged]) -> int:
    """How many of these messages, from the first on, belong together with the first one."""
    end = 1
    seqs = [logged.seq for logged in unread]
    for index, logged in enumerate(unread):
        continues = logged.entry.continues if isinstance(logged.entry, Heard) else None
        if continues is not None and continues in seqs[:end]:
            end = index + 1
    return min(end, len(unread))
