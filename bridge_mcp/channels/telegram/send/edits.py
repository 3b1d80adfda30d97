"""Changes of sent messages: edit, delete, react.

Each is idempotent: a message that already is as wanted counts as changed. Knows nothing of rate limits, and leaves the
meaning of errors to its caller.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from msgspec.structs import replace
from telegram import Bot
from telegram.constants import ReactionEmoji
from telegram.error import BadRequest

from bridge_mcp.channels.telegram.send.errors import markup_refused, not_modified, says
from bridge_mcp.channels.telegram.send.keyboards import keyboard
from bridge_mcp.channels.telegram.send.messages import NO_PREVIEW, Messages
from bridge_mcp.channels.telegram.send.requests import Drop, React, Rewrite, Text
from bridge_mcp.channels.telegram.text.entities import entities
from bridge_mcp.channels.telegram.text.marked_text import Rich
from bridge_mcp.channels.telegram.text.split import MAX_CAPTION, MAX_TEXT, fits, split

__all__ = ["REACTIONS", "Changes"]

logger = logging.getLogger(__name__)

MARK = Rich("…")
"""The text of a message between being emptied and being deleted; it stays where Telegram refuses to delete."""
COLOURED = "\ufe0f"
"""The variation selector that asks for a coloured emoji; Telegram's list of reactions has it for some of them."""
REACTIONS = {emoji.value.replace(COLOURED, ""): emoji.value for emoji in ReactionEmoji}


class Changes:
    """Changes messages for one bot. Each method returns the ids of the messages that it changed, made or left."""

    def __init__(self, bot: Bot, name: str, messages: Messages) -> None:
        self._bot, self._name, self._messages = bot, name, messages

    async def rewrite(self, body: Rewrite) -> list[str]:
        """Change the text of a message, or the caption of a file; text that does not fit goes into messages below."""
        try:
            await self._edit_text(body)
            return [str(body.message)]
        except BadRequest as exc:
            if not says(exc, "there is no text in the message"):
                raise
        first, *rest = split(body.rich, MAX_CAPTION)
        await self._edit_caption(replace(body, rich=first, buttons=() if rest else body.buttons))
        below = Text(replace(body.place, reply_to=body.message, silent=True), first, body.buttons)
        return [str(body.message), *await self._messages.texts(below, rest, begun=True)]

    async def drop(self, body: Drop) -> list[str]:
        """Delete a text that an edit left over. A file stays, without its buttons.

        Editing it shows which of the two it is, so that nothing but text is deleted.
        """
        try:
            await self._edit_text(Rewrite(body.place, body.message, MARK))
        except BadRequest as exc:
            if says(exc, "message to edit not found", "message_id_invalid"):
                return []
            if not says(exc, "there is no text in the message"):
                raise
        else:
            return await self._delete(body)
        business = body.place.business or None
        await changed(
            MARK,
            lambda _: self._bot.edit_message_reply_markup(
                body.place.chat, body.message, business_connection_id=business
            ),
        )
        return [str(body.message)]

    async def _delete(self, body: Drop) -> list[str]:
        try:
            if body.place.business:
                await self._bot.delete_business_messages(body.place.business, [body.message])
            else:
                await self._bot.delete_message(body.place.chat, body.message)
        except BadRequest as exc:
            if not says(exc, "message to delete not found"):
                logger.info("%s: a message that is too old to be deleted is left empty", self._name)
                return [str(body.message)]
        return []

    async def react(self, body: React) -> list[str]:
        """Set a reaction, or remove it."""
        emoji = REACTIONS.get(body.emoji.replace(COLOURED, ""), body.emoji)
        await self._bot.set_message_reaction(body.place.chat, body.message, [emoji] if emoji else [])
        return [str(body.message)]

    async def _edit_text(self, body: Rewrite) -> None:
        await changed(
            body.rich,
            lambda rich: self._bot.edit_message_text(
                rich.text,
                body.place.chat,
                body.message,
                entities=entities(rich) or None,
                reply_markup=keyboard(body.buttons),
                link_preview_options=NO_PREVIEW,
                business_connection_id=body.place.business or None,
            ),
            most=MAX_TEXT,
        )

    async def _edit_caption(self, body: Rewrite) -> None:
        await changed(
            body.rich,
            lambda rich: self._bot.edit_message_caption(
                body.place.chat,
                body.message,
                caption=rich.text,
                caption_entities=entities(rich) or None,
                reply_markup=keyboard(body.buttons),
                business_connection_id=body.place.business or None,
            ),
            most=MAX_CAPTION,
        )


async def changed(rich: Rich, edit: Callable[[Rich], Awaitable[object]], *, most: int = 0) -> None:
    """Edit; without formatting where Telegram refuses it. "Message is not modified" counts as success."""
    try:
        await edit(rich)
        return
    except BadRequest as exc:
        if not_modified(exc):
            return
        if not (rich.marks and markup_refused(exc)):
            raise
    plain = Rich(rich.written_out())
    await changed(plain if fits(plain, most) else Rich(rich.text), edit, most=most)
