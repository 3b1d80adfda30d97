"""One action can be followed through the feed alone: each event of a call names it, its approval and its digest."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge_mcp.core.events import Event
from bridge_mcp.core.tools import call_digest, parse_arguments
from tests.integration.setup import HOST, OWNER, SUPERVISOR, World, world
from tests.integration.test_express import bench

OF_CALLS = ("approval.requested", "approval.voted", "approval.decided", "tool.started", "tool.finished")


async def life(it: World, conversation: str) -> list[Event]:
    """The events of a call's conversation, in order."""
    await it.events("tool.finished")
    page = await it.store.feed.read(0, 100, types=OF_CALLS, conversation=conversation)
    return list(page.events)


async def test_a_call_that_was_approved_as_edited_is_followed_by_its_digests(tmp_path: Path) -> None:
    async with world(tmp_path, toolbox=bench()) as it:
        ticket = await it.bridge.call_tool(HOST, "bench__write", {"path": "a"}, wait_s=0)
        (approval,) = await it.approvals()
        await it.bridge.approve_call(SUPERVISOR, approval.id, arguments={"path": "b"})
        told = await life(it, ticket.conversation)
        assert [event.type for event in told] == [
            *("approval.requested", "approval.decided", "tool.started", "tool.finished")
        ]
        assert {(str(event.body["call"]), str(event.body["approval"])) for event in told} == {("0.0", approval.id)}
        spec = next(spec for spec in it.toolbox.tools() if spec.name == "bench__write")
        edited = call_digest(spec, parse_arguments('{"path":"b"}'))
        assert [event.body["digest"] for event in told] == [approval.digest, edited, edited, edited]
        assert {str(event.body["requested_by"]) for event in told if "requested_by" in event.body} == {HOST.name}
        assert (told[1].body["by"], told[1].body["via"]) == (SUPERVISOR.name, SUPERVISOR.via)
        assert told[2].body["cleared_by"] == "verdict"


@pytest.mark.parametrize("how", ["reject", "stop"])
async def test_a_call_that_never_ran_ends_with_the_digest_of_what_was_asked(tmp_path: Path, how: str) -> None:
    async with world(tmp_path, toolbox=bench()) as it:
        ticket = await it.bridge.call_tool(HOST, "bench__write", {"path": "a"}, wait_s=0)
        (approval,) = await it.approvals()
        if how == "reject":
            await it.bridge.reject_call(OWNER, approval.id)
        else:
            await it.bridge.cancel(HOST, ticket.id)
        told = await life(it, ticket.conversation)
        assert [event.type for event in told] == ["approval.requested", "approval.decided", "tool.finished"]
        assert {str(event.body["digest"]) for event in told} == {approval.digest}


async def test_a_free_call_is_told_with_its_digest(tmp_path: Path) -> None:
    async with world(tmp_path, toolbox=bench()) as it:
        ticket = await it.bridge.call_tool(HOST, "bench__look", {"path": "a"})
        told = await life(it, ticket.conversation)
        assert [event.type for event in told] == ["tool.started", "tool.finished"]
        assert len({str(event.body["digest"]) for event in told}) == 1
        assert str(told[0].body["digest"]).startswith("sha256:")
        assert {str(event.body["requested_by"]) for event in told} == {HOST.name}
