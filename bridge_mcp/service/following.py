"""Tickets of one's own: how they stand, and taking them back. It takes no scope beyond the one that gave the ticket."""

from __future__ import annotations

from bridge_mcp.core.answers import Ticket
from bridge_mcp.core.entries import Judged, Requested
from bridge_mcp.core.errors import BadInput, NotFound
from bridge_mcp.core.policy import Principal
from bridge_mcp.core.state import open_calls
from bridge_mcp.engine import tickets
from bridge_mcp.service.desk import sender_of
from bridge_mcp.service.sending import Sending

__all__ = ["Following"]


class Following(Sending):
    """What belongs to whoever asked for it, and to nobody else."""

    async def follow(self, who: Principal, ticket: str) -> Ticket:
        """How a ticket of `who`'s own stands.

        Raises:
            BadInput: it is the id of an approval, or no ticket.
            NotFound: `who` was given no such ticket, or may no longer touch where it belongs.
        """
        parsed = tickets.parse(ticket)
        if parsed.kind == "approval":
            raise BadInput(f"'{ticket}' is an approval, not a ticket.", fix="See list_approvals.")
        if parsed.kind == "call":
            log = await self.store.log.load(parsed.conversation)
            own = bool(log) and isinstance(log[0].entry, Requested) and log[0].entry.by == who.name
        else:
            self._address(who, parsed.conversation)
            asked = await self.store.history.message(parsed.conversation, parsed.seq)
            own = asked is not None and asked.author == sender_of(who)
        if not own:
            raise NotFound(f"{who.name} was given no ticket '{ticket}'.", fix="Use a ticket of your own.")
        return await tickets.look(self.store, ticket, self._clock.now())

    async def cancel(self, who: Principal, ticket: str) -> bool:
        """Take back what a ticket of `who`'s own was given for; whether that changed anything.

        A turn is stopped; a call that waits for its verdict will not run. A call that runs already runs on, and a
        question stays asked: people may be writing their answer.
        """
        found = await self.follow(who, ticket)
        if found.state == "done":
            return False
        if found.kind == "turn":
            return await self.cancel_turn(who, ticket)
        if found.kind != "call":
            return False
        waiting = [call.id for call, asked in open_calls(await self.store.log.load(found.conversation)) if asked]
        recorded = await self.store.log.record(
            found.conversation, *(Judged(call, "cancelled", who.name, via=who.via) for call in waiting)
        )
        return any(place.new for place in recorded)
