"""The objects of the Agent Approval Protocol: its requests and outcomes read, and how a call stands written as it says.

A request's id is the part of its log's address that is not its client's name: nobody names another client's with it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Literal, cast
from uuid import UUID

from bridge_mcp.core.entries import Finished
from bridge_mcp.core.errors import BadInput, BadJSON, NotFound
from bridge_mcp.core.json_reader import JSON, MESSAGE_DEPTH, read_json
from bridge_mcp.core.requests import RequestState
from bridge_mcp.core.tools import canonical
from bridge_mcp.server.tools.answers import instant
from bridge_mcp.service import Submission

__all__ = ["handle_in", "id_of", "object_in", "outcome_in", "resource", "seconds", "submission", "why_not"]

DURATION = re.compile(r"([1-9][0-9]{0,7})([smh])")
SECONDS = {"s": 1, "m": 60, "h": 3600}
LONGEST_S = 366 * 24 * 3600.0

REASONING_SHOWN = 1_500
CONTEXT_SHOWN = 400
"""Characters that people are shown of what an agent and its adapter say; the record has all of it."""

BESIDE = ("tool", "server", "timeout", "agent_reasoning", "context")
"""Fields of a request beside its arguments, which are told again as they were given."""

STATUS = {"waiting": "pending", "consumed": "approved", "over": "approved", "rejected": "denied"}
"""Its word for how a call stands, where that is another one."""

OUTCOMES: dict[str, Literal["ok", "error"]] = {"succeeded": "ok", "failed": "error"}


def submission(body: bytes) -> Submission:
    """The call that a client wants to run.

    Raises:
        BadInput: it is none; the message names the field.
    """
    fields = object_in(body, {"tool", "arguments", "timeout"}, {"server", "agent_reasoning", "context"})
    for name in ("tool", "server", "timeout", "agent_reasoning"):
        if not isinstance(fields.get(name, ""), str):
            raise BadInput(f"'{name}' is not a text.")
    for name in ("arguments", "context"):
        if not isinstance(fields.get(name, {}), dict):
            raise BadInput(f"'{name}' is not an object.")
    expires_s = min(LONGEST_S, seconds(cast("str", fields["timeout"]) or "none"))
    reasoning = str(fields.get("agent_reasoning", ""))[:REASONING_SHOWN]
    context = canonical(fields["context"])[:CONTEXT_SHOWN] if fields.get("context") else ""
    return Submission(
        str(fields["tool"]),
        cast("Mapping[str, JSON]", fields["arguments"]),
        reason="; context: ".join(filter(None, (reasoning, context))),
        server=str(fields.get("server", "")),
        expires_s=expires_s,
        fixed=True,
        given=canonical({name: fields[name] for name in BESIDE if name in fields}),
    )


def outcome_in(body: bytes) -> tuple[Literal["ok", "error"], str]:
    """What a client tells of a call that it ran.

    Raises:
        BadInput: it tells nothing that is known.
    """
    fields = object_in(body, {"status"}, {"note"})
    outcome, note = OUTCOMES.get(str(fields["status"])), fields.get("note", "")
    if outcome is None or not isinstance(note, str):
        raise BadInput("'status' is neither succeeded nor failed, or 'note' is not a text.")
    return outcome, note


def object_in(body: bytes, required: set[str], optional: set[str]) -> dict[str, JSON]:
    """A JSON object with these fields and no others.

    Raises:
        BadInput: it is another one.
    """
    try:
        value = read_json(body, max_depth=MESSAGE_DEPTH, unique_names=True)
    except BadJSON as exc:
        raise BadInput(f"The body is not taken: {exc}") from None
    if not isinstance(value, dict):
        raise BadInput("The body is not a JSON object.")
    unexpected = [name for name in value if name not in required | optional] + [n for n in value if value[n] is None]
    missing = [name for name in sorted(required) if name not in value]
    if unexpected or missing:
        raise BadInput(
            f"The field '{unexpected[0][:80]}' is not known." if unexpected else f"The field '{missing[0]}' is missing."
        )
    return value


def seconds(duration: str) -> float:
    """A duration such as `30s`, `10m` or `24h`; 0 for an empty one.

    Raises:
        BadInput: it is none.
    """
    if not duration:
        return 0.0
    match = DURATION.fullmatch(duration)
    if match is None:
        raise BadInput("This is not a duration.", fix="Write a whole number with its unit: 30s, 10m, 24h.")
    return float(int(match[1]) * SECONDS[match[2]])


def handle_in(name: str) -> str:
    """What a request's id says of its log.

    Raises:
        NotFound: no request is called so.
    """
    try:
        digits = UUID(name).hex
    except ValueError:
        digits = ""
    handle = digits[:12] + digits[13:16] + digits[17:26]
    if not digits or id_of(handle) != str(UUID(name)):
        raise NotFound("There is no such request.")
    return handle


def id_of(handle: str) -> str:
    """The id of a request by the 24 hexadecimal digits of its log's address: a UUID of version 8."""
    return str(UUID(f"{handle[:12]}8{handle[12:15]}8{handle[15:24]}a90000"))


def resource(request: RequestState) -> dict[str, Any]:
    """How a request stands."""
    submitted: dict[str, Any] = json.loads(request.external.given)
    decision, consumption = decision_of(request), consumption_of(request)
    return {
        **submitted,
        "id": id_of(request.conversation.rpartition(".")[2]),
        "arguments": json.loads(request.call.arguments),
        "status": status_of(request),
        "created_at": instant(request.asked_at),
        "deadline_at": instant(request.external.expires_at),
        **({"decision": decision} if decision else {}),
        **({"consumption": consumption} if consumption else {}),
    }


def status_of(request: RequestState) -> str:
    return STATUS.get(request.standing, request.standing)


def decision_of(request: RequestState) -> dict[str, Any] | None:
    """The verdict; None while there is none."""
    status = status_of(request)
    if status == "pending":
        return None
    note = request.judged.note if request.judged is not None else ""
    return {
        "status": status,
        **({"note": note} if note else {}),
        "decided_at": instant(request.settled_at),
        **({"expires_at": instant(request.run_before)} if status == "approved" else {}),
    }


def consumption_of(request: RequestState) -> dict[str, Any] | None:
    """When the verdict was taken, and what is known of the call since; None while it was not."""
    if request.started is None:
        return None
    return {"consumed_at": instant(request.started_at), **reported_outcome(request.finished, request.finished_at)}


def reported_outcome(finished: Finished | None, at: float) -> dict[str, Any]:
    """The outcome that was told. Where nobody knows it, there is none."""
    words = {word: status for status, word in OUTCOMES.items()}
    if finished is None or finished.outcome not in words:
        return {}
    note = {"note": finished.content} if finished.content else {}
    return {
        "outcome": {
            "status": words[cast('Literal["ok", "error"]', finished.outcome)],
            **note,
            "reported_at": instant(at),
        }
    }


def why_not(request: RequestState) -> str:
    """Why a verdict cannot be taken, as a code."""
    if request.started is not None:
        return "already_consumed"
    return "approval_expired" if request.standing == "approved" else "not_approved"
