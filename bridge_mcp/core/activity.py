"""What happens in the bridge as lines of its log: who did what where, and never what anybody wrote.

Made from the events of the feed, which tell of every process: the log of the engine tells all of it. A name is cut; the
log's own formatter shows what hides in it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from bridge_mcp.core.events import Event
from bridge_mcp.core.tools import JSON

__all__ = ["FAILURES", "activity"]

FAILURES = frozenset({"model.failed", "message.failed", "message.uncertain", "turn.stopped"})
"""Events that tell of a failure, or of an end that nobody wanted."""

NAME, REASON = 60, 300
"""Characters of a name, and of a reason."""


def activity(event: Event) -> str:
    """The line of an event; "" for one that tells nothing that another one does not."""
    place, body = event.conversation, event_body(event)
    match event.type:
        case "message.received":
            return f"{cut(body['message'])}: heard {sender_label(body['from'])}, for {addressee_label(body)}"
        case "message.queued":
            return f"{cut(body['message'])}: a message of {cut(body['by'])} is to go out"
        case "message.sent":
            by = f" by {cut(body['by'])}" if "by" in body else ""
            return f"{cut(body['message'])}: sent{by}"
        case "message.uncertain":
            return f"{cut(body['message'])}: may have been sent, and is not sent again"
        case "message.failed":
            return f"{cut(body['message'])}: not sent: {cut(body['reason'], REASON)}"
        case "message.transcribed":
            return f"{cut(body['message'])}: its speech is text now"
        case "turn.finished":
            return f"{cut(body['message'])}: answered"
        case "turn.stopped":
            return f"{place}: ended without an answer, by {cut(body['by'])}: {cut(body['reason'], REASON)}"
        case "model.failed":
            again = ", and is asked again" if body.get("retry_at") else ""
            return f"{place}: the model failed{again}: {cut(body['reason'], REASON)}"
        case _:
            return call_line(event) or access_line(event)


def call_line(event: Event) -> str:
    """The line of a tool call, or of a verdict on one."""
    body = event_body(event)
    match event.type:
        case "tool.started":
            return f"{call_label(event)} runs, free by {cut(body['cleared_by'])}"
        case "tool.finished":
            return f"{call_label(event)} is over: {cut(body['outcome'])}"
        case "approval.requested":
            return f"{call_label(event)} waits for a verdict, asked for by {cut(body['requested_by'])}"
        case "approval.reviewed":
            return f"{approval_label(event)}: the reviewer says {cut(body['says'])}"
        case "approval.voted":
            return f"{approval_label(event)}: {cut(body['by'])} says yes{via(body)}"
        case "approval.reminded":
            return f"{approval_label(event)}: {cut(body['why'])} {cut(body['number'])}"
        case "approval.decided":
            return f"{approval_label(event)}: {cut(body['verdict'])} by {cut(body['by'])}{via(body)}"
        case _:
            return ""


def access_line(event: Event) -> str:
    """The line of who comes and goes, and of what was set."""
    body = event_body(event)
    match event.type:
        case "pairing.added":
            return f"{cut(body['channel'])}: {cut(body['subject'])} is let in as {cut(body['role'])}"
        case "pairing.removed":
            return f"{cut(body['channel'])}: {cut(body['subject'])} is let in no longer, by {cut(body['by'])}"
        case "grant.made":
            where = f" in {cut(body['where'])}" if body["where"] else ""
            return f"grant {cut(body['grant'])} for {cut(body['tool'])}{where} is given, by {cut(body['by'])}"
        case "grant.revoked":
            return f"grant {cut(body['grant'])} for {cut(body['tool'])} ended, by {cut(body['by'])}"
        case "client.added" | "client.revoked":
            may = "may come" if event.type == "client.added" else "may come no longer"
            return f"client {cut(body['client'])} {may}, by {cut(body['by'])}"
        case "conversation.cleared":
            return f"{event.conversation}: cleared by {cut(body['by'])}"
        case "conversation.configured":
            return (
                f"{event.conversation}: answered by {cut(body['responder'] or 'whoever its channel says')} from now on"
            )
        case "topic.asked":
            return (
                f"{cut(body['message'])}: a topic is to be {'made' if body['new'] else 'changed'}, by {cut(body['by'])}"
            )
        case "conversation.claimed" | "conversation.released":
            return f"{event.conversation}: {event.type.partition('.')[2]} by {cut(body['by'])}"
        case "conversation.summarised":
            return f"{event.conversation}: what is older is summed up"
        case _:
            return ""


def event_body(event: Event) -> Mapping[str, JSON]:
    """The body of an event; what an entry that cannot be read does not tell is None."""
    return defaultdict(lambda: None, event.body)


def call_label(event: Event) -> str:
    """Which call an event is about."""
    body = event_body(event)
    return f"{event.conversation}: {cut(body['tool'])} [{cut(body['call'])}]"


def approval_label(event: Event) -> str:
    return f"{event.conversation}: {cut(event_body(event)['approval'])}"


def via(body: Mapping[str, JSON]) -> str:
    """By which path something came."""
    return f" ({cut(body['via'])})" if body.get("via") else ""


def sender_label(sender: JSON) -> str:
    """Who wrote: a name and an id."""
    if not isinstance(sender, dict):
        return "somebody"
    name, sender_id = cut(sender.get("name")), cut(sender.get("id"))
    return f"{name} ({sender_id})" if name and name != sender_id else sender_id


def addressee_label(body: Mapping[str, JSON]) -> str:
    to = cut(body.get("to"))
    return {"assistant": "the assistant", "relay": "a client", "bridge": "the bridge", "off": "nobody"}.get(to, to)


def cut(value: JSON, most: int = NAME) -> str:
    """A value in few characters, on one line."""
    text = " ".join(("" if value is None else str(value)).split())
    return text if len(text) <= most else f"{text[: most - 1]}…"
