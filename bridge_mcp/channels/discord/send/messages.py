"""The bodies of requests that make and change messages, and the few that go out beside the outbox.

No text that a model wrote can notify anybody (`allowed_mentions` names nobody), and none makes Discord fetch an address
(embeds are suppressed).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, cast

from discord.http import Route
from discord.utils import _to_json as to_json  # pyright: ignore[reportPrivateUsage]

from bridge_mcp.channels.discord.bot.requests import REQUEST_ERRORS, InvalidResponse, Requests
from bridge_mcp.channels.discord.send.components import rows
from bridge_mcp.channels.discord.text.split import MAX_TEXT
from bridge_mcp.core.entries import Button

__all__ = [
    "DRAFT_END",
    "NOBODY",
    "MessageRoutes",
    "drop_quietly",
    "edited_message",
    "id_of",
    "is_draft",
    "multipart",
    "new_message",
    "note",
]

logger = logging.getLogger(__name__)

NO_EMBEDS, SILENT = 1 << 2, 1 << 12
NOBODY: dict[str, Any] = {"parse": [], "replied_user": False}
DRAFT_END = " ▌"
"""Stands behind a reply that is still being made, and tells such a message from all others."""


class MessageRoutes:
    """The routes of one channel's messages."""

    def __init__(self, channel: str) -> None:
        self._channel = channel

    @property
    def create(self) -> Route:
        """Make one."""
        return Route("POST", "/channels/{channel_id}/messages", channel_id=self._channel)

    @property
    def typing(self) -> Route:
        """Show that the bot types."""
        return Route("POST", "/channels/{channel_id}/typing", channel_id=self._channel)

    def edit(self, message: str) -> Route:
        """Change one."""
        return self._one("PATCH", message)

    def delete(self, message: str) -> Route:
        """Delete one."""
        return self._one("DELETE", message)

    def react(self, method: str, message: str, emoji: str) -> Route:
        """A reaction of the bot."""
        path = "/channels/{channel_id}/messages/{message_id}/reactions/{emoji}/@me"
        return Route(method, path, channel_id=self._channel, message_id=message, emoji=emoji)

    def read(self, message: str) -> Route:
        """Read one."""
        return self._one("GET", message)

    def _one(self, method: str, message: str) -> Route:
        path = "/channels/{channel_id}/messages/{message_id}"
        return Route(method, path, channel_id=self._channel, message_id=message)


def new_message(
    text: str,
    *,
    nonce: str = "",
    buttons: Sequence[Button] = (),
    reply_to: str = "",
    silent: bool = False,
) -> dict[str, Any]:
    """The body of a new message."""
    body: dict[str, Any] = {
        "allowed_mentions": NOBODY,
        "flags": NO_EMBEDS | (SILENT if silent else 0),
    }
    if text:
        body["content"] = text
    if nonce:
        body |= {"nonce": nonce, "enforce_nonce": True}
    if buttons:
        body["components"] = rows(buttons)
    if reply_to:
        body["message_reference"] = {"message_id": reply_to, "fail_if_not_exists": False}
    return body


def edited_message(text: str, buttons: Sequence[Button] = ()) -> dict[str, Any]:
    """The body of an edit, which replaces the buttons too."""
    return {"content": text, "components": rows(buttons), "allowed_mentions": NOBODY, "flags": NO_EMBEDS}


def multipart(body: dict[str, Any], files: Sequence[tuple[str, bytes]]) -> list[dict[str, Any]]:
    """A message with files: https://docs.discord.com/developers/reference#uploading-files."""
    body = body | {"attachments": [{"id": index, "filename": name} for index, (name, _) in enumerate(files)]}
    fields: list[dict[str, Any]] = [{"name": "payload_json", "value": to_json(body)}]
    for index, (name, data) in enumerate(files):
        kind = "application/octet-stream"
        fields.append({"name": f"files[{index}]", "value": data, "filename": name, "content_type": kind})
    return fields


def id_of(answer: Any) -> str:
    """The id of a message, or a thread, that Discord says it made.

    Raises:
        InvalidResponse: the answer names none.
    """
    number = cast("dict[str, Any]", answer).get("id") if isinstance(answer, dict) else None
    if not isinstance(number, str) or not number.isdecimal():
        raise InvalidResponse("its answer names nothing that was made")
    return number


def is_draft(content: str) -> bool:
    """Whether a message of the bot is a reply that was never finished."""
    return content.endswith(DRAFT_END.strip())


async def drop_quietly(requests: Requests, channel: str, message: str) -> None:
    """Delete a message of the bot; where that fails, it stays."""
    try:
        await requests.request(MessageRoutes(channel).delete(message))
    except REQUEST_ERRORS as exc:
        logger.info("a draft could not be deleted: %s", type(exc).__name__)


async def note(requests: Requests, channel: str, text: str, reply_to: str) -> None:
    """Send a text that is not part of the log, such as a stranger's code; a failure is ignored."""
    try:
        await requests.request(MessageRoutes(channel).create, json=new_message(text[:MAX_TEXT], reply_to=reply_to))
    except REQUEST_ERRORS as exc:
        logger.info("what a sender is to be told could not be sent: %s", type(exc).__name__)
