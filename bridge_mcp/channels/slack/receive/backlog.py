"""Messages of a gap, read from the history: https://docs.slack.dev/reference/methods/conversations.history.

Slack repeats an event for about an hour, and sends none of a time in which nobody listened for long. What is read twice
is recorded once, by its `ts`.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any

import anyio

from bridge_mcp.channels.slack.places import Places, stamp
from bridge_mcp.channels.slack.receive.receiver import Receiver
from bridge_mcp.channels.slack.send.errors import TOKENS
from bridge_mcp.channels.slack.values import inner, listed
from bridge_mcp.channels.slack.web import SlackFault, SlackWeb
from bridge_mcp.ports import Inbox

__all__ = ["Backlog"]

logger = logging.getLogger(__name__)

OVERLAP = 300 * 1_000_000
"""Microseconds before the offset: events do not come in the order of their times."""
PAGE = 200
MAX_CHATS = 1000
MAX_MESSAGES = 2000
"""Of one chat."""
MAX_PAGES = 100
"""Of one listing."""
LONGEST_WAIT_S = 60.0


class Backlog:
    """Reads what came while nobody listened."""

    def __init__(self, web: SlackWeb, places: Places, receiver: Receiver, inbox: Inbox, team: str) -> None:
        self._web, self._places, self._receiver, self._inbox, self._team = web, places, receiver, inbox, team
        self._name = web.settings.name

    async def read(self, offset: int) -> None:
        """Put every message since the offset into the inbox.

        Raises:
            SlackFault: Slack cannot be asked now.
            BridgeError: a message could not be stored.
        """
        since, count = stamp(max(0, offset - OVERLAP)), 0
        async for channel in self._channels():
            count += await self._history(channel, since)
        for chat in await self._inbox.chats(self._name, MAX_CHATS):
            if "/" in chat:
                count += await self._thread_of(chat, since)
        logger.info("channel %s: looked for messages of the time away, and read %d", self._name, count)

    async def _channels(self) -> AsyncIterator[str]:
        """The chats that the app is in, those with one person first."""
        for types in ("im", "mpim,private_channel,public_channel"):
            query: dict[str, Any] = {"types": types, "exclude_archived": True, "limit": PAGE}
            async for page in self._pages(self._web.client.users_conversations, "channels", query):
                for each in page:
                    yield str(each["id"])

    async def _history(self, channel: str, since: str) -> int:
        """The messages of one chat, and of its threads that went on."""
        messages: list[Mapping[str, Any]] = []
        query: dict[str, Any] = {"channel": channel, "oldest": since, "limit": PAGE}
        async for page in self._pages(self._web.client.conversations_history, "messages", query):
            messages += page
            if len(messages) >= MAX_MESSAGES:
                logger.warning("channel %s: %s has more messages than are read after a gap", self._name, channel)
                break
        for message in sorted(messages, key=lambda each: str(each.get("ts", ""))):
            await self._put(channel, message)
            if message.get("reply_count"):
                await self._thread(channel, str(message["ts"]), since)
        return len(messages)

    async def _thread_of(self, chat: str, since: str) -> int:
        """The messages of a thread that is a conversation; none where its chat is no more, as with who has left."""
        try:
            channel, thread = await self._places.resolve(chat)
        except SlackFault as fault:
            if not for_good(fault):
                raise
            logger.warning("channel %s: messages of the time away cannot be read: %s", self._name, fault)
            return 0
        return await self._thread(channel, thread, since)

    async def _thread(self, channel: str, thread: str, since: str) -> int:
        query: dict[str, Any] = {"channel": channel, "ts": thread, "oldest": since, "limit": PAGE}
        count = 0
        async for page in self._pages(self._web.client.conversations_replies, "messages", query):
            for message in page:
                if str(message.get("ts")) > since:
                    await self._put(channel, message)
                    count += 1
        return count

    async def _put(self, channel: str, message: Mapping[str, Any]) -> None:
        await self._receiver.message({"type": "message"} | dict(message) | {"channel": channel}, self._team)

    async def _pages(self, method: Any, field: str, query: dict[str, Any]) -> AsyncIterator[list[Mapping[str, Any]]]:
        cursors, cursor = set[str](), ""
        while cursor not in cursors and len(cursors) < MAX_PAGES:
            cursors.add(cursor)
            answer = await self._call(method, query | ({"cursor": cursor} if cursor else {}))
            yield listed(answer, field)
            cursor = str(inner(answer, "response_metadata").get("next_cursor") or "")
            if not cursor:
                return
        logger.warning("channel %s: Slack's list of %s goes on, and is read no further", self._name, field)

    async def _call(self, method: Any, query: dict[str, Any]) -> dict[str, Any]:
        while True:
            try:
                return await self._web.call(method, **query)
            except SlackFault as fault:
                if for_good(fault):
                    logger.warning("channel %s: messages of the time away cannot be read: %s", self._name, fault)
                    return {}
                if fault.retry_after_s is None:
                    raise
                await anyio.sleep(min(fault.retry_after_s, LONGEST_WAIT_S))


def for_good(fault: SlackFault) -> bool:
    """Whether Slack refused this one request, and will again; a wrong token is another matter."""
    return bool(fault.error) and not fault.begun and fault.retry_after_s is None and fault.error not in TOKENS
