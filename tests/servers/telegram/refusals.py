"""What the Bot API says when it does not do what it was asked: a code, a text, and sometimes parameters.

The texts are those of https://core.telegram.org/bots/api#making-requests and of the public Bot API server, because
programs match on them. Knows nothing of requests, chats or the state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = [
    "NOT_MODIFIED",
    "OTHER_POLLER",
    "WEBHOOK_ACTIVE",
    "WEBHOOK_CAME",
    "Refusal",
    "bad_request",
    "conflict",
    "flood",
    "forbidden",
    "lowered",
    "not_found",
]

OTHER_POLLER = "terminated by other getUpdates request; make sure that only one bot instance is running"
WEBHOOK_CAME = "terminated by setWebhook request"
WEBHOOK_ACTIVE = "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
NOT_MODIFIED = (
    "message is not modified: specified new message content and reply markup are exactly the same as a current "
    "content and reply markup of the message"
)


@dataclass(frozen=True)
class Refusal(Exception):
    """An answer with `"ok": false`. `parameters` are the documented ResponseParameters."""

    code: int
    description: str
    parameters: Mapping[str, int] = field(default_factory=dict[str, int])

    def __str__(self) -> str:
        return f"{self.code} {self.description}"


def lowered(text: str) -> str:
    """A text as it stands behind its prefix: the first letter small, unless it is an upper-case code."""
    if len(text) > 1 and (text[1] == "_" or text[1].isupper()):
        return text
    return text[:1].lower() + text[1:]


def bad_request(text: str, **parameters: int) -> Refusal:
    """400: the request cannot be carried out as it is."""
    return Refusal(400, f"Bad Request: {lowered(text)}", parameters)


def forbidden(text: str) -> Refusal:
    """403: the bot may not do this, in this chat, any more."""
    return Refusal(403, f"Forbidden: {lowered(text)}")


def conflict(text: str) -> Refusal:
    """409: somebody else receives the updates of this bot."""
    return Refusal(409, f"Conflict: {text}")


def not_found(text: str = "") -> Refusal:
    """404: no such method, file or bot."""
    return Refusal(404, f"Not Found: {text}" if text else "Not Found")


def flood(retry_after_s: int) -> Refusal:
    """429: too many requests; `retry_after_s` whole seconds must pass first."""
    return Refusal(429, f"Too Many Requests: retry after {retry_after_s}", {"retry_after": retry_after_s})
