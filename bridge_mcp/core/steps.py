"""What can come next in a conversation: the steps that `decide` names and an executor takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from bridge_mcp.core.approval_settings import Reviewer
from bridge_mcp.core.entries import (
    Asked,
    Call,
    Outcome,
    Reminded,
    Scheduled,
    Verdict,
)

__all__ = [
    "Ask",
    "CallModel",
    "Cut",
    "Escalate",
    "HandOver",
    "Idle",
    "Judge",
    "Remind",
    "Review",
    "Ring",
    "Run",
    "Settle",
    "Step",
    "Stop",
    "Summarise",
    "Wait",
]


@dataclass(frozen=True, slots=True)
class Settle:
    """Write a call's outcome without running it."""

    call: Call
    outcome: Outcome
    content: str


@dataclass(frozen=True, slots=True)
class Judge:
    """Close an asked call: it expired, a grant given meanwhile covers it (`via`: `rule`), or its reviewer decides."""

    call: Call
    verdict: Verdict
    by: str
    digest: str = ""
    note: str = ""
    via: str = "rule"


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask for verdicts on these calls, each with the reason why."""

    calls: tuple[tuple[Call, str], ...]


@dataclass(frozen=True, slots=True)
class Review:
    """Have a model look at this asked call, before people are asked."""

    call: Call
    asked: Asked
    reviewer: Reviewer


@dataclass(frozen=True, slots=True)
class Escalate:
    """Leave this asked call to people: no reviewer can be asked, or what it said does not count."""

    call: Call
    digest: str
    reason: str


@dataclass(frozen=True, slots=True)
class Remind:
    """Tell people again that this call waits, or tell the next ones; `reminded` is what to record once that is done."""

    call: Call
    asked: Asked
    reminded: Reminded


@dataclass(frozen=True, slots=True)
class Ring:
    """Tell the assistant, in its conversation, what it wanted to be reminded of."""

    scheduled: Scheduled


@dataclass(frozen=True, slots=True)
class Run:
    """Run these calls, together; each with its arguments as they shall run, and what let it."""

    calls: tuple[tuple[Call, str, str], ...]


@dataclass(frozen=True, slots=True)
class HandOver:
    """These calls may run, as `Run` says it, and their caller is to begin them: no engine does.

    At `until` it is looked again whether the caller is still there, and has the time.
    """

    calls: tuple[tuple[Call, str, str], ...]
    until: float


@dataclass(frozen=True, slots=True)
class CallModel:
    """Call the model. `turn` is the seq of the message that opened the turn; `attempt` counts from 1."""

    turn: int
    attempt: int
    upto: int | None = None
    """Messages with this seq and later ones are left to turns of their own; None: none are."""


@dataclass(frozen=True, slots=True)
class Summarise:
    """Have the model sum up what was said before `upto`, so that it can leave its view; `attempt` counts from 1."""

    turn: int
    upto: int
    attempt: int


@dataclass(frozen=True, slots=True)
class Cut:
    """Let what was said before `upto` leave the model's view without a summary of its own."""

    upto: int


@dataclass(frozen=True, slots=True)
class Stop:
    """End the turn without a reply."""

    reason: str
    upto: int
    text: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before `until` (epoch seconds; None: until something comes in)."""

    until: float | None


@dataclass(frozen=True, slots=True)
class Idle:
    """Nothing to do until something comes in."""


Step: TypeAlias = (
    Ring
    | Settle
    | Judge
    | Ask
    | Review
    | Escalate
    | Run
    | HandOver
    | Remind
    | CallModel
    | Summarise
    | Cut
    | Stop
    | Wait
    | Idle
)
