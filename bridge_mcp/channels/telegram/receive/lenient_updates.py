"""Reads updates that the library cannot: of an older Bot API server, or with a malformed part.

The library fails for a whole update if one field of one object in it is missing. Fields that an older server leaves out
are filled in; a part that still cannot be read is removed, and named among the unknown fields, so that the rest is
read. https://core.telegram.org/bots/api-changelog says which version added what. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias, cast

from telegram import Message, Update

__all__ = ["readable"]

Object: TypeAlias = dict[str, Any]

ESSENTIAL = ("message_id", "date", "chat", "from", "business_connection_id", "direct_messages_topic")
NESTED = ("reply_to_message", "pinned_message")
MESSAGES = (
    "message",
    "edited_message",
    "channel_post",
    "edited_channel_post",
    "business_message",
    "edited_business_message",
)
NEWER_IN_POLLS: Object = {"allows_revoting": False, "members_only": False}
"""Since 9.6 and 10.0."""
NOT_READ = "{} (not in a form that this bridge reads)"
DEEPEST = 2


def readable(raw: Mapping[str, Any]) -> Update:
    """The update, or as much of it as can be read.

    Raises:
        Exception: even the essential parts cannot be read; the library raises whatever it happens to.
    """
    try:
        return parsed(raw)
    except Exception:
        mended = {key: message_of(value, 0) if key in MESSAGES else value for key, value in raw.items()}
        return parsed(mended)


def parsed(raw: Mapping[str, Any]) -> Update:
    update = Update.de_json(dict(raw), None)
    unread = [kind for kind in MESSAGES if kind in raw and getattr(update, kind) is None]
    if unread:
        raise ValueError(f"{unread[0]} holds no message")
    return update


def message_of(raw: Any, depth: int) -> Any:
    """A message without its unreadable parts, which are named in a key of their own."""
    if not isinstance(raw, dict):
        return raw
    message = {key: completed(key, value) for key, value in cast("Object", raw).items()}
    if is_read(message):
        return message
    if depth < DEEPEST:
        message |= {key: message_of(message[key], depth + 1) for key in NESTED if key in message}
    essential = {key: message[key] for key in ESSENTIAL if key in message}
    readable_parts: Object = dict(essential)
    for key, value in message.items():
        if key in ESSENTIAL or is_read(essential | {key: value}):
            readable_parts[key] = value
        else:
            readable_parts[NOT_READ.format(key)] = True
    return readable_parts


def is_read(message: Object) -> bool:
    try:
        Message.de_json(dict(message), None)
    except Exception:
        return False
    return True


def completed(key: str, value: Any) -> Any:
    """An object with the fields that newer versions of the Bot API require."""
    if key != "poll" or not isinstance(value, dict):
        return value
    poll = NEWER_IN_POLLS | cast("Object", value)
    if "correct_option_id" in poll:
        poll.setdefault("correct_option_ids", [poll.pop("correct_option_id")])
    options: Any = poll.get("options")
    if isinstance(options, list):
        numbered = [{"persistent_id": str(n), **cast("Object", o)} for n, o in enumerate(cast("list[Any]", options))]
        poll["options"] = numbered
    return poll
