"""Events and entries as lines for people."""

from __future__ import annotations

from collections.abc import Mapping

from rich.text import Text

from bridge_mcp.cli.output import clock
from bridge_mcp.cli.texts.chats import SOMEBODY
from bridge_mcp.core.entries import (
    Asked,
    Cleared,
    Collected,
    Configured,
    Delivered,
    Edited,
    Entry,
    Failed,
    Finished,
    Forgot,
    Heard,
    Judged,
    Lapsed,
    Logged,
    Posted,
    Rang,
    Reacted,
    Reminded,
    Replied,
    Requested,
    Reviewed,
    Revised,
    Scheduled,
    Sender,
    Started,
    Stopped,
    Summarised,
    TopicAsked,
    Transcribed,
    Voted,
    Withdrawn,
    approval_id,
)
from bridge_mcp.core.events import Event
from bridge_mcp.core.safe_text import visible
from bridge_mcp.core.tools import JSON
from bridge_mcp.core.unreadable import UnreadableEntry

__all__ = ["entry_line", "event_line", "event_words", "forgotten_words"]

COLOURS = {
    "approval.requested": "yellow",
    "approval.reviewed": "yellow",
    "approval.decided": "yellow",
    "message.failed": "red",
    "message.uncertain": "red",
    "model.failed": "red",
    "turn.stopped": "red",
    "tool.started": "dim",
    "tool.finished": "dim",
}


def event_line(event: Event) -> Text:
    """One event in one line."""
    line = Text(f"{clock(event.at)}  {event.cursor:>5}  ", "dim")
    line.append(f"{event.type:<19} ", COLOURS.get(event.type, "cyan"))
    line.append(visible(event.conversation or "-"), "bold")
    line.append(f"  {event_words(event)}")
    return line


def event_words(event: Event) -> str:
    """What an event tells, in words."""
    body = event.body
    match event.type:
        case "message.received":
            sender = body.get("from")
            name = sender.get("name") or sender.get("id") if isinstance(sender, dict) else ""
            return f"{one_line(name)}: {one_line(body.get('text'))}"
        case "message.queued" | "message.sent" if "text" in body:
            return f"{one_line(body.get('by'))}: {one_line(body.get('text'))}"
        case "turn.finished":
            return f"assistant: {one_line(body.get('text'))}"
        case "approval.requested":
            return f"{one_line(body.get('approval'))} {one_line(body.get('tool'))} {one_line(body.get('arguments'))}"
        case "approval.reviewed":
            reason = one_line(body.get("reason"))
            return f"{one_line(body.get('approval'))} {one_line(body.get('says'))}" + (f": {reason}" if reason else "")
        case "approval.decided":
            note = one_line(body.get("note"))
            path = through(one_line(body.get("via")))
            return (
                f"{one_line(body.get('approval'))} {one_line(body.get('verdict'))} by {one_line(body.get('by'))}{path}"
                + (f": {note}" if note else "")
            )
        case "model.failed" | "message.failed" | "message.uncertain":
            return failed_words(body)
        case _:
            return ", ".join(f"{key}: {one_line(value)}" for key, value in body.items() if value not in (None, ""))


def failed_words(body: Mapping[str, JSON]) -> str:
    """What failed, why, and whether it is tried again, for people."""
    again = body.get("retry_at")
    effects = {"model": "the model's answer", "summary": "a summary"}
    subject = one_line(body.get("message")) or effects.get(one_line(body.get("effect")), "")
    when = f" It is tried again at {clock(float(again))}." if isinstance(again, int | float) and again else ""
    reason = one_line(body.get("reason")) or "nobody can say whether it went out"
    return f"{subject}: {reason}{when}" if subject else f"{reason}{when}"


def one_line(value: JSON) -> str:
    """A value of a body, on one line, with nothing hidden in it."""
    return visible(value if isinstance(value, str) else "" if value is None else str(value))


def entry_line(conversation: str, logged: Logged | UnreadableEntry) -> Text:
    """One entry in one line: number, time, kind, and who did what."""
    line = Text(f"{logged.seq:>5}  {clock(logged.at)}  ", "dim")
    if isinstance(logged, UnreadableEntry):
        line.append(f"{logged.kind.lower() or 'unreadable':<10} ", "red")
        return line.append(visible(f"(cannot be read: {logged.why})"))
    line.append(f"{type(logged.entry).__name__.lower():<10} ", "cyan")
    line.append(visible(entry_words(conversation, logged.entry)))
    return line


def entry_words(conversation: str, entry: Entry) -> str:
    """What an entry tells, in words; whole."""
    match entry:
        case Heard() | Edited() | Transcribed() | Posted() | Revised() | Reacted() | TopicAsked() | Delivered():
            return message_words(entry)
        case Requested() as e:
            return f"{by_whom(e.by)} asks for " + "; ".join(f"{c.tool} {c.arguments} [{c.id}]" for c in e.calls)
        case Replied() as e:
            calls = "".join(f" ⇒ {c.tool} {c.arguments} [{c.id}]" for c in e.calls)
            return f"{e.model or 'assistant'}: {e.text}{calls} ({e.usage.input_tokens}+{e.usage.output_tokens} tokens)"
        case Summarised() as e:
            return f"what stands before #{e.upto} leaves the model's view; it is told: {e.text or 'nothing'}"
        case Stopped() as e:
            return f"by {by_whom(e.by)}: {e.reason}" + (f" (said: {e.text})" if e.text else "")
        case Withdrawn() | Lapsed() | Forgot() as e:
            return f"{forgotten_words(e) if isinstance(e, Forgot) else f'#{e.message}'}, by {by_whom(e.by)}"
        case Cleared() as e:
            return f"by {by_whom(e.by)}"
        case Scheduled() as e:
            return f"at {clock(e.at)} in {e.conversation}, for [{e.call}]: {e.text}"
        case Rang():
            return "it came"
        case Configured() as e:
            return f"by {by_whom(e.by)}: responder {e.responder or 'as the channel says'}"
        case Failed() as e:
            return f"{e.effect} #{e.ref}: {e.reason}" + (f", again at {clock(e.retry_at)}" if e.retry_at else "")
        case _:
            return call_words(conversation, entry)


def forgotten_words(e: Forgot) -> str:
    """Which entries were forgotten, and why."""
    spans = ", ".join(f"#{first}" if first == last else f"#{first} to #{last}" for first, last in e.spans)
    return f"the content of {spans} ({e.why})"


def message_words(entry: Heard | Edited | Transcribed | Posted | Revised | Reacted | TopicAsked | Delivered) -> str:
    """What an entry of a message, or of something done to one, tells."""
    match entry:
        case Heard() as e:
            late = " (late)" if e.late else ""
            return f"{person(e.sender)}: {e.text}{files(len(e.attachments))} → {e.to}{late}"
        case Edited() | Transcribed() as e:
            return f"#{e.message} now says: {e.text}"
        case Posted() as e:
            return f"{person(e.by)}: {e.text}{files(len(e.files))}" + (" (a question)" if e.question else "")
        case Revised() as e:
            return f"#{e.message} by {person(e.by)}: {e.text}"
        case Reacted() as e:
            return f"#{e.message} by {person(e.by)}: {e.emoji or 'no reaction any more'}"
        case TopicAsked(topic=topic) as e:
            words = [topic.name] if topic.name else []
            words += [] if topic.icon is None else [f"icon {topic.icon or 'none'}"]
            words += [] if topic.closed is None else ["closed" if topic.closed else "open"]
            return f"{'a new topic' if topic.new else 'this topic'} by {person(e.by)}: {', '.join(words)}"
        case Delivered() as e:
            return f"#{e.message} {e.status} {' '.join(e.platform_ids)}".rstrip()


def call_words(
    conversation: str, entry: Started | Asked | Reviewed | Judged | Voted | Reminded | Finished | Collected
) -> str:
    """What an entry of a call (or of a model call's begin) tells."""
    match entry:
        case Started(effect="model" | "summary" as effect) as e:
            return f"{'the model' if effect == 'model' else 'a summary'}, for #{e.turn}"
        case Started(effect="review") as e:
            return f"a review of [{e.call}]"
        case Started() as e:
            return f"{e.tool} {e.arguments} [{e.call}], free by {e.cleared_by}"
        case Asked() as e:
            ends = f", until {clock(e.expires_at)}" if e.expires_at else ""
            asked = f"{approval_id(conversation, e.call)} {e.tool} {e.arguments} [{e.call}]"
            where = f", put to {e.route}" if e.route else ""
            several = f", by {e.quorum} approvers" if e.quorum > 1 else ""
            return f"{asked} for {e.requested_by}: {e.reason}{ends}{where}{several} {e.digest}"
        case Reviewed() as e:
            return f"[{e.call}] {e.says} by the reviewer{f' ({e.model})' if e.model else ''}: {e.reason}"
        case Voted() as e:
            return f"[{e.call}] yes by {by_whom(e.by)}{through(e.via)} {e.digest}" + (f": {e.note}" if e.note else "")
        case Reminded() as e:
            return f"[{e.call}] {e.why} {e.number}" + (f" in {e.to}" if e.to else "")
        case Judged() as e:
            edited = f", edited to {e.arguments}" if e.arguments is not None else ""
            decision = f"[{e.call}] {e.verdict} by {by_whom(e.by)}{through(e.via)}{edited}{remembered_words(e)}"
            return f"{decision} {e.digest}".rstrip() + (f": {e.note}" if e.note else "")
        case Finished() as e:
            return f"[{e.call}] {e.outcome}: {e.content}{files(len(e.attachments))}"
        case Collected() as e:
            return f"[{e.call}] its outcome was given to {by_whom(e.by)}"


def through(via: str) -> str:
    """By which path a verdict came."""
    return f" ({via})" if via else ""


def remembered_words(judged: Judged) -> str:
    """What a verdict lets through later, if anything."""
    if judged.remember == "once":
        return ""
    patterns = ", ".join(f"{name}={pattern}" for name, pattern in judged.remember_arguments)
    until = f" for {judged.remember_s:g} s" if judged.remember_s else ""
    place = f" in {judged.limit}" if judged.limit else ""
    return f", remembered {judged.remember}{place}{until}" + (f" where {patterns}" if patterns else "")


def by_whom(name: str) -> str:
    """Who did something; of what was forgotten nobody knows."""
    return name or SOMEBODY


def person(sender: Sender) -> str:
    return f"{by_whom(sender.name or sender.id)} ({sender.kind})"


def files(count: int) -> str:
    return f" (+{count} file{'s' if count > 1 else ''})" if count else ""
