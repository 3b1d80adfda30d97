"""Ports of the store, second part: reading for people, and messages on their way out."""

from __future__ import annotations

from typing import Protocol

from bridge_mcp.core.entries import Scheduled
from bridge_mcp.core.projections import Approval, Conversation, Message

__all__ = ["Approvals", "History", "Outbox", "Traces"]


class History(Protocol):
    """Reading for people and lists. The cost does not grow with what is stored, only with what is asked for.

    `within` limits to places: channels, and single chats with their topics (those have a slash); empty is everywhere.
    """

    async def conversation(self, conversation: str) -> Conversation | None:
        """None for an unknown one."""
        ...

    async def questions(self, conversation: str, now: float) -> tuple[Message, ...]:
        """The last 20 questions that nobody has answered and that have not expired at `now`, the newest first."""
        ...

    async def conversations(
        self, *, within: frozenset[str] = frozenset(), query: str = "", limit: int = 50, cursor: str = ""
    ) -> tuple[tuple[Conversation, ...], str]:
        """The most recent first, and the cursor for the next page ("" at the end). `query` is a part of id or title."""
        ...

    async def messages(self, conversation: str, *, before: int | None = None, limit: int = 50) -> tuple[Message, ...]:
        """The last `limit` messages with seq < before, oldest first."""
        ...

    async def message(self, conversation: str, seq: int) -> Message | None:
        """None for none."""
        ...

    async def scheduled(self, first: str, end: str, limit: int) -> tuple[tuple[str, Scheduled], ...]:
        """What waits for its time in the logs whose names lie between these, at most `limit`."""
        ...

    async def search(
        self, query: str, *, conversation: str = "", within: frozenset[str] = frozenset(), limit: int = 20
    ) -> tuple[Message, ...]:
        """Messages that hold every word of the query, the newest first. No query syntax: words are words."""
        ...


class Approvals(Protocol):
    """Calls that wait, or waited, for a verdict: a view of the logs."""

    async def get(self, approval: str) -> Approval | None:
        """The approval with this id; None for none."""
        ...

    async def find(
        self,
        *,
        status: str = "",
        conversation: str = "",
        within: frozenset[str] = frozenset(),
        limit: int = 100,
        before: str = "",
    ) -> tuple[Approval, ...]:
        """The newest first; an empty filter matches all. `within` as in `History`.

        `before` is the id of an approval: only older ones than that.
        """
        ...

    async def count(self, *, status: str = "", conversation: str = "", within: frozenset[str] = frozenset()) -> int:
        """How many there are by this filter."""
        ...


class Outbox(Protocol):
    """Messages on their way out: those whose status is `queued` or `sending`, in order within a conversation."""

    async def due(
        self, now: float, limit: int, skip: frozenset[str] = frozenset(), channel: str = ""
    ) -> tuple[Message, ...]:
        """The first queued message of each conversation (but those in `skip`) whose time has come.

        With `channel`, only those of that one.
        """
        ...

    async def begin(self, conversation: str, seq: int) -> Message | None:
        """Mark it `sending`, before the effect; None if it is no longer queued."""
        ...

    async def postpone(self, conversation: str, seq: int, until: float, reason: str) -> None:
        """Back to `queued`, since it surely did not go out (or not all of it), and not before `until`."""
        ...

    async def progress(self, conversation: str, seq: int, parts: int, platform_ids: tuple[str, ...]) -> None:
        """Note how many parts of a message went out so far, and what the platform calls them."""
        ...

    async def pending(self, within: frozenset[str] = frozenset()) -> int:
        """How many messages (of these channels and chats) are queued or being sent."""
        ...

    async def stranded(self) -> tuple[Message, ...]:
        """Messages left `sending` by a process that died: their fate is unknown. For a new engine, at its start."""
        ...


class Traces(Protocol):
    """Finds messages by what stands on the platform."""

    async def message(self, conversation: str, platform_id: str) -> int | None:
        """The seq of the message that the platform calls so: one of ours, or one that came in."""
        ...

    async def platform_id(self, conversation: str, seq: int) -> str:
        """What the platform calls the message that came in at `seq`; "" where none did."""
        ...

    async def posted(self, conversation: str, key: str) -> int | None:
        """The seq of the `Posted` with this key."""
        ...

    async def answer(self, conversation: str, question: int) -> int | None:
        """The seq of the message that answered the question at this seq; None while nobody has."""
        ...

    async def button(self, token: str) -> tuple[str, int] | None:
        """Conversation and seq of the entry that shows the button with this token."""
        ...
