"""Calls of an agent that only asks here whether they may run: what they are called, what frees them, how they stand.

The agent runs its own tools. It asks for a verdict (`request_approval`, or the routes of the Agent Approval Protocol),
takes the verdict once before it runs the call (`Started`), and tells what came of it (`Finished`). Such calls live in
a namespace of their client, `request:CLIENT__TOOL`:

- a grant, a rule or a pin of a nested tool never is one of theirs, since no nested server's name has a colon;
- what is said of all calls, or of patterns that do not begin with `request:`, never lets one run, and a reviewer that
  it names may only advise: whoever asks for a verdict gets one. A rule that names the namespace may let calls run:
  `"request:CLIENT__look_*"`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Literal, TypeAlias
from urllib.parse import quote

from msgspec import Struct
from msgspec.structs import replace

from bridge_mcp.core.approval_settings import ApprovalSettings, PartialApprovalSettings, Reviewer
from bridge_mcp.core.entries import (
    Asked,
    Call,
    External,
    Finished,
    Judged,
    Log,
    Requested,
    Started,
    Stopped,
    approval_id,
)
from bridge_mcp.core.external_calls import asking_at_doors, unfreeing
from bridge_mcp.core.policy import ToolRule

__all__ = [
    "RequestState",
    "Standing",
    "asking_for_requests",
    "is_requested",
    "request_in",
    "request_server",
    "request_tool",
    "rules_for_requests",
]

DOOR = "request:"

PLAIN = re.compile(r"[A-Za-z0-9.-]+(_[A-Za-z0-9.-]+)*")
"""Names of clients behind which `__` can only be what stands before the tool."""

Standing: TypeAlias = Literal["waiting", "approved", "consumed", "over", "rejected", "expired", "cancelled"]
"""`consumed`: its caller came to run it; `over`: and told what came of it, or nobody can tell any more."""


def request_server(client: str) -> str:
    """The namespace of a client's calls. No two clients have the same, and no tool of one reads as another's."""
    if PLAIN.fullmatch(client):
        return DOOR + client
    hashed = hashlib.sha256(client.encode()).hexdigest()[:16]
    return f"{DOOR}{re.sub(r'[^A-Za-z0-9.-]', '-', client)[:40]}~{hashed}"


def request_tool(tool: str, server: str = "") -> str:
    """A tool's name in its client's namespace. With `server`, of a server that the client has: `SERVER/TOOL`."""
    return f"{quote(server, safe='')}/{tool}" if server else tool.replace("%", "%25").replace("/", "%2F")


def is_requested(external: External) -> bool:
    """Whether an agent asked for a verdict on a call of its own, and runs it elsewhere."""
    return external.server.startswith(DOOR)


def asking_for_requests(settings: ApprovalSettings) -> ApprovalSettings:
    """How such calls are asked about in general."""
    return replace(asking_at_doors(settings), review=advising(settings.review))


def rules_for_requests(rules: Iterable[ToolRule]) -> tuple[ToolRule, ...]:
    """What the owner says of such calls: a rule that does not name their namespace frees none of them."""
    return tuple(
        rule if rule.pattern.startswith(DOOR) else replace(rule, says=advisory_settings(rule.says)) for rule in rules
    )


def advisory_settings(says: PartialApprovalSettings) -> PartialApprovalSettings:
    """What a rule of other tools says: no word that frees, and a reviewer that may only advise."""
    part = unfreeing(says)
    if "review" in part:
        part["review"] = advising(part["review"])
    return part


def advising(reviewer: Reviewer | None) -> Reviewer | None:
    """The reviewer of a word about other tools: it may advise on these calls, and not decide."""
    return replace(reviewer, may="advise") if reviewer is not None else None


class RequestState(Struct, frozen=True):
    """One such call so far. Times are epoch seconds, 0 for what has not happened."""

    conversation: str
    by: str
    """The client that asked; nobody else takes or reports."""
    call: Call
    external: External
    asked_at: float
    """When its client asked for it."""
    approval: str = ""
    """The id by which people decide; empty while the engine has not asked them."""
    judged: Judged | None = None
    judged_at: float = 0.0
    started: Started | None = None
    started_at: float = 0.0
    finished: Finished | None = None
    finished_at: float = 0.0
    stopped: bool = False

    @property
    def standing(self) -> Standing:
        """How it stands, by what happened first."""
        if self.started is not None:
            return "consumed" if self.finished is None and not self.stopped else "over"
        if self.judged is not None and self.judged.verdict != "approved":
            return self.judged.verdict
        if self.judged is not None and (self.finished is None or self.finished.outcome == "undelivered"):
            return "cancelled" if self.stopped else "approved"
        if self.finished is not None:
            return STANDINGS.get(self.finished.outcome, "rejected")
        return "cancelled" if self.stopped else "waiting"

    @property
    def run_before(self) -> float:
        """Until when an approved call may be taken."""
        return self.judged_at + self.external.claim_s if self.judged is not None else 0.0

    @property
    def arguments(self) -> str:
        """The JSON text it runs with: as asked for, or as an approver has changed it."""
        edited = self.judged.arguments if self.judged is not None else None
        return self.call.arguments if edited is None else edited

    @property
    def settled_at(self) -> float:
        """When there was a verdict, or it ended without one."""
        return self.judged_at or self.finished_at


STANDINGS: dict[str, Standing] = {"stopped": "cancelled", "expired": "expired"}


def request_in(conversation: str, log: Log) -> RequestState | None:
    """The call that this whole log is of; None where its caller does not run it elsewhere."""
    first = log[0].entry if log else None
    if not isinstance(first, Requested) or first.external is None or not is_requested(first.external):
        return None
    request = RequestState(conversation, first.by, first.calls[0], external=first.external, asked_at=log[0].at)
    for logged in log:
        match logged.entry:
            case Asked(call=call):
                request = replace(request, approval=approval_id(conversation, call))
            case Judged() as entry if request.judged is None:
                request = replace(request, judged=entry, judged_at=logged.at)
            case Started() as entry if request.started is None:
                request = replace(request, started=entry, started_at=logged.at)
            case Finished() as entry if request.finished is None:
                request = replace(request, finished=entry, finished_at=logged.at)
            case Stopped():
                request = replace(request, stopped=True, finished_at=request.finished_at or logged.at)
            case _:
                pass
    return request
