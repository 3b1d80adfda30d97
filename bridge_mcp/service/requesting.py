"""Verdicts for clients that run their own calls: asking for one, taking it once, telling what came of the call.

It needs the scope `tools`, and `provider = true` under [approvals]. A call belongs to the client that asked; to anybody
else it is as good as not there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal
from uuid import uuid4

from msgspec import Struct

from bridge_mcp.core.entries import External, Requested
from bridge_mcp.core.errors import BadInput, Denied, NotFound
from bridge_mcp.core.policy import Principal, Scope
from bridge_mcp.core.requests import RequestState, request_server, request_tool
from bridge_mcp.core.results import Ticket
from bridge_mcp.core.tools import JSON
from bridge_mcp.operations import tickets
from bridge_mcp.operations.addresses import CALLS, check_text
from bridge_mcp.operations.approval_requests import ApprovalRequests
from bridge_mcp.operations.external_calls import request_of
from bridge_mcp.ports import EventPage
from bridge_mcp.service.base import check_wait
from bridge_mcp.service.clients import Clients

__all__ = ["Requesting", "Submission"]

MAX_NAME, MAX_REASON, MAX_OUTCOME, MAX_GIVEN = 200, 2_000, 20_000, 64_000
"""Characters of a name, of a reason, of what came of a call, and of what a protocol gives beside its call."""

LONGEST_S = 366 * 24 * 3600.0
"""How long a call may wait for its verdict at most."""

PAGE = 200
"""Verdicts that are looked through at once."""

REPORT_S = 24 * 3600.0
"""How long after a verdict was taken its call's outcome may be told; after that it is `unknown`."""


class Submission(Struct, frozen=True):
    """A call that a client wants to run itself."""

    tool: str
    arguments: Mapping[str, JSON]
    reason: str = ""
    """Why, in the client's own words: a claim, and shown as one."""
    server: str = ""
    """Whose tool it is, where the client tells several servers apart."""
    expires_s: float = 0.0
    """How long it waits for a verdict at most; 0: as long as the settings say, which may be less in any case."""
    fixed: bool = False
    """Whether the client cannot run it with other arguments."""
    given: str = ""
    """What its protocol gives beside all that, as JSON text."""


class Requesting(Clients):
    """What needs the scope `tools` where the bridge is an approval provider."""

    async def request_approval(
        self, who: Principal, call: Submission, *, wait_s: float = 0.0, idempotency_key: str = ""
    ) -> Ticket:
        """Ask whether `who` may run a call of its own, waiting up to `wait_s` for the verdict.

        The ticket is done once there is one: its outcome is `approved`, with what may run as structured result, or says
        why it may not. The same key and call give the same ticket.

        Raises:
            KeyUsed: the key was used for another call.
            BadInput: the call is not taken.
            TooMany: as many calls of this client wait as may.
        """
        check_wait(wait_s)
        check_text(idempotency_key, "idempotency_key", 200)
        key = f"request {idempotency_key or uuid4().hex}"
        request, _ = await self.file_request(who, call, key)
        if request.standing == "waiting":
            ticket = tickets.call(request.conversation)
            return await self._wait(ticket, wait_s, for_people=not who.attended)
        return await tickets.look(self.store, tickets.call(request.conversation), self.clock.now())

    async def consume_approval(
        self, who: Principal, ticket: str, *, digest: str, idempotency_key: str = ""
    ) -> RequestState:
        """Take the verdict that a ticket of `who`'s own has: from here on the call is `who`'s to run, once.

        `digest` is that of the approved call, as the ticket tells it. Whoever repeats this with the same key is told
        the same; anybody else is refused.

        Raises:
            AlreadyDecided: it was taken before, or it says no, or the time for it is over.
            BadInput: there is no verdict yet, or it is of another call.
            NotFound: `who` was given no such ticket.
        """
        check_text(digest, "digest", 200)
        return await self.consume_request(who, call_of(ticket), idempotency_key, digest)

    async def report_outcome(
        self, who: Principal, ticket: str, outcome: Literal["ok", "error"], text: str = ""
    ) -> Ticket:
        """Tell what came of a call whose verdict was taken. The same once more changes nothing.

        Raises:
            AlreadyDecided: its outcome is known, and another one.
            BadInput: the verdict was not taken.
            NotFound: `who` was given no such ticket.
        """
        await self.finish_request(who, call_of(ticket), outcome, text)
        return await tickets.look(self.store, ticket, self.clock.now())

    # -- by conversation, for protocols that have names of their own for tickets -------------------------------

    async def file_request(self, who: Principal, call: Submission, key: str) -> tuple[RequestState, bool]:
        """Ask for a verdict under a key; whether that is new. See `request_approval`."""
        requests = self._requests(who)
        check_name(call.tool, "tool")
        if call.server:
            check_name(call.server, "server")
        check_text(call.reason, "reason", MAX_REASON)
        check_text(call.given, "context", MAX_GIVEN)
        if not 0 <= call.expires_s <= LONGEST_S:
            raise BadInput(f"A call does not wait {call.expires_s:g} s.", fix=f"Use 0 to {LONGEST_S:g}.")
        conversation = f"{CALLS}/{tickets.call_conversation(who.name, key)}"
        external = External(
            request_server(who.name),
            request_tool(call.tool, call.server),
            about=f"{who.name} says: {call.reason}" if call.reason else "",
            report_s=REPORT_S,
            fixed=call.fixed,
            given=call.given,
        )
        request = request_of(conversation, external, call.arguments, who.name)
        return await requests.file(request, call.expires_s)

    def request_named(self, who: Principal, handle: str) -> str:
        """The conversation of the call of `who`'s own whose ticket ends in this."""
        return f"{CALLS}/{tickets.slug(who.name)}.{handle}"

    async def settled_request(self, who: Principal, conversation: str, wait_s: float) -> RequestState:
        """How a call of `who`'s own stands, once it waits for nobody any more, or `wait_s` are over."""
        await self._own(who, conversation)
        return await self._requests(who).wait_until_settled(conversation, check_wait(wait_s))

    async def consume_request(
        self, who: Principal, conversation: str, key: str, digest: str | None = None
    ) -> RequestState:
        """See `consume_approval`; without a digest, whatever call was approved."""
        check_text(key, "idempotency_key", 200)
        await self._own(who, conversation)
        return await self._requests(who).consume(conversation, key, digest)

    async def finish_request(
        self, who: Principal, conversation: str, outcome: Literal["ok", "error"], text: str
    ) -> RequestState:
        """See `report_outcome`."""
        check_text(text, "text", MAX_OUTCOME)
        await self._own(who, conversation)
        return await self._requests(who).tell(conversation, outcome, text)

    async def withdraw_request(self, who: Principal, conversation: str) -> RequestState:
        """Take back a call that waits for its verdict.

        Raises:
            AlreadyDecided: it has one.
            NotFound: `who` has not asked for such a call.
        """
        await self._own(who, conversation)
        return await self._requests(who).withdraw(conversation, who.name)

    async def next_decided_request(self, client: str, scopes: frozenset[Scope], after: int) -> EventPage | None:
        """The next verdict in the feed on a call that a client asked about by a protocol of its own.

        At most one event, with the cursor up to which there is no other; None where nobody comes by this name any more.
        """
        if await self.client_now(client, scopes) is None:
            return None
        page = await self.store.feed.read(after, PAGE, types=("approval.decided",), within=frozenset({CALLS}))
        for event in page.events:
            if tickets.is_call_of(event.conversation, client):
                first = await self.store.log.entry(event.conversation, 0)
                asked = first.entry if first else None
                if isinstance(asked, Requested) and asked.external is not None and asked.external.given:
                    return EventPage((event,), event.cursor)
        return EventPage((), page.cursor)

    def _requests(self, who: Principal) -> ApprovalRequests:
        who.require("tools")
        if not self.rules.provider:
            raise Denied(
                "This bridge gives no verdicts on calls that others run.",
                fix="The owner can: provider = true under [approvals] in bridge.toml.",
            )
        return ApprovalRequests(self.store, self.rules, self.clock)

    async def _own(self, who: Principal, conversation: str) -> None:
        """Let pass who asked for the call.

        Raises:
            NotFound: somebody else did, or nobody.
        """
        requests = self._requests(who)
        if not tickets.is_call_of(conversation, who.name) or (await requests.state(conversation)).by != who.name:
            raise NotFound(f"{who.name} has asked for no such verdict.", fix="Use a ticket of your own.")


def call_of(ticket: str) -> str:
    """The conversation of a call's ticket.

    Raises:
        BadInput: it is another one's, or none.
    """
    parsed = tickets.parse(ticket)
    if parsed.kind != "call":
        raise BadInput(f"'{ticket[:80]}' is not a ticket of request_approval.", fix="Pass the one that it gave.")
    return parsed.conversation


def check_name(name: str, noun: str) -> None:
    """Let pass a name that shows as what it is.

    Raises:
        BadInput: it is empty, too long, or has characters that hide or mark up.
    """
    check_text(name, noun, MAX_NAME)
    if not name.strip() or not name.isprintable() or "`" in name:
        raise BadInput(
            f"{noun} is not a name that can be shown.",
            fix="Use letters, digits and signs that can be seen, and no backticks.",
        )
