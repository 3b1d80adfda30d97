"""Chats and their ids: a chat with one person goes by that person, `TEAM.USER`; Slack has a channel behind it."""

from __future__ import annotations

import re

from cachetools import LRUCache

from bridge_mcp.channels.slack.web import SlackWeb

__all__ = ["Places", "chat_of", "micros", "person", "stamp"]

PERSON = re.compile(r"([TE][A-Z0-9]{2,})\.([UW][A-Z0-9]{2,})")
REMEMBERED = 4096


class Places:
    """Which channel of Slack's is behind which chat; what is learned is remembered."""

    def __init__(self, web: SlackWeb) -> None:
        self._web = web
        self._direct: LRUCache[str, str] = LRUCache(REMEMBERED)
        """By person: the channel of the chat with them."""

    def learn(self, who: str, channel: str) -> None:
        """A message of this person came in by this channel."""
        self._direct[who] = channel

    async def resolve(self, chat: str) -> tuple[str, str]:
        """The channel and the thread ("" for none) of `chat` or `chat/thread`.

        Raises:
            SlackFault: Slack does not open a chat with this person.
        """
        where, _, thread = chat.partition("/")
        if not PERSON.fullmatch(where):
            return where, thread
        if where not in self._direct:
            opened = await self._web.call(self._web.client.conversations_open, users=[where.partition(".")[2]])
            self.learn(where, str(opened["channel"]["id"]))
        return self._direct[where], thread


def person(team: str, user: str) -> str:
    """A person: ids of users are unique in their team alone."""
    return f"{team}.{user}"


def chat_of(where: str, thread: str) -> str:
    """`chat` or `chat/thread`."""
    return f"{where}/{thread}" if thread else where


def micros(ts: str) -> int:
    """A message's `ts` as a number that grows: microseconds."""
    seconds, _, fraction = ts.partition(".")
    return int(seconds) * 1_000_000 + int(fraction.ljust(6, "0")[:6] or 0)


def stamp(number: int) -> str:
    """The `ts` of so many microseconds."""
    return f"{number // 1_000_000}.{number % 1_000_000:06d}"
