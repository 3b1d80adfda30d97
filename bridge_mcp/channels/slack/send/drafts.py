"""Shows that a reply is being made: a thread's status, and (where the owner wants it) the text as it grows.

https://docs.slack.dev/reference/methods/assistant.threads.setStatus and chat.startStream; both are of threads alone.
All of it is best effort: an app that may not gets no more of it. The message that grew becomes the reply.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

import anyio
from cachetools import LRUCache

from bridge_mcp.channels.slack.places import PERSON, Places
from bridge_mcp.channels.slack.text.mrkdwn import escaped
from bridge_mcp.channels.slack.text.rich_text import Renderer
from bridge_mcp.channels.slack.web import SlackFault, SlackWeb

__all__ = ["Drafts"]

logger = logging.getLogger(__name__)

STATUS = "is thinking…"
STATUS_S = 60.0
"""Slack drops a status after two minutes."""
GROWS_S = 1.0
"""The shortest time between two pieces of a growing text."""
MAX_PIECE = 10_000
"""Characters of one piece; Slack takes 12,000."""
MAX_REQUEST_S = 2.0
REMEMBERED = 1024
NEVER = ("missing_scope", "not_allowed_token_type", "unknown_method", "feature_not_enabled", "not_assistant_app")
"""The app may not, wherever it is."""


@dataclass(slots=True)
class DraftState:
    """What one chat shows of a growing reply."""

    status_at: float = float("-inf")
    grown_at: float = float("-inf")
    message: str = ""
    """The message that grows."""
    draft: int = 0
    text: str = ""
    ended: int = 0
    """The draft whose message went out: it is shown no more."""


class Drafts:
    """Growing replies of one app, in all its chats."""

    def __init__(self, web: SlackWeb, places: Places, renderer: Renderer) -> None:
        self._web, self._places, self._renderer = web, places, renderer
        self._states: LRUCache[str, DraftState] = LRUCache(REMEMBERED)
        self._status, self._streams = True, web.settings.stream
        self._last: LRUCache[str, str] = LRUCache(REMEMBERED)
        """By chat: who wrote there last, whom Slack wants named where text grows in a channel."""
        self._lock = anyio.Lock()

    def heard(self, chat: str, who: str) -> None:
        """Somebody wrote in a chat."""
        self._last[chat] = who

    async def show(self, chat: str, draft: int, text: str) -> None:
        """See `ports.Channel.show`."""
        if "/" not in chat or self._lock.locked():
            return
        async with self._lock:
            state, now = self._states.setdefault(chat, DraftState()), time.monotonic()
            with anyio.move_on_after(MAX_REQUEST_S):
                try:
                    channel, thread = await self._places.resolve(chat)
                    if self._status and not state.message and now - state.status_at >= STATUS_S:
                        state.status_at = now
                        await self._set_status(channel, thread)
                    if self._streams and text.strip() and draft != state.ended and now - state.grown_at >= GROWS_S:
                        state.grown_at = now
                        await self._grow(chat, channel, thread, state, draft, text)
                except SlackFault as fault:
                    logger.debug("%s: could not show in %s: %s", self._web.settings.name, chat, fault)

    async def end(self, chat: str) -> str:
        """A message goes to this chat now: the message that grew, which becomes it; "" for none."""
        state = self._states.get(chat)
        if state is None:
            return ""
        async with self._lock:
            state.ended, message, state.message, state.text = state.draft, state.message, "", ""
            state.status_at = float("-inf")
            if message:
                channel, _ = await self._places.resolve(chat)
                try:
                    await self._web.call(self._web.client.chat_stopStream, channel=channel, ts=message)
                except SlackFault as fault:
                    logger.debug("%s: a growing text in %s was not ended: %s", self._web.settings.name, chat, fault)
            return message

    async def _set_status(self, channel: str, thread: str) -> None:
        client = self._web.client
        try:
            await self._web.call(
                client.assistant_threads_setStatus, channel_id=channel, thread_ts=thread, status=STATUS
            )
        except SlackFault as fault:
            self._status = self._status and fault.error not in NEVER
            raise

    async def _grow(self, chat: str, channel: str, thread: str, state: DraftState, draft: int, text: str) -> None:
        """Begin a growing message, or add what is new; a text that changed meanwhile waits for its end."""
        client, sent = self._web.client, state.text
        try:
            if not state.message:
                who = self._last.get(chat, "") or chat.partition("/")[0]
                person = PERSON.fullmatch(who)
                recipient = {"recipient_team_id": person[1], "recipient_user_id": person[2]} if person else {}
                began = text[:MAX_PIECE]
                answer = await self._web.call(
                    client.chat_startStream,
                    channel=channel,
                    thread_ts=thread,
                    markdown_text=escaped(began, MAX_PIECE),
                    **recipient,
                )
                state.message, state.draft, state.text = str(answer["ts"]), draft, began
            elif draft == state.draft and text.startswith(sent) and len(text) > len(sent):
                piece = text[len(sent) : len(sent) + MAX_PIECE]
                await self._web.call(
                    client.chat_appendStream, channel=channel, ts=state.message, markdown_text=escaped(piece, MAX_PIECE)
                )
                state.text = sent + piece
        except SlackFault as fault:
            self._streams = self._streams and fault.error not in NEVER
            raise
