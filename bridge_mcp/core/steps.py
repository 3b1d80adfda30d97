"""What can come next in a conversation: the steps that `decide` names and an executor takes."""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

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


class Settle(Struct, frozen=True):
    """Write a call's outcome without running it."""

    call: Call
    outcome: Outcome
    content: str


class Judge(Struct, frozen=True):
    """Close an asked call: it expired, a grant given meanwhile covers it (`via`: `rule`), or its reviewer decides."""

    call: Call
    verdict: Verdict
    by: str
    digest: str = ""
    note: str = ""
    via: str = "rule"


class Ask(Struct, frozen=True):
    """Ask for verdicts on these calls, each with the reason why."""

    calls: tuple[tuple[Call, str], ...]


class Review(Struct, frozen=True):
    """Have a model look at this asked call, before people are asked."""

    call: Call
    asked: Asked
    reviewer: Reviewer


class Escalate(Struct, frozen=True):
    """Leave this asked call to people: no reviewer can be asked, or what it said does not count."""

    call: Call
    digest: str
    reason: str


class Remind(Struct, frozen=True):
    """Tell people again that this call waits, or tell the next ones; `reminded` is what to record once that is done."""

    call: Call
    asked: Asked
    reminded: Reminded


class Ring(Struct, frozen=True):
    """Tell the assistant, in its conversation, what it wanted to be reminded of."""

    scheduled: Scheduled


class Run(Struct, frozen=True):
    """Run these calls, together; each with its arguments as they shall run, and what let it."""

    calls: tuple[tuple[Call, str, str], ...]


class HandOver(Struct, frozen=True):
    """These calls may run, as `Run` says it, and their caller is to begin them: no engine does.

    At `until` it is looked again whether the caller is still there, and has the time.
    """

    calls: tuple[tuple[Call, str, str], ...]
    until: float


class CallModel(Struct, frozen=True):
    """Call the model. `turn` is the seq of the message that opened the turn; `attempt` counts from 1."""

    turn: int
    attempt: int
    upto: int | None = None
    """Messages with this seq and later ones are left to turns of their own; None: none are."""


class Summarise(Struct, frozen=True):
    """Have the model sum up what was said before `upto`, so that it can leave its view; `attempt` counts from 1."""

    turn: int
    upto: int
    attempt: int


class Cut(Struct, frozen=True):
    """Let what was said before `upto` leave the model's view without a summary of its own."""

    upto: int


class Stop(Struct, frozen=True):
    """End the turn without a reply."""

    reason: str
    upto: int
    text: str


class Wait(Struct, frozen=True):
    """Nothing to do before `until` (epoch seconds; None: until something comes in)."""

    until: float | None


class Idle(Struct, frozen=True):
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
