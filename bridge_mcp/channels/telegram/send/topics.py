"""Topics of chats: made, named, given an icon, closed and opened again.

https://core.telegram.org/bots/api#createforumtopic. Changes are idempotent: a topic that already is as wanted counts as
changed. Making one is not, and nothing tells afterwards whether a lost request made one.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import cast

from telegram import Bot
from telegram.error import BadRequest, TelegramError

from bridge_mcp.channels.telegram.send.errors import says
from bridge_mcp.channels.telegram.send.requests import ChangeTopic, CloseTopic, MakeTopic
from bridge_mcp.core.errors import SendFailed

__all__ = ["NotSent", "Topics"]

COLOURED = "\ufe0f"
"""The variation selector that asks for a coloured emoji; Telegram's list has it for some of them."""
SHOWN = 60
"""So many icons are named to whoever wants another one."""


class NotSent(Exception):
    """What a request needs could not be asked for: the request itself was not made."""

    def __init__(self, error: TelegramError) -> None:
        super().__init__()
        self.error = error


class Topics:
    """Makes and changes topics for one bot."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot
        self._icons: dict[str, str] = {}
        """The id of each icon that bots may use, by its emoji; asked for once."""

    async def make(self, body: MakeTopic) -> list[str]:
        """Make a topic; the id of its thread."""
        icon = await self._icon(body.icon) if body.icon else None
        topic = await self._bot.create_forum_topic(body.place.chat, body.name, icon_custom_emoji_id=icon)
        number = cast("object", topic.message_thread_id)
        if not isinstance(number, int) or isinstance(number, bool):
            raise TelegramError("its answer names no topic")
        return [str(number)]

    async def change(self, body: ChangeTopic) -> list[str]:
        """Give a topic another name, or icon."""
        chat, thread = body.place.chat, body.place.thread
        if thread is None:
            await unless_so(self._bot.edit_general_forum_topic(chat, body.name))
            return []
        icon = await self._icon(body.icon) if body.icon else body.icon
        await unless_so(self._bot.edit_forum_topic(chat, thread, name=body.name or None, icon_custom_emoji_id=icon))
        return []

    async def close(self, body: CloseTopic) -> list[str]:
        """Close a topic, or open it again."""
        chat, thread, bot = body.place.chat, body.place.thread, self._bot
        if thread is None:
            request = bot.close_general_forum_topic(chat) if body.closed else bot.reopen_general_forum_topic(chat)
        elif body.closed:
            request = bot.close_forum_topic(chat, thread)
        else:
            request = bot.reopen_forum_topic(chat, thread)
        await unless_so(request)
        return []

    async def _icon(self, emoji: str) -> str:
        """The id of an icon (`getForumTopicIconStickers`).

        Raises:
            SendFailed: Telegram has none with this emoji.
        """
        if not self._icons:
            try:
                stickers = await self._bot.get_forum_topic_icon_stickers()
            except TelegramError as exc:
                raise NotSent(exc) from None
            icons = {(each.emoji or "").replace(COLOURED, ""): each.custom_emoji_id or "" for each in stickers}
            self._icons = {each: number for each, number in icons.items() if each and number}
        if number := self._icons.get(emoji.replace(COLOURED, "")):
            return number
        raise SendFailed(
            f"'{emoji}' is no icon of Telegram's topics.",
            fix=f"Take one of {' '.join(list(self._icons)[:SHOWN])}, or none.",
        )


async def unless_so(request: Awaitable[bool]) -> None:
    """Do a change; one that finds everything as wanted counts as done."""
    try:
        await request
    except BadRequest as exc:
        if not says(exc, "topic_not_modified"):
            raise
