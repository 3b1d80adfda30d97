"""The calls of the logs under the settings as they are now: what would run, ask, or be refused. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from bridge_mcp.core.address import Address
from bridge_mcp.core.call_history import CallRecord, calls_of
from bridge_mcp.core.entries import Asked, Call, Log, Requested, call_origin
from bridge_mcp.core.external_calls import external_tool
from bridge_mcp.core.policy import Free, NeedsVerdict, Policy, Refuse
from bridge_mcp.core.suggestions import Seen
from bridge_mcp.core.tools import Confirmation, ToolSpec
from bridge_mcp.operations import status_board
from bridge_mcp.operations.client_limits import rules_within
from bridge_mcp.operations.external_calls import policy_of
from bridge_mcp.ports import Rules, Store
from bridge_mcp.service.review_replay import BY_ITSELF

__all__ = ["Rehearsed", "asked_calls", "calls_since", "rehearse_calls"]

AROUND = 400
"""Entries of a log in which the calls of one reply are looked for."""


Now: TypeAlias = Literal["run", "ask", "review", "refuse"]


class Rehearsed(Struct, frozen=True):
    """A call as it was, and what the settings would make of it now."""

    conversation: str
    record: CallRecord
    spec: ToolSpec | None
    now: Now
    """`review`: its reviewer is asked first, and may decide."""
    because: str
    quorum: int = 1

    @property
    def asked(self) -> bool:
        """Whether a verdict was needed then."""
        return bool(self.record.approval)


async def calls_since(store: Store, since: float, limit: int) -> list[tuple[str, Log, CallRecord]]:
    """The calls of the logs that were asked about, begun or ended since then, at most so many, the newest first."""
    calls: list[tuple[str, Log, CallRecord]] = []
    for conversation, call in reversed(await store.log.calls_since(since, limit)):
        begun = call_origin(call) or 0
        log = await store.log.load(conversation, begun - 1, first=AROUND)
        record = next((candidate for candidate in calls_of(conversation, log) if candidate.id == call), None)
        if record is not None:
            calls.append((conversation, log, record))
    return calls


async def rehearse_calls(
    store: Store,
    rules: Rules,
    confirmation: Callable[[str, str], Confirmation | None],
    calls: Sequence[tuple[str, Log, CallRecord]],
    now: float,
) -> list[Rehearsed]:
    """Each of these calls under the settings of now. `confirmation` is what a server's section says of a tool of it."""
    listed = (await status_board.tools(store)).tools
    tools = {
        spec.name: replace(spec, confirmation=confirmation(spec.server, spec.tool) or "default") for spec in listed
    }
    grants = await store.grants.active(now)
    results: list[Rehearsed] = []
    for conversation, log, record in calls:
        requested = next((logged.entry for logged in log if isinstance(logged.entry, Requested)), None)
        if requested is not None and requested.external is not None:
            policy = policy_of(rules, conversation, requested.external, grants)
            policy = replace(policy, tools={(spec := external_tool(requested.external)).name: spec})
        else:
            policy = policy_for(rules, conversation, requested, tools)
            policy = replace(policy, grants=grants)
        results.append(rehearsed(policy, conversation, record, now))
    return results


def policy_for(rules: Rules, conversation: str, requested: Requested | None, tools: dict[str, ToolSpec]) -> Policy:
    """The policy of a conversation whose calls the engine runs, without grants."""
    channel = rules.channel(Address.of(conversation).channel)
    offered = {name: spec for name, spec in tools.items() if channel.has_server(spec.server)}
    within = requested.within if requested is not None else ()
    words = rules_within(within, rules, offered.values()) if within else (*channel.tools, *rules.tools)
    return Policy(
        conversation,
        offered,
        defaults=rules.asking,
        rules=words,
        separate=rules.separate,
        own_places=rules.own_places,
    )


def rehearsed(policy: Policy, conversation: str, record: CallRecord, now: float) -> Rehearsed:
    """One call under a policy."""
    call = Call(record.id, record.tool, record.arguments)
    spec, quorum = policy.tools.get(record.tool), policy.asking(record.tool).quorum
    match policy.gate(call, now):
        case Free(because):
            return Rehearsed(conversation, record, spec, now="run", because=because, quorum=quorum)
        case Refuse(because):
            return Rehearsed(conversation, record, spec, now="refuse", because=because, quorum=quorum)
        case NeedsVerdict(because):
            reviewer = policy.reviewer(call)
            decides = reviewer is not None and reviewer.may == "approve"
            prospect: Now = "review" if decides else "ask"
            return Rehearsed(conversation, record, spec, now=prospect, because=because, quorum=quorum)


def asked_calls(calls: Sequence[tuple[str, Log, CallRecord]], still_ask: set[tuple[str, str]]) -> list[Seen]:
    """The calls that people were asked about, of those that ask people still."""
    seen: list[Seen] = []
    for conversation, log, record in calls:
        if not record.approval or (conversation, record.id) not in still_ask:
            continue
        asked = next(e.entry for e in log if isinstance(e.entry, Asked) and e.entry.call == record.id)
        edited = bool(record.ran_with) and record.ran_with != record.arguments
        approved = record.verdict == "approved" and record.decided_via not in BY_ITSELF and not edited
        freed = record.verdict == "approved" and record.decided_via in BY_ITSELF
        if not freed and asked.quorum == 1:
            seen.append(Seen(conversation, record.tool, record.arguments, approved=approved))
    return seen
