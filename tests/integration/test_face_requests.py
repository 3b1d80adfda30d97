"""Verdicts on calls that clients run themselves, over MCP by processes: both eras over HTTP, and over a kill."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from mcp.client.client import Client

from tests.integration.face_child import ALL, CALLER
from tests.integration.face_clients import ERAS, answer, child_serving, over_http, refusal

REFUND = {"tool": "refund", "arguments": {"amount": 5}, "reason": "charged twice", "idempotency_key": "one"}


async def decided(supervisor: Client) -> dict[str, str]:
    """Let the one call that waits run, with other arguments."""
    while not (waiting := (await answer(supervisor, "list_approvals"))["approvals"]):
        await answer(supervisor, "wait_for_events", timeout_s=1)
    (approval,) = waiting
    await answer(supervisor, "approve_call", approval_id=approval["id"], arguments={"amount": 4}, note="four")
    return approval


@pytest.mark.shows("approvals.provider-kept")
async def test_a_client_asks_takes_and_reports_in_both_eras_over_a_kill_and_nobody_else_does(tmp_path: Path) -> None:
    older, newer = ERAS
    with child_serving(tmp_path) as (_, address):
        async with over_http(older, address, CALLER) as agent, over_http(newer, address, ALL) as supervisor:
            deciding = asyncio.create_task(decided(supervisor))
            ticket = await answer(agent, "request_approval", **REFUND, wait_s=20)
            approval = await deciding
            assert approval["tool"] == "request:caller__refund"
            assert (ticket["state"], ticket["outcome"], ticket["text"]) == ("done", "approved", "four")
            verdict = ticket["structured"]
            assert (verdict["edited"], verdict["arguments"]) == (True, {"amount": 4})
            take = {"ticket": ticket["id"], "digest": verdict["digest"], "idempotency_key": "run"}
            assert (await refusal(supervisor, "consume_approval", **take))[0] == "not_found"
            code, _, fix = await refusal(agent, "consume_approval", **take | {"digest": approval["digest"]})
            assert (code, "edited" in fix) == ("bad_input", True)
    with child_serving(tmp_path) as (
        _,
        address,
    ):  # the first was killed: there is an engine anew, and the verdict holds
        async with over_http(newer, address, CALLER) as agent, over_http(older, address, CALLER) as again:
            assert (await answer(agent, "request_approval", **REFUND, wait_s=0))["structured"] == verdict
            taken = await answer(agent, "consume_approval", **take)
            assert (taken["arguments"], taken["approved_by"], taken["edited"]) == ({"amount": 4}, "all", True)
            assert await answer(again, "consume_approval", **take) == taken
            code, _, _ = await refusal(again, "consume_approval", **take | {"idempotency_key": "again"})
            assert code == "already_decided"
            over = await answer(again, "report_outcome", ticket=ticket["id"], outcome="error", text="no such payment")
            assert (over["outcome"], over["text"]) == ("error", "no such payment")
