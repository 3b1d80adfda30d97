"""Calls that their caller runs: what each asks for beside what every call asks for, and its tool as a value.

A door of the bridge (a gate before somebody's server, a hook of an agent) runs what it asks for itself. Such a call is
asked about, judged, reminded of and expired as any other. But it is begun by its caller, with a `Started` at an
expected seq, and finished by it:

    asked for                          the gate decides, as for any call
    free, or approved                  HandOver: for `claim_s` its caller may begin it, and then it is `undelivered`
    nobody was asked in its own time   Settle as expired (`expires_at`)
    begun, and its runner lives        Wait
    begun, and its runner is gone      Settle as unknown, once nobody can tell its outcome any more (`report_s`)
    waits, and its caller is gone      Settle as `undelivered` where it lapses; else it waits for the next who asks

What the owner says of all calls, or of patterns that do not begin with a door, never lets one run: `never` is said
of tools that the bridge calls itself, and who puts a gate before a server wants to be asked. A rule that names the door
may let calls run: `"gate:files@*__write_*"`. It, an annotation or a grant frees a call with all that it brings.

An engine looks now and then whether the processes live that a log names (`Policy.callers`). A caller that is no process
of this machine has no name: nobody can look whether it lives, so that only time ends what it asked for.
"""

from __future__ import annotations

from msgspec.structs import replace

from bridge_mcp.core.approval_settings import ApprovalSettings, PartialApprovalSettings
from bridge_mcp.core.entries import CALLS, Call, External
from bridge_mcp.core.policy import Policy, ToolRule
from bridge_mcp.core.state import CallState
from bridge_mcp.core.steps import HandOver, Run, Settle, Wait
from bridge_mcp.core.tools import ToolSpec

__all__ = [
    "DOORS",
    "LOOK_S",
    "RESERVED_CHANNELS",
    "asking_at_doors",
    "external_name",
    "external_tool",
    "hand_over",
    "is_external",
    "is_local_door",
    "rules_at_door",
    "step_of_caller",
    "unfreeing",
    "with_looks",
]

DOORS = frozenset({"gate", "hook", "channel"})
"""What begins the names of those who run calls themselves, before a colon; no channel may be called so."""

RESERVED_CHANNELS = DOORS | {"request", "oauth", CALLS}
"""Names that no channel may have: its people would be called as callers of the bridge are (`request:ann`, `oauth:ann`),
or its conversations as those of calls."""

LOOK_S = 5.0
"""How often it is looked whether a process lives that a call depends on."""

UNKNOWN = (
    "Outcome unknown: the call was begun, and whoever ran it has gone without telling what became of it. "
    "It was not run again. Check before you repeat it."
)
GONE = "Not run: whoever asked for it was gone before there was a verdict."
UNCLAIMED = "Not run: it might have been, but whoever asked for it was gone."
TOO_LATE = "Not run: nobody approved it in time."


def is_local_door(principal: str) -> bool:
    """Whether a principal is a door that this machine's user opens by itself: all of them are that one person's."""
    door, colon, _ = principal.partition(":")
    return principal in ("stdio", "loopback") or (bool(colon) and door in DOORS)


def external_name(server: str, tool: str) -> str:
    """The name under which a tool is asked about, granted and ruled on: its door stands first."""
    return f"{server}__{tool}"


def is_external(server: str) -> bool:
    """Whether a server's name tells of a door, and not of a nested server."""
    return ":" in server


def asking_at_doors(settings: ApprovalSettings) -> ApprovalSettings:
    """How such calls are asked about in general."""
    return replace(settings, confirmation="by-annotation") if settings.confirmation == "never" else settings


def rules_at_door(rules: tuple[ToolRule, ...], server: str) -> tuple[ToolRule, ...]:
    """What the owner says of such calls: a rule that does not name their door frees none of them."""
    door = f"{server.partition(':')[0]}:"
    return tuple(
        replace(rule, says=unfreeing(rule.says))
        if rule.says.get("confirmation") == "never" and not rule.pattern.startswith(door)
        else rule
        for rule in rules
    )


def unfreeing(says: PartialApprovalSettings) -> PartialApprovalSettings:
    """What a rule says, without a word that frees."""
    part = says.copy()
    if part.get("confirmation") == "never":
        del part["confirmation"]
    return part


def external_tool(external: External) -> ToolSpec:
    """The tool as the gate sees it. What it says of itself is held to by its digest, in the description's place."""
    return ToolSpec(
        external_name(external.server, external.tool),
        external.server,
        external.tool,
        description=external.definition,
        schema="{}",
        read_only=external.read_only,
        destructive=external.destructive,
        changed=external.changed,
    )


def step_of_caller(call: Call, fate: CallState, external: External, policy: Policy, now: float) -> Settle | Wait | None:
    """What a call asks for because of the process behind it; None where the gate has the word."""
    if fate.begun:
        if lives(fate.runner, policy):
            return Wait(now + LOOK_S)
        told_until = fate.begun_at + external.report_s if external.report_s else 0.0
        return Wait(told_until) if now < told_until else Settle(call, "unknown", UNKNOWN)
    if external.lapses and not lives(external.caller, policy):
        return Settle(call, "undelivered", GONE if fate.judged is None else UNCLAIMED)
    if external.expires_at and now >= external.expires_at and fate.asked is None and fate.judged is None:
        return Settle(call, "expired", TOO_LATE)
    return None


def lives(process: str, policy: Policy) -> bool:
    """Whether a process is there, as far as anybody has looked."""
    return bool(process) and (policy.callers is None or process in policy.callers)


def hand_over(step: Run, fate: CallState, external: External, asked_at: float, now: float) -> HandOver | Settle:
    """What becomes of a call that may run: it is its caller's to begin, as long as that is waited for."""
    until = (fate.judged_at if fate.judged is not None else asked_at) + external.claim_s
    (call, _, _), *_ = step.calls
    if now >= until:
        return Settle(call, "undelivered", UNCLAIMED)
    return HandOver(step.calls, min(until, now + LOOK_S) if external.lapses else until)


def with_looks(wait: Wait, external: External, now: float) -> Wait:
    """A wait, with a look at whether its caller still lives where the call lapses with it."""
    if not external.lapses:
        return wait
    look = now + LOOK_S
    return replace(wait, until=look if wait.until is None else min(wait.until, look))
