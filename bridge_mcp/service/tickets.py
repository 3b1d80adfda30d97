"""A client's own tickets: their state, cancelling them, and verdicts of the person at its host.

These methods need no scope beyond the one that gave the ticket.
"""

from __future__ import annotations

from typing import Literal

from msgspec.structs import replace

from bridge_mcp.core.entries import Entry, Finished, Judged, Log, Requested
from bridge_mcp.core.errors import BadInput, Denied, NotFound
from bridge_mcp.core.evidence import with_evidence
from bridge_mcp.core.policy import Principal
from bridge_mcp.core.projections import Approval
from bridge_mcp.core.results import Decision, Ticket
from bridge_mcp.core.state import open_fates
from bridge_mcp.operations import conversations, tickets
from bridge_mcp.operations.addresses import check_text
from bridge_mcp.operations.appending import append_following
from bridge_mcp.operations.approvals import ApprovalOptions, check_undecided
from bridge_mcp.service.base import sender_of
from bridge_mcp.service.deciding import decided
from bridge_mcp.service.topics import Topics

__all__ = ["Following"]


class Following(Topics):
    """Methods for the holder of a ticket alone."""

    async def follow(self, who: Principal, ticket: str, *, wait_s: float = 0.0, for_people: bool = False) -> Ticket:
        """The state of `who`'s own ticket, once done, or after `wait_s`; not `for_people`: once it waits for a verdict.

        Raises:
            BadInput: it is the id of an approval, or no ticket.
            NotFound: `who` was given no such ticket, or its limits exclude the ticket's conversation now.
        """
        parsed = tickets.parse(ticket)
        if parsed.kind == "approval":
            raise BadInput(f"'{ticket}' is an approval, not a ticket.", fix="See list_approvals.")
        if parsed.kind == "call":
            log = await self.store.log.load(parsed.conversation)
            is_own = bool(log) and isinstance(log[0].entry, Requested) and log[0].entry.by == who.name
        else:
            self._address(who, parsed.conversation)
            asked = await self.store.history.message(parsed.conversation, parsed.seq)
            is_own = asked is not None and asked.author == sender_of(who)
        if not is_own:
            raise NotFound(f"{who.name} was given no ticket '{ticket}'.", fix="Use a ticket of your own.")
        return await self._wait(ticket, wait_s, for_people=for_people)

    async def cancel(self, who: Principal, ticket: str) -> bool:
        """Cancel `who`'s own ticket; returns whether that changed anything.

        A turn is stopped; a call that waits for its verdict will not run, and a running one is cancelled, though it may
        have taken effect. A question stays open: people may be writing their answer.
        """
        state = await self.follow(who, ticket)
        if state.state == "done":
            return False
        if state.kind == "turn":
            return await self.cancel_turn(who, ticket)
        if state.kind != "call":
            return False
        if await self._take_back(who, state.conversation):
            return True
        return await conversations.stop(self.store, self.clock, state.conversation, who.name, tickets.CANCELLED)

    async def _take_back(self, who: Principal, conversation: str) -> bool:
        """Cancel the call of a conversation if it has not begun; returns whether it had not."""

        def taken_back(log: Log) -> tuple[Entry, ...]:
            entries: list[Judged | Finished] = []
            for call, fate in open_fates(log):
                if fate.asked is not None and fate.judged is None:
                    entries.append(Judged(call.id, "cancelled", who.name, via=who.via))
                elif fate.asked is not None and not fate.begun:  # approved, and its tool is not there
                    entries.append(Finished(call.id, "stopped", "Not run: its caller took it back."))
            return with_evidence(log, entries)

        return await append_following(self.store.log, conversation, taken_back, whole=True)

    async def decide_in_person(
        self, who: Principal, ticket: str, approval_id: str, *, digest: str, approve: bool, note: str = ""
    ) -> Decision:
        """Record the verdict of the person at `who`'s host, as the host reports it, on a call of this ticket.

        Raises:
            AlreadyDecided: there is a verdict; the message says whose, and which.
            BadInput: the digest is not that of the call.
            Denied: `person_decides` is not set for this client, or nobody may decide on their own calls.
            NotFound: the ticket is not `who`'s.
        """
        person = self._person_at(who, "mcp form")
        check_text(note, "note", 2_000)
        status, approval = await self.follow(who, ticket), await self._approval(who, approval_id)
        check_undecided(approval)
        if approval_id not in status.approvals:
            raise NotFound(f"{ticket} does not wait for {approval_id}.", fix="Ask again how the ticket stands.")
        return await self._decided(person, approval, digest=digest, approve=approve, note=note)

    def on_card(self, who: Principal) -> Principal:
        """As whom a card acts that `who`'s host shows: the person there, who reads and decides what `who` may.

        Where nobody decides (no `person_decides`, no scope `approve`, or `separate`), it only reads, as `who`.
        """
        try:
            who.require("approve")
            return replace(self._person_at(who, "mcp app"), scopes=who.scopes & {"read", "approve"})
        except Denied:
            return replace(who, scopes=who.scopes & {"read"})

    def _person_at(self, who: Principal, via: Literal["mcp form", "mcp app"]) -> Principal:
        """The person at `who`'s host.

        Raises:
            Denied: nobody is known to be there, or nobody may decide on their own calls.
        """
        if not who.attended or self.rules.separate:
            raise Denied(
                f"Nobody decides at {who.name}.",
                fix=f"person_decides = true under [clients.{who.name}] lets whoever sits there decide.",
            )
        name = f"person at {who.name}"
        return replace(who, name=name, kind="person", scopes=frozenset({"approve"}), via=via)

    async def _decided(
        self, person: Principal, approval: Approval, *, digest: str, approve: bool, note: str
    ) -> Decision:
        """The person's verdict on exactly what they saw."""
        if approve:
            (decision,) = await self.verdicts.approve(person, [approval], ApprovalOptions(digest, note=note))
        elif digest != approval.digest:
            raise BadInput("This is not the call that was shown.", fix="Look at it again (list_approvals).")
        else:
            (decision,) = await self.verdicts.reject(person, [approval], note)
        return decided(decision)
