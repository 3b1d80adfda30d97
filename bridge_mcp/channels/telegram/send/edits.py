"""Changes of messages that are there: another text, none at all, a reaction.

Each may be done twice without harm: what already is as it shall be counts as done. Knows nothing of the pace, and
leaves it to its caller what a failure means.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

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
"""What a message holds between being emptied and being deleted; it stays where Telegram lets nobody delete it."""
COLOURED = "\ufe0f"
"""Asks for the coloured picture of an emoji; Telegram's list has it here and there."""
REACTIONS = {emoji.value.replace(COLOURED, ""): emoji.value for emoji in ReactionEmoji}


class Changes:
    """Changes messages for one bot. Each method gives the ids of what it changed or made, and what still stands."""

    def __init__(self, bot: Bot, name: str, messages: Messages) -> None:
        self._bot, self._name, self._messages = bot, name, messages

    async def rewrite(self, body: Rewrite) -> list[str]:
        """Another text for a message; where it is a file, another caption, and what does not fit goes below it."""
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
        """Take away a text that an edit left over. A file stays, without its buttons.

        Which of the two it is shows by editing it, so nothing is deleted that was not text.
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
        await changed(MARK, lambda _: self._bot.edit_message_reply_markup(body.place.chat, body.message))
        return [str(body.message)]

    async def _delete(self, body: Drop) -> list[str]:
        try:
            await self._bot.delete_message(body.place.chat, body.message)
        except BadRequest as exc:
            if not says(exc, "message to delete not found"):
                logger.info("%s: a message that is too old to be deleted is left empty", self._name)
                return [str(body.message)]
        return []

    async def react(self, body: React) -> list[str]:
        """A reaction, or none."""
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
            ),
            most=MAX_CAPTION,
        )


async def changed(rich: Rich, edit: Callable[[Rich], Awaitable[object]], *, most: int = 0) -> None:
    """Edit, without marks where Telegram takes none. A message that already is as it shall be has been edited."""
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
