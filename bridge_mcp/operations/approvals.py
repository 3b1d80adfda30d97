"""Verdicts on waiting calls. A verdict is an entry in the log of the waiting turn, which needs no other notification.

Buttons and commands of chats, MCP and the command line all use this module. It makes the checks that they share: the
scope, that nobody decides on a call of their own, that the first verdict holds.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Literal

from msgspec import Struct, field
from msgspec.structs import replace

from bridge_mcp.core.address import Address
from bridge_mcp.core.defaults import with_defaults
from bridge_mcp.core.entries import CALLS, Asked, Call, Judged, Log, Requested, Voted
from bridge_mcp.core.errors import AlreadyDecided, BadInput, Conflict, Denied, NotFound
from bridge_mcp.core.external_calls import external_tool, is_external, is_local_door
from bridge_mcp.core.grants import makes_grants, matches
from bridge_mcp.core.people import People
from bridge_mcp.core.policy import Principal, by_command_line, principals_behind
from bridge_mcp.core.projections import Approval
from bridge_mcp.core.results import Decision
from bridge_mcp.core.safe_text import visible
from bridge_mcp.core.state import open_calls
from bridge_mcp.core.tools import BRIDGE, JSON, ToolSpec, arguments_text, call_digest, parse_arguments
from bridge_mcp.operations import status_board
from bridge_mcp.operations.tickets import APPROVAL
from bridge_mcp.ports import Clock, Rules, Store

__all__ = ["ApprovalDesk", "ApprovalOptions", "Check", "check_undecided", "find", "may_decide", "no_check", "spec_of"]

MISSING = "{tool} is not there now: the call runs once the tool server '{server}' has it again (see get_status)."

Check = Callable[[ToolSpec, Mapping[str, JSON]], Awaitable[str]]


async def no_check(spec: ToolSpec, arguments: Mapping[str, JSON]) -> str:
    """The schema check of an `ApprovalDesk` where nobody edits arguments: it never runs."""
    return ""


class ApprovalOptions(Struct, frozen=True):
    """The options of an approval. The default is the narrowest: `once` is this one call."""

    digest: str = ""
    arguments: Mapping[str, JSON] | None = None
    remember: Literal["once", "conversation", "always"] = "once"
    remember_arguments: Mapping[str, str] = field(default_factory=dict[str, str])
    """Patterns (`core/grants.py`) over the arguments of later calls."""
    remember_s: float = 0.0
    note: str = ""
    digests: Mapping[str, str] = field(default_factory=dict[str, str])
    """As `digest`, for several calls, by approval: each is approved only if it still is the call that was looked at."""


class ApprovalDesk(Struct, frozen=True):
    """Records verdicts.

    `separate`: those who started a turn may not decide on its calls, under any of their names. `people`: which names
    are one person; a quorum counts people, and only those that are named there.
    `doors_decide`: one door of this machine's user may decide what another one asked for. `cli`: verdicts are taken on
    the command line.
    """

    store: Store
    clock: Clock
    check: Check
    separate: bool
    people: People = People()
    doors_decide: bool = False
    cli: bool = True

    @classmethod
    def of(cls, store: Store, clock: Clock, check: Check, rules: Rules) -> ApprovalDesk:
        """The desk as the owner wants it."""
        desk = cls(store, clock, check, separate=rules.separate, people=rules.people)
        return replace(desk, doors_decide=rules.doors_decide, cli=rules.cli)

    async def approve(
        self, who: Principal, approvals: Sequence[Approval], yes: ApprovalOptions
    ) -> tuple[Decision, ...]:
        """Approve waiting calls: one, perhaps with edited arguments, or several as they are.

        All are checked before any is decided. Of several, one that somebody else decides at the same moment gets an
        `error` in its `Decision`.

        Raises:
            AlreadyDecided: one has a verdict, or has expired; the message says who decided.
            BadInput: the digest does not match, the edited arguments violate the schema, or the grant would not cover
                the call itself.
            Denied: `who` may not decide.
        """
        verdicts: list[tuple[Approval, Judged]] = []
        for approval in approvals:
            self._check_may_decide(approval, who)
            self._counts(approval, who)
            check_undecided(approval)
            if self._late(approval):
                await self._judge(
                    [(approval, Judged(approval.call, "expired", "bridge", digest=approval.digest, via="rule"))]
                )
                check_undecided(await find(self.store, approval.id))
            verdicts.append((approval, await self._approval_entry(approval, who, yes)))
        several = [pair for pair in verdicts if pair[0].quorum > 1]
        decided = await self._judge([pair for pair in verdicts if pair[0].quorum == 1])
        for approval, verdict in several:
            decided[approval.id] = await self._vote(approval, verdict)
        return await self._with_prospects([decided[approval.id] for approval in approvals])

    async def reject(self, who: Principal, approvals: Sequence[Approval], reason: str = "") -> tuple[Decision, ...]:
        """Reject waiting calls; one approver is enough for that, whatever the quorum."""
        for approval in approvals:
            self._check_may_decide(approval, who)
            check_undecided(approval)
        rejections = [
            (a, Judged(a.call, "rejected", who.name, digest=a.digest, note=reason, via=who.via, trace=who.trace))
            for a in approvals
        ]
        decided = await self._judge(rejections)
        return tuple(decided[approval.id] for approval in approvals)

    async def _with_prospects(self, decisions: Sequence[Decision]) -> tuple[Decision, ...]:
        """Mark the approved calls that have to wait for their tools."""
        listed = await status_board.tools(self.store)
        ready = {server.name for server in listed.servers if server.state == "ready"} | {BRIDGE}
        ready_tools = {spec.name for spec in listed.tools if spec.server in ready}
        return tuple(
            replace(decision, waits=MISSING.format(tool=decision.approval.tool, server=decision.approval.server))
            if decision.approval.status == "approved"
            and not decision.error
            and decision.approval.tool not in ready_tools
            and not is_external(decision.approval.server)
            else decision
            for decision in decisions
        )

    def may(self, who: Principal, approval: Approval) -> bool:
        """Whether `who` may decide on a waiting call, and has not voted already."""
        try:
            self._check_may_decide(approval, who)
            self._counts(approval, who)
        except Denied:
            return False
        return not any(self.people.is_same_person(who.name, vote) for vote in approval.votes)

    def _check_may_decide(self, approval: Approval, who: Principal) -> None:
        """Raise as `may_decide` unless `who` may decide on a call."""
        if by_command_line(who.via, who.name) and not self.cli:
            raise Denied(
                "The owner takes no verdicts on the command line, nor in a console that it opened.",
                fix="Decide in a chat, or set cli = true under [approvals] in bridge.toml.",
            )
        may_decide(approval, who, separate=self.separate, people=self.people)
        if not self.doors_decide and is_local_door(who.name) and is_local_door(approval.requested_by):
            raise Denied(
                f"{approval.requested_by} asked for this call: {who.name} is the same person's, and may not decide it.",
                fix="An approver in a chat, a client with a token of its own, or the owner has to.",
            )

    def _counts(self, approval: Approval, who: Principal) -> None:
        """Raise unless the vote of `who` counts.

        Raises:
            Denied: the call has a quorum, and `people` does not name `who`.
        """
        if approval.quorum > 1 and not self.people.person(who.name):
            raise Denied(
                f"{approval.id} takes {approval.quorum} different people, and nobody says who {who.name} is.",
                fix=f'The owner can: principals = [..., "{who.name}"] under [people.NAME] in bridge.toml.',
            )

    def _late(self, approval: Approval) -> bool:
        return bool(approval.expires_at) and self.clock.now() >= approval.expires_at

    async def _approval_entry(self, approval: Approval, who: Principal, yes: ApprovalOptions) -> Judged:
        """The entry of an approval, with everything that it is bound to."""
        seen_digest = yes.digests.get(approval.id, yes.digest)
        if seen_digest and seen_digest != approval.digest:
            raise BadInput(
                f"The digest does not match: {approval.id} asks for another call than the one you looked at.",
                fix="Look at it again with list_approvals, and pass the digest shown there.",
            )
        if approval.quorum > 1 and (yes.arguments is not None or yes.remember != "once"):
            raise BadInput(
                f"{approval.id} takes {approval.quorum} approvers, so it is decided as it is, and once.",
                fix="Approve it without `arguments` and `remember`, or reject it with what should be changed.",
            )
        check_caller_options(approval, yes)
        edited, digest, arguments = None, approval.digest, approval.arguments
        if yes.arguments is not None:
            spec = await spec_of(self.store, approval)
            filled = with_defaults(yes.arguments, spec.schema)
            edited = arguments_text(filled)
            wrong = await self.check(spec, filled)
            if wrong:
                raise BadInput(
                    f"The edited arguments do not fit {approval.tool}: {wrong}", fix="Nothing was decided yet."
                )
            digest, arguments = call_digest(spec, filled), edited
        check_grant_options(yes, arguments)
        return Judged(
            approval.call,
            "approved",
            who.name,
            digest=digest,
            arguments=edited,
            note=yes.note,
            remember=yes.remember,
            remember_arguments=tuple(sorted(yes.remember_arguments.items())),
            remember_s=yes.remember_s,
            limit=limit_of(who, approval) if yes.remember == "always" else "",
            via=who.via,
            trace=who.trace,
        )

    async def _judge(self, verdicts: Sequence[tuple[Approval, Judged]]) -> dict[str, Decision]:
        """Record verdicts, those of one conversation in one transaction. The first one holds."""
        decided: dict[str, Decision] = {}
        for conversation in dict.fromkeys(approval.conversation for approval, _ in verdicts):
            of_conversation = [pair for pair in verdicts if pair[0].conversation == conversation]
            recorded = await self.store.log.record(conversation, *(verdict for _, verdict in of_conversation))
            for (approval, verdict), (place) in zip(of_conversation, recorded, strict=True):
                now = await find(self.store, approval.id)
                granted = await self._grant_made(now, verdict) if place.new else None
                decided[approval.id] = Decision(now, granted, "" if place.new else verdict_text(now))
        return decided

    async def _grant_made(self, decided: Approval, verdict: Judged) -> int | None:
        """The grant that a verdict made."""
        if verdict.remember == "once":
            return None
        covering = [
            grant.id
            for grant in await self.store.grants.concerning((decided.tool,), decided.conversation, decided.decided_at)
            if (grant.by, grant.created_at) == (verdict.by, decided.decided_at)
        ]
        return max(covering, default=None)

    async def _vote(self, approval: Approval, verdict: Judged) -> Decision:
        """Record one vote of a quorum; the last one records the verdict too, in the same transaction."""
        person = self.people.person(verdict.by)
        vote = Voted(approval.call, verdict.by, verdict.digest, note=verdict.note, via=verdict.via, person=person)
        while True:
            log = await self.store.log.tail(approval.conversation)
            if not awaits_verdict(log, approval.call):
                now = await find(self.store, approval.id)
                return Decision(now, error=verdict_text(now))
            votes = voters(log, vote)
            if person in votes:
                return Decision(await find(self.store, approval.id))
            entries: list[Voted | Judged] = [vote]
            if len(votes) + 1 >= approval.quorum:
                everybody = ", ".join([*votes.values(), vote.by])
                entries.append(Judged(vote.call, "approved", everybody, digest=vote.digest, via=vote.via))
            try:
                await self.store.log.intend(approval.conversation, log[-1].seq + 1, *entries)
            except Conflict:
                continue
            return Decision(await find(self.store, approval.id))


def awaits_verdict(log: Log, call: str) -> bool:
    """Whether a call still waits for its verdict."""
    pending: tuple[tuple[Call, Asked | None], ...] = open_calls(log)
    return any(open_call.id == call and asked is not None for open_call, asked in pending)


def voters(log: Log, vote: Voted) -> dict[str, str]:
    """The people who voted for the same as this vote, in order, each with the first name they used."""
    votes = [e.entry for e in log if isinstance(e.entry, Voted) and e.entry.call == vote.call]
    voted: dict[str, str] = {}
    for earlier in votes:
        if earlier.digest == vote.digest and earlier.person:
            voted.setdefault(earlier.person, earlier.by)
    return voted


async def find(store: Store, approval_id: str) -> Approval:
    """The approval of this id, waiting or not.

    Raises:
        NotFound: there is none.
    """
    approval = await store.approvals.get(approval_id) if APPROVAL.fullmatch(approval_id) else None
    if approval is None:
        raise NotFound(f"There is no approval '{approval_id[:80]}'.", fix="See list_approvals.")
    return approval


def may_decide(approval: Approval, who: Principal, *, separate: bool, people: People) -> None:
    """Raise unless `who` may decide on a call (separation of duties).

    The one who requested a call may not decide on it. In a turn that is the assistant; with `separate`, also the people
    for whom it works, under any of their names.

    Raises:
        Denied: `who` lacks the scope, or asked for this call.
    """
    who.require("approve")
    asked = [approval.requested_by] if approval.conversation.startswith(f"{CALLS}/") else []
    if separate:
        asked += principals_behind(approval.requested_by)
    if who.name in asked or (separate and any(people.is_same_person(who.name, requester) for requester in asked)):
        raise Denied(
            f"{who.name} asked for this call and may not decide it.",
            fix="Another client, an approver in a chat, or the owner has to.",
        )


def limit_of(who: Principal, approval: Approval) -> str:
    """The conversation or channel that a grant for `always` is limited to: nobody can grant beyond their own limits."""
    if not who.within:
        return ""
    channel = Address.of(approval.conversation).channel
    return channel if channel in who.channels else approval.conversation


def check_grant_options(yes: ApprovalOptions, arguments: str) -> None:
    """Raise unless these options can make a grant of this call.

    Raises:
        BadInput: `once` with a pattern or a time, or a pattern that the call itself does not match.
    """
    if yes.remember == "once" and (yes.remember_arguments or yes.remember_s):
        raise BadInput("`once` remembers nothing.", fix="Use conversation or always, with patterns and times.")
    parsed = parse_arguments(arguments)
    for name, pattern in yes.remember_arguments.items():
        if name not in parsed or not matches(parsed[name], pattern):
            raise BadInput(
                f"The pattern for '{name[:80]}' does not cover this very call.",
                fix="Nothing was decided yet. `*` stands for any text; what is no text has to be there as JSON.",
            )


def check_caller_options(approval: Approval, yes: ApprovalOptions) -> None:
    """Let pass what whoever runs a call itself can do with a yes: it may keep the standing permissions, not the bridge.

    Raises:
        BadInput: it takes no other arguments; or it offered nothing that could be remembered, or nothing of that kind.
    """
    if approval.fixed and yes.arguments is not None:
        raise BadInput(
            f"{approval.requested_by} can run this call only as it is.",
            fix="Approve it without `arguments`, or reject it with what should be changed.",
        )
    if makes_grants(approval.tool) or yes.remember == "once":
        return
    if not approval.offers:
        raise BadInput(
            f"{approval.requested_by} keeps standing permissions itself, and offered none for this call.",
            fix="Approve it once, or add a rule to that agent's own settings.",
        )
    if yes.remember != "always" or yes.remember_arguments or yes.remember_s or yes.arguments is not None:
        raise BadInput(
            "Only what was offered can be remembered here, as it is: " + "; ".join(approval.offers),
            fix='Use remember = "always" alone, or approve it once.',
        )


def check_undecided(approval: Approval) -> None:
    """Raise unless an approval still waits.

    Raises:
        AlreadyDecided: it does not; the message says who decided, and how.
    """
    if approval.status != "waiting":
        raise AlreadyDecided(verdict_text(approval), fix="See list_approvals for what still waits.")


def verdict_text(approval: Approval) -> str:
    """Who decided first, and how."""
    by = f" by {visible(approval.decided_by)}" if approval.decided_by else ""
    note = f" ({visible(approval.note)})" if approval.note else ""
    return f"{approval.id} was {approval.status}{by}{note} before; the first verdict holds."


async def spec_of(store: Store, approval: Approval) -> ToolSpec:
    """The tool of a waiting call; for an external call, whose schema the bridge does not know, as it was requested.

    Raises:
        BadInput: the tool is not there now.
    """
    if is_external(approval.server):
        entries = [logged.entry for logged in await store.log.tail(approval.conversation)]
        asked = next((entry.external for entry in entries if isinstance(entry, Requested) and entry.external), None)
        if asked is not None:
            return external_tool(asked)
    for spec in (await status_board.tools(store)).tools:
        if spec.name == approval.tool:
            return spec
    raise BadInput(
        f"{approval.tool} is not there now, so edited arguments cannot be checked.",
        fix="Approve it unedited, reject it, or wait until its server is back (get_status).",
    )
