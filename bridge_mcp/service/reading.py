"""Reads channels, conversations, messages, events, tickets, approvals, tools, status."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from msgspec.structs import replace

from bridge_mcp.core.call_history import calls_of
from bridge_mcp.core.entries import Logged
from bridge_mcp.core.errors import BadInput, NotFound, Unreadable
from bridge_mcp.core.policy import Principal
from bridge_mcp.core.projections import Approval, Message
from bridge_mcp.core.results import (
    ApprovalPage,
    ConversationPage,
    ConversationStatus,
    MessagePage,
    Ticket,
)
from bridge_mcp.core.unreadable import ReadLog, UnreadableEntry
from bridge_mcp.operations import approvals, conversations, tickets
from bridge_mcp.operations.addresses import (
    CALLS,
    check_text,
    parse_message,
)
from bridge_mcp.operations.commit_wait import CommitWait
from bridge_mcp.operations.feed_positions import position_at
from bridge_mcp.operations.waiting_approvals import waiting
from bridge_mcp.ports import EventPage, ToolProgress
from bridge_mcp.service.base import LOOK_AGAIN_S, BridgeBase, check_range, check_wait, event_types

__all__ = ["Reading"]


END = 2**62
"""More entries than any log has."""

MAX_OPEN = 100
"""Calls without an outcome on one page whose outcome is searched after it."""


class Reading(BridgeBase):
    """Methods that need the scope `read` (and `read_log`, which needs `admin`)."""

    async def list_conversations(
        self, who: Principal, *, channel: str = "", query: str = "", limit: int = 50, cursor: str = ""
    ) -> ConversationPage:
        """Conversations, the most recent first. `query` is a part of an id or a title; `limit` is 1 to 200."""
        who.require("read")
        conversations, following = await self.store.history.conversations(
            within=self._within(who, channel), query=query, limit=check_range("limit", limit, 200), cursor=cursor
        )
        return ConversationPage(conversations, following)

    async def read_messages(
        self, who: Principal, conversation: str, *, before: str = "", limit: int = 50, calls: bool = False
    ) -> MessagePage:
        """The last `limit` (1 to 200) messages before the message `before`, oldest first.

        With `calls`, also the tool calls in the same part of the log; then the conversation may also be that of the
        client's own call (`calls/…`), which has no messages.
        """
        who.require("read")
        if calls and conversation.startswith(f"{CALLS}/"):
            self._address(who, conversation, calls=True)
        else:
            await self._known(who, conversation)
        bound = None
        if before:
            conversation_of, bound = parse_message(before)
            if conversation_of != conversation:
                raise BadInput(f"'{before}' is not a message of {conversation}.", fix="Pass an id from read_messages.")
        limit = check_range("limit", limit, 200)
        messages = await self.store.history.messages(conversation, before=bound, limit=limit)
        earlier = len(messages) == limit
        records = None
        if calls:
            log = await self._stretch(conversation, messages[0].seq if earlier else 0, bound)
            records = calls_of(conversation, log, bound)
        return MessagePage(conversation, messages, messages[0].id if earlier else "", calls=records)

    async def _stretch(self, conversation: str, first: int, bound: int | None) -> ReadLog:
        """The log from `first` to before `bound`, and later entries of calls that were requested in it."""
        most = END if bound is None else max(0, bound - first)
        log = list(await self.store.log.read(conversation, first - 1, first=most))
        if bound is None:
            return log
        open_still = [record.id for record in calls_of(conversation, log, bound) if not record.outcome]
        for call in open_still[:MAX_OPEN]:
            for kind in ("judged", "tool"):
                with suppress(Unreadable):  # the call itself stays, as one whose outcome is unknown
                    outcome = await self.store.log.find(conversation, f"{kind}:{call}")
                    log += [outcome] if outcome is not None else []
        return log

    async def search_messages(
        self, who: Principal, query: str, *, conversation: str = "", limit: int = 20
    ) -> tuple[Message, ...]:
        """Messages with every word of `query`, the newest first; `limit` is 1 to 100."""
        who.require("read")
        check_text(query, "query", 1_000)
        if conversation:
            await self._known(who, conversation)
        return await self.store.history.search(
            query, conversation=conversation, within=who.within, limit=check_range("limit", limit, 100)
        )

    async def wait_for_events(
        self,
        who: Principal,
        *,
        after: int | None = None,
        consumer: str = "",
        types: Sequence[str] = (),
        conversation: str = "",
        limit: int = 100,
        timeout_s: float = 0.0,
    ) -> EventPage:
        """Events after the cursor `after`, waiting up to `timeout_s` (at most 50) for the first one.

        Without `after`, a named `consumer` goes on where it last acknowledged, and others start at the newest event.
        With both, `after` acknowledges: the consumer's stored cursor moves there, and never back.
        """
        who.require("read")
        selected = event_types(types)
        if conversation:
            self._address(who, conversation)
        after = stands_at = await self._cursor(who, after, consumer)
        with CommitWait(self.store.agenda, check_wait(timeout_s)) as wait:
            while True:
                page = await self.store.feed.read(
                    after,
                    check_range("limit", limit, 500),
                    types=selected,
                    conversation=conversation,
                    within=who.within,
                )
                if page.events or page.gap or not await wait.more(LOOK_AGAIN_S):
                    return page_for(who, page, stands_at)
                after = page.cursor

    async def read_feed(
        self,
        who: Principal,
        after: int,
        *,
        types: Sequence[str] = (),
        channel: str = "",
        conversation: str = "",
        limit: int = 100,
    ) -> EventPage:
        """Events after a cursor, at once. The page's cursor is the feed's own, for whoever reads on for `who`."""
        who.require("read")
        return await self.store.feed.read(
            after,
            check_range("limit", limit, 500),
            types=event_types(types),
            conversation=conversation,
            within=self._about(who, channel, conversation),
        )

    async def feed_position(self, who: Principal, *, channel: str = "", conversation: str = "") -> int:
        """The cursor of the newest event that `who` may see."""
        who.require("read")
        self._about(who, channel, conversation)
        return await self.store.feed.head(who.within)

    async def feed_position_at(self, moment: float, after: int) -> int:
        """The cursor, not before `after`, of the last event before a moment: it is searched for by halves."""
        return await position_at(self.store.feed, moment, after)

    def _about(self, who: Principal, channel: str, conversation: str) -> frozenset[str]:
        """The places that events may be of. Raises NotFound for what `who` may not see."""
        if conversation:
            self._address(who, conversation)
        return self._within(who, channel)

    async def wait_for(
        self, who: Principal, ticket: str, *, timeout_s: float = 0.0, progress: ToolProgress | None = None
    ) -> Ticket:
        """The state of a ticket, waiting up to `timeout_s` (at most 50) for it to be done."""
        who.require("read")
        # An approval's id does not name its conversation.
        conversation = tickets.parse(ticket).conversation or (await approvals.find(self.store, ticket)).conversation
        self._address(who, conversation, calls=True)
        return await self._wait(ticket, timeout_s, progress=progress)

    async def list_approvals(
        self, who: Principal, *, conversation: str = "", status: str = "waiting", limit: int = 100
    ) -> tuple[Approval, ...]:
        """The newest approvals, the newest first. `status`: waiting, approved, rejected, expired, cancelled, or any."""
        page = await self.page_approvals(who, conversation=conversation, status=status, limit=limit)
        return page.approvals

    async def page_approvals(
        self,
        who: Principal,
        *,
        conversation: str = "",
        status: str = "waiting",
        limit: int = 100,
        cursor: str = "",
        mine: bool = False,
    ) -> ApprovalPage:
        """A page of approvals, the newest first. `status` as for `list_approvals`; `limit` is 1 to 500.

        `mine`: only waiting ones that `who` may decide: none that it asked for itself, and none with a quorum that it
        has approved already.
        """
        who.require("read")
        allowed = ("waiting", "approved", "rejected", "expired", "cancelled", "any")
        if status not in allowed:
            raise BadInput(f"There is no status '{status}'.", fix=f"Use one of: {', '.join(allowed)}.")
        if mine and status != "waiting":
            raise BadInput("Only what waits can be decided.", fix="Ask for those you may decide with status waiting.")
        if conversation:
            self._address(who, conversation, calls=True)
        if cursor and await self.store.approvals.get(cursor) is None:
            raise BadInput("This cursor is of no page of approvals.", fix="Pass a cursor as the last page gave it.")
        check_range("limit", limit, 500)
        if mine:
            return await self._decidable(who, conversation, limit, cursor)
        wanted_status = "" if status == "any" else status
        approvals = await self.store.approvals.find(
            status=wanted_status, conversation=conversation, within=who.within, limit=limit + 1, before=cursor
        )
        count = await self.store.approvals.count(status=wanted_status, conversation=conversation, within=who.within)
        return ApprovalPage(approvals[:limit], count, approvals[limit - 1].id if len(approvals) > limit else "")

    async def _decidable(self, who: Principal, conversation: str, limit: int, cursor: str) -> ApprovalPage:
        """A page of the approvals that `who` may decide. Few wait, so all are read."""
        waits = [approval async for approval in waiting(self.store, conversation=conversation, within=who.within)]
        decidable = [wait for wait in waits if self.verdicts.may(who, wait)]
        older = waiting(self.store, conversation=conversation, within=who.within, before=cursor)
        page = [approval async for approval in older if self.verdicts.may(who, approval)] if cursor else decidable
        return ApprovalPage(tuple(page[:limit]), len(decidable), page[limit - 1].id if len(page) > limit else "")

    async def get_conversation(self, who: Principal, conversation: str) -> ConversationStatus:
        """The state of one conversation: responder, what it waits for, and its cost."""
        who.require("read")
        await self._known(who, conversation)
        return await conversations.conversation_status(self.store, self.rules, self.clock, conversation)

    async def read_log(
        self, who: Principal, conversation: str, *, after: int = -1, limit: int = 10_000
    ) -> tuple[Logged | UnreadableEntry, ...]:
        """The first `limit` entries of a conversation's log with seq > after: who did what, and when.

        An unreadable one becomes an `UnreadableEntry`, which says why.
        """
        who.require("admin")
        self._address(who, conversation, calls=True)
        log = await self.store.log.read(conversation, after, first=check_range("limit", limit, 10_000))
        if not log and after < 0:
            raise NotFound(f"There is no conversation '{conversation}'.", fix="See list_conversations.")
        return log

    async def verify_log(self, who: Principal, conversation: str) -> tuple[str, ...]:
        """What is wrong with a conversation's log, and with what is computed from it, a line each; () for nothing."""
        who.require("admin")
        self._address(who, conversation, calls=True)
        return await self.store.verify(conversation)


def page_for(who: Principal, page: EventPage, after: int) -> EventPage:
    """A page within the limits of `who`, whose cursor discloses nothing about events elsewhere."""
    if not who.within:
        return page
    last = page.events[-1].cursor if page.events else after
    return replace(page, cursor=max(last, page.first_available - 1) if page.gap else last)
