"""Records of tool calls in the shape that the MCP face gives them: what is not known yet is left out."""

from __future__ import annotations

from collections.abc import Iterable

from bridge_mcp.core.call_history import CallRecord
from bridge_mcp.server.tools.schemas import CallShape
from bridge_mcp.server.tools.serialize import instant, json_shown

__all__ = ["calls"]

RESULT_CHARS = 2_000
"""Of a call's result that is shown; the log has it whole."""


def calls(found: Iterable[CallRecord]) -> list[CallShape]:
    return [call(each) for each in found]


def call(known: CallRecord) -> CallShape:
    shape: CallShape = {
        "id": known.id,
        "tool": known.tool,
        "arguments": json_shown(known.arguments, known.approval)[0],
        "at": instant(known.at),
        "requested_by": known.requested_by,
    }
    if known.approval:
        shape["approval"], shape["reason"] = known.approval, known.reason
    if known.votes:
        shape["votes"] = list(known.votes)
    if known.verdict:
        shape["verdict"], shape["note"] = known.verdict, known.note
        shape["decided_by"], shape["decided_via"] = known.decided_by, known.decided_via
        shape["decided_at"] = instant(known.decided_at)
    if known.cleared_by:
        shape["cleared_by"] = known.cleared_by
        shape["started_at"] = instant(known.started_at)
        if known.ran_with != known.arguments:
            shape["ran_with"] = json_shown(known.ran_with, known.approval)[0]
    if known.outcome:
        shape["outcome"], shape["result"] = known.outcome, known.result[:RESULT_CHARS]
        shape["finished_at"] = instant(known.finished_at)
        if len(known.result) > RESULT_CHARS:
            shape["result_chars"] = len(known.result)
    return shape
