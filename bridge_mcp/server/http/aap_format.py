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
    given = object_in(body, {"tool", "arguments", "timeout"}, {"server", "agent_reasoning", "context"})
    for name in ("tool", "server", "timeout", "agent_reasoning"):
        if not isinstance(given.get(name, ""), str):
            raise BadInput(f"'{name}' is not a text.")
    for name in ("arguments", "context"):
        if not isinstance(given.get(name, {}), dict):
            raise BadInput(f"'{name}' is not an object.")
    expires_s = min(LONGEST_S, seconds(cast("str", given["timeout"]) or "none"))
    said = str(given.get("agent_reasoning", ""))[:REASONING_SHOWN]
    context = canonical(given["context"])[:CONTEXT_SHOWN] if given.get("context") else ""
    return Submission(
        str(given["tool"]),
        cast("Mapping[str, JSON]", given["arguments"]),
        reason="; context: ".join(filter(None, (said, context))),
        server=str(given.get("server", "")),
        expires_s=expires_s,
        fixed=True,
        given=canonical({name: given[name] for name in BESIDE if name in given}),
    )


def outcome_in(body: bytes) -> tuple[Literal["ok", "error"], str]:
    """What a client tells of a call that it ran.

    Raises:
        BadInput: it tells nothing that is known.
    """
    given = object_in(body, {"status"}, {"note"})
    outcome, note = OUTCOMES.get(str(given["status"])), given.get("note", "")
    if outcome is None or not isinstance(note, str):
        raise BadInput("'status' is neither succeeded nor failed, or 'note' is not a text.")
    return outcome, note


def object_in(body: bytes, required: set[str], optional: set[str]) -> dict[str, JSON]:
    """A JSON object with these fields and no others.

    Raises:
        BadInput: it is another one.
    """
    try:
        given = read_json(body, max_depth=MESSAGE_DEPTH, unique_names=True)
    except BadJSON as exc:
        raise BadInput(f"The body is not taken: {exc}") from None
    if not isinstance(given, dict):
        raise BadInput("The body is not a JSON object.")
    odd = [name for name in given if name not in required | optional] + [n for n in given if given[n] is None]
    missing = [name for name in sorted(required) if name not in given]
    if odd or missing:
        raise BadInput(f"The field '{odd[0][:80]}' is not known." if odd else f"The field '{missing[0]}' is missing.")
    return given


def seconds(duration: str) -> float:
    """A duration such as `30s`, `10m` or `24h`; 0 for an empty one.

    Raises:
        BadInput: it is none.
    """
    if not duration:
        return 0.0
    found = DURATION.fullmatch(duration)
    if found is None:
        raise BadInput("This is not a duration.", fix="Write a whole number with its unit: 30s, 10m, 24h.")
    return float(int(found[1]) * SECONDS[found[2]])


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


def resource(found: RequestState) -> dict[str, Any]:
    """How a request stands."""
    given: dict[str, Any] = json.loads(found.external.given)
    decision, consumption = decision_of(found), consumption_of(found)
    return {
        **given,
        "id": id_of(found.conversation.rpartition(".")[2]),
        "arguments": json.loads(found.call.arguments),
        "status": status_of(found),
        "created_at": instant(found.asked_at),
        "deadline_at": instant(found.external.expires_at),
        **({"decision": decision} if decision else {}),
        **({"consumption": consumption} if consumption else {}),
    }


def status_of(found: RequestState) -> str:
    return STATUS.get(found.standing, found.standing)


def decision_of(found: RequestState) -> dict[str, Any] | None:
    """The verdict; None while there is none."""
    status = status_of(found)
    if status == "pending":
        return None
    note = found.judged.note if found.judged is not None else ""
    return {
        "status": status,
        **({"note": note} if note else {}),
        "decided_at": instant(found.settled_at),
        **({"expires_at": instant(found.run_before)} if status == "approved" else {}),
    }


def consumption_of(found: RequestState) -> dict[str, Any] | None:
    """When the verdict was taken, and what is known of the call since; None while it was not."""
    if found.started is None:
        return None
    return {"consumed_at": instant(found.started_at), **told_of(found.finished, found.finished_at)}


def told_of(finished: Finished | None, at: float) -> dict[str, Any]:
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


def why_not(found: RequestState) -> str:
    """Why a verdict cannot be taken, as a code."""
    if found.started is not None:
        return "already_consumed"
    return "approval_expired" if found.standing == "approved" else "not_approved"
