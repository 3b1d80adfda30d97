"""Shows that a reply is being written: "is typing" (`sendChatAction`), and in private chats the text so far (drafts).

All of it is best effort: it takes only what messages leave of the rate limit, waits for nothing long, and drops what
fails. A server too old for drafts, or a chat that refuses them, gets no more of them. Knows nothing of turns.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import anyio
from cachetools import LRUCache
from telegram import Bot
from telegram.constants import ChatAction
from telegram.error import BadRequest, Forbidden, InvalidToken, RetryAfter, TelegramError

from bridge_mcp.channels.telegram.bot.responses import retry_after_s
from bridge_mcp.channels.telegram.send.rate_limit import Pacer
from bridge_mcp.channels.telegram.send.requests import Destination
from bridge_mcp.channels.telegram.text.chunks import LONG
from bridge_mcp.channels.telegram.text.entities import entities
from bridge_mcp.channels.telegram.text.render import Renderer
from bridge_mcp.channels.telegram.text.split import split
from bridge_mcp.ports import Clock

__all__ = ["Drafts"]

logger = logging.getLogger(__name__)

TYPING_S = 4.0
"""Telegram shows it for five seconds."""
DRAFT_S = 1.0
"""The shortest time between two versions of a draft."""
DRAFT_LASTS_S = 20.0
"""After so long the same text is shown again: Telegram drops it after thirty."""
MAX_REQUEST_S = 1.5
"""The longest a caller waits for one request."""
REMEMBERED = 1024
"""Chats that are remembered; the least recently shown is forgotten first."""


@dataclass(slots=True)
class DraftState:
    """What one chat shows of a growing reply, and since when."""

    typing_at: float = float("-inf")
    draft_at: float = float("-inf")
    draft: int = 0
    text: str = ""
    no_drafts_until: float = float("-inf")
    ended: tuple[int, str] = (0, "")
    """The draft and text that were shown when the last message went out: they are not shown again."""
    request: anyio.CancelScope | None = None
    """The request that is under way."""


class Drafts:
    """Typing and growing replies of one bot, in all its chats."""

    def __init__(self, bot: Bot, clock: Clock, renderer: Renderer, pacer: Pacer, name: str) -> None:
        self._bot, self._clock, self._renderer, self._pacer, self._name = bot, clock, renderer, pacer, name
        self._states: LRUCache[tuple[object, ...], DraftState] = LRUCache(REMEMBERED)
        self._drafts = True

    async def show(self, place: Destination, draft: int, text: str) -> None:
        """See `ports.Channel.show`."""
        if place.direct is not None:
            return  # Telegram shows nothing in the direct messages of channels
        state = self._states.setdefault(place.key, DraftState())
        if state.request is not None:
            # One request at a time; the next draft contains this text too.
            return
        now = self._clock.now()
        with anyio.move_on_after(MAX_REQUEST_S) as state.request:
            try:
                if ago(state.typing_at, now) >= TYPING_S and self._pacer.spare():
                    state.typing_at = now
                    await self._bot.send_chat_action(
                        place.chat,
                        ChatAction.TYPING,
                        message_thread_id=place.thread,
                        business_connection_id=place.business or None,
                    )
                if text.strip() and self._drafts_in(place, state, now):
                    await self._draft(place, state, draft, text, now)
            except TelegramError as exc:
                logger.debug("%s: could not show in %s: %s", self._name, place.chat, type(exc).__name__)
            finally:
                state.request = None

    def end(self, place: Destination) -> None:
        """A message goes to this chat now: cancel a draft that is still on its way."""
        state = self._states.get(place.key)
        if state is not None:
            if state.draft:
                state.ended = state.draft, state.text
            state.text, state.draft = "", 0
            if state.request is not None:
                state.request.cancel()

    def _drafts_in(self, place: Destination, state: DraftState, now: float) -> bool:
        return self._drafts and not place.group and not place.guests and now >= state.no_drafts_until

    async def _draft(self, place: Destination, state: DraftState, draft: int, text: str, now: float) -> None:
        if draft == state.ended[0] and state.ended[1].startswith(text):
            return
        same = draft == state.draft and text == state.text
        if ago(state.draft_at, now) < (DRAFT_LASTS_S if same else DRAFT_S) or not self._pacer.spare():
            return
        # The newest text is at the end.
        pieces = split(self._renderer.last(text) if len(text) > LONG else self._renderer.render(text))
        if not pieces:
            return
        state.draft_at, state.draft, state.text = now, draft, text
        try:
            await self._bot.send_message_draft(
                place.chat,
                draft,
                pieces[-1].text,
                message_thread_id=place.thread,
                entities=entities(pieces[-1]) or None,
            )
        except InvalidToken:
            # The library's name for 404: the server does not know the method.
            self._drafts = False
            logger.info("%s: this Bot API server knows no drafts; only typing is shown", self._name)
        except (BadRequest, Forbidden):
            state.no_drafts_until = float("inf")
        except RetryAfter as exc:
            state.no_drafts_until = now + retry_after_s(exc)


def ago(since: float, now: float) -> float:
    """Seconds since `since`; infinite for a time in the future, since the clock was set back."""
    return now - since if since <= now else float("inf")
