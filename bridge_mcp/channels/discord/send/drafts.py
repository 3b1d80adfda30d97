"""Shows that a reply is being made: "is typing", and a message that is edited as the reply grows.

That message goes when the reply itself is sent. All of it is best effort, takes only what messages leave of the limits,
and drops what fails; a draft that a crash leaves is deleted when its chat is read again (`receive/backlog.py`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from cachetools import LRUCache

from bridge_mcp.channels.discord.bot.requests import REQUEST_ERRORS, Requests
from bridge_mcp.channels.discord.bot.settings import Patience
from bridge_mcp.channels.discord.send.messages import (
    DRAFT_END,
    MessageRoutes,
    drop_quietly,
    edited_message,
    new_message,
)
from bridge_mcp.channels.discord.text.markdown import as_discord
from bridge_mcp.channels.discord.text.split import MAX_TEXT, split

__all__ = ["Drafts"]

REMEMBERED = 1024
TYPING_S = 8.0
"""Discord shows it for ten seconds."""


@dataclass(slots=True)
class DraftState:
    """What one channel shows of a growing reply."""

    typing_at: float = float("-inf")
    at: float = float("-inf")
    message: str = ""
    text: str = ""
    ended: int = 0
    """The draft whose reply has been sent: it is not shown again."""
    draft: int = 0


class Drafts:
    """Growing replies of one bot."""

    def __init__(self, requests: Requests, patience: Patience, *, stream: bool) -> None:
        self._requests, self._patience, self._stream = requests, patience, stream
        self._states: LRUCache[str, DraftState] = LRUCache(REMEMBERED)

    async def show(self, channel: str, draft: int, text: str) -> None:
        """Show a reply so far; "" for nothing yet."""
        state = self._states.setdefault(channel, DraftState())
        if draft == state.ended:
            return
        if draft != state.draft and state.message:
            await self.end(channel)
        state.draft = draft
        try:
            if text and self._stream:
                await self._grow(channel, state, text)
            else:
                await self._type(channel, state)
        except REQUEST_ERRORS:
            return  # a hint that could not be shown is none

    async def _type(self, channel: str, state: DraftState) -> None:
        now, route = time.monotonic(), MessageRoutes(channel).typing
        if now - state.typing_at >= TYPING_S and self._requests.spare(route):
            state.typing_at = now
            await self._requests.request(route)

    async def _grow(self, channel: str, state: DraftState, text: str) -> None:
        now, routes = time.monotonic(), MessageRoutes(channel)
        route = routes.edit(state.message) if state.message else routes.create
        if now - state.at < self._patience.draft or not self._requests.spare(route):
            return
        pieces = split(as_discord(text), MAX_TEXT - len(DRAFT_END))
        if not pieces or pieces[-1] == state.text:
            return
        state.at, state.text = now, pieces[-1]
        text = f"{pieces[-1]}{DRAFT_END}"
        if state.message:
            await self._requests.request(route, json=edited_message(text))
            return
        answer: Any = await self._requests.request(route, json=new_message(text, silent=True))
        state.message = str(answer["id"])
        if state.ended == state.draft:
            await self.end(channel)

    def stop(self, channel: str) -> bool:
        """A message goes out there: show no more of the draft. Returns whether there is a message to take away."""
        state = self._states.get(channel)
        if state is None:
            return False
        state.ended = state.draft
        return bool(state.message)

    async def end(self, channel: str) -> None:
        """Take the draft away."""
        state = self._states.get(channel)
        if state is not None and state.message:
            message, state.message, state.text = state.message, "", ""
            await drop_quietly(self._requests, channel, message)
