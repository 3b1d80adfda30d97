"""Forms: a button that wants a reason, or other arguments, opens one where the platform has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge_mcp.core.entries import Sender
from bridge_mcp.ports import Outgoing
from bridge_mcp.testing import FakeModel, says
from tests.integration.setup import ANN, World, rules_for, world
from tests.integration.test_approvals import deletes
from tests.integration.test_platform import button, pair, sent, tools

STRANGER = Sender("9", "Eve")


async def asked(it: World, chat: str = "7") -> Outgoing:
    await it.family.receive("delete it", chat=chat, sender=ANN, group=chat != "7")
    return await sent(it, 1)


@pytest.mark.shows("approvals.forms")
async def test_a_reason_is_asked_for_and_the_model_reads_it(tmp_path: Path) -> None:
    model = FakeModel([deletes("a.txt"), says("I see.")])
    async with world(tmp_path, model, tools(), prompts=True, forms=True) as it:
        await pair(it, "7", "approver")
        token = button(await asked(it), "Reject").token
        form = await it.family.opens("1", token, chat="7", sender=ANN)
        assert form is not None
        assert (form.text, form.wanted) == ("", False)
        told = await it.family.press("1", token, chat="7", sender=ANN, written="not today")
        assert told == "Rejected: files__delete."
        await sent(it, 2)
        assert "not today" in next(m.text for m in model.requests[1].messages if m.role == "tool")


@pytest.mark.shows("approvals.forms")
async def test_other_arguments_are_written_into_a_form_and_checked(tmp_path: Path) -> None:
    toolbox, model = tools(), FakeModel([deletes("a.txt"), says("Done.")])
    async with world(tmp_path, model, toolbox, prompts=True, forms=True) as it:
        await pair(it, "7", "approver")
        token = button(await asked(it), "Edit").token
        form = await it.family.opens("1", token, chat="7", sender=ANN)
        assert form is not None
        assert form.text == '{\n  "path": "a.txt"\n}'
        wrong = await it.family.press("1", token, chat="7", sender=ANN, written="nonsense")
        assert "not valid JSON" in wrong
        done = await it.family.press("1", token, chat="7", sender=ANN, written='{"path":\n "b  c.txt"}')
        assert done == "Approved: files__delete."
        await sent(it, 2)
    assert toolbox.calls == [("files__delete", {"path": "b  c.txt"})]


async def test_whoever_may_not_decide_gets_no_form_and_an_approve_button_opens_none(tmp_path: Path) -> None:
    async with world(tmp_path, FakeModel([deletes("a.txt")]), tools(), prompts=True, forms=True) as it:
        await pair(it, "-5")
        await pair(it, "8", "approver")
        prompt = await asked(it, "-5")
        edit, approve = button(prompt, "Edit").token, button(prompt, "Approve").token
        assert await it.family.opens("1", edit, chat="-5", sender=ANN) is None
        assert await it.family.opens("1", edit, chat="-5", sender=STRANGER) is None
        assert await it.family.opens("1", approve, chat="-5", sender=Sender("8", "Bob")) is None
        assert "may not decide" in await it.family.press("1", edit, chat="-5", sender=ANN, written="{}")


async def test_what_is_written_behind_an_approve_button_is_ignored(tmp_path: Path) -> None:
    model = FakeModel([deletes("a.txt"), says("Done.")])
    async with world(tmp_path, model, tools(), prompts=True, forms=True) as it:
        await pair(it, "7", "approver")
        token = button(await asked(it), "Approve").token
        told = await it.family.press("1", token, chat="7", sender=ANN, written="always")
        assert told == "Approved: files__delete."


async def test_there_is_no_button_for_other_arguments_without_forms_or_with_a_quorum(tmp_path: Path) -> None:
    async with world(tmp_path, FakeModel([deletes("a.txt")]), tools(), prompts=True) as it:
        await pair(it, "7", "approver")
        assert all("Edit" not in each.label for each in (await asked(it)).buttons)
    folder = tmp_path / "quorum"
    folder.mkdir()
    rules = rules_for(quorum=2)
    async with world(folder, FakeModel([deletes("a.txt")]), tools(), rules=rules, prompts=True, forms=True) as it:
        await pair(it, "7", "approver")
        assert all("Edit" not in each.label for each in (await asked(it)).buttons)


@pytest.mark.shows("approvals.forms")
async def test_the_command_edits_too(tmp_path: Path) -> None:
    toolbox, model = tools(), FakeModel([deletes("a.txt"), says("Done.")])
    async with world(tmp_path, model, toolbox, prompts=True) as it:
        await pair(it, "7", "approver")
        await asked(it)
        (waiting,) = await it.approvals()
        await it.family.receive("/edit", chat="7", sender=ANN)
        assert "Which call" in (await sent(it, 2)).text
        await it.family.receive(f'/edit {waiting.id} {{"path": "b.txt"}}', chat="7", sender=ANN)
        await sent(it, 4)
    assert toolbox.calls == [("files__delete", {"path": "b.txt"})]
