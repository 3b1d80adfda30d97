"""An approval prompt is measured as it is shown, and nothing can be approved by a button before all of it is there."""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import pytest

from bridge_mcp.core.errors import SendFailed, SendUncertain
from bridge_mcp.core.safe_text import hidden
from bridge_mcp.ports import Outgoing
from bridge_mcp.testing import FakeModel, calls, says
from tests.integration.setup import ANN, OWNER, SUPERVISOR, World, world
from tests.integration.test_platform import pair, sent, tools

ONE_MESSAGE = 4096
"""Characters that the platform with the shortest messages shows in one."""

LONG_AS_SHOWN = {
    "overrides": "\u202e" * 400,
    "controls": "\x1b" * 600,
    "tags": "\U000e0041" * 400,
    "many short lines": [[[[1]]]] * 200,
    "emoji of two units each": "🐈" * 2_500,
    "plain": "x" * 5_000,
}


def wants(value: object) -> FakeModel:
    return FakeModel([calls(("files__delete", {"name": value})), says("Done.")])  # pyright: ignore[reportArgumentType]


async def asked(it: World) -> None:
    """Ann, who may approve, has the assistant make its call."""
    await pair(it, "7", "approver")
    await it.family.receive("delete it", chat="7", sender=ANN)


def buttons(it: World) -> list[str]:
    """The labels of all buttons that reached the platform."""
    return [button.label for message in it.family.sent for button in message.buttons]


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


@pytest.mark.parametrize("kind", LONG_AS_SHOWN)
async def test_arguments_that_are_long_as_shown_go_as_a_file_that_hides_nothing(tmp_path: Path, kind: str) -> None:
    value = LONG_AS_SHOWN[kind]
    async with world(tmp_path, wants(value), tools(), prompts=True) as it:
        await asked(it)
        prompt = await sent(it, 1)
        assert units(prompt.text) <= 1024, "it is the caption of the file, so that both go out as one"
        (file,) = prompt.uploads
        assert (file.mime, file.name.endswith(".txt")) == ("text/plain", True)
        assert file.data is not None
        text = file.data.decode("utf-8")
        assert json.loads(text) == {"name": value}
        assert hidden(text) <= {"\n"}
        assert len(prompt.buttons) == 3


async def test_every_prompt_without_a_file_fits_into_one_message(tmp_path: Path) -> None:
    for size in (0, 1, 100, 250, 330, 350, 374, 400):
        folder = tmp_path / str(size)
        folder.mkdir()
        async with world(folder, wants("\u202e" * size), tools(), prompts=True) as it:
            await asked(it)
            prompt = await sent(it, 1)
            assert units(prompt.text) <= ONE_MESSAGE
            assert bool(prompt.uploads) == (prompt.text.count("<U+202E>") < size), "in the message or in the file"


async def test_long_names_and_notes_are_cut_as_they_are_shown(tmp_path: Path) -> None:
    async with world(tmp_path, wants("a"), tools(), prompts=True) as it:
        await pair(it, "7", "approver")
        await it.family.receive("delete it", chat="7", sender=ANN)
        (waiting,) = await it.approvals()
        await it.bridge.reject_call(SUPERVISOR, waiting.id, reason="\u202e" * 500)
        await it.family.until(lambda: bool(it.family.edited))
        text = it.family.edited[0].text
        assert units(text) <= ONE_MESSAGE
        assert "Rejected by supervisor: \\<U\\+202E\\>" in text
        assert text.endswith("…")


async def test_long_arguments_of_the_approver_leave_the_outcome_short(tmp_path: Path) -> None:
    async with world(tmp_path, wants("a"), tools(), prompts=True) as it:
        await asked(it)
        await sent(it, 1)
        (waiting,) = await it.approvals()
        await it.bridge.approve_call(SUPERVISOR, waiting.id, arguments={"name": "\u202e" * 600})
        await it.family.until(lambda: bool(it.family.edited))
        text = it.family.edited[0].text
        assert units(text) <= ONE_MESSAGE
        assert "It runs with other arguments" in text
        assert "bridge-mcp log family/7" in text


@pytest.mark.shows("approvals.shown-whole")
@pytest.mark.parametrize("error", [SendUncertain("the connection broke"), SendFailed("forbidden")])
async def test_no_approve_button_goes_out_behind_a_part_that_may_be_missing(tmp_path: Path, error: SendFailed) -> None:
    async with world(tmp_path, wants("a"), tools(), prompts=True, part_size=60) as it:
        await pair(it, "7", "approver")
        it.family.fail(error)
        await it.family.receive("delete it", chat="7", sender=ANN)
        (failed,) = await it.events("message.failed")
        assert "forbidden" in str(failed.body["reason"]) or "bridge-mcp approvals" in str(failed.body["reason"])
        (waiting,) = await it.approvals()
        await it.family.until(lambda: f"/reject {waiting.id}" in "".join(each.text for each in it.family.sent))
        assert buttons(it) == []
        told = "".join(each.text for each in it.family.sent)
        assert "bridge-mcp approvals" in told
        assert f"/approve {waiting.id}" not in told
        # it can be decided elsewhere all the same
        await it.bridge.approve_call(SUPERVISOR, waiting.id)
        await it.events("turn.finished")
        assert [tool for tool, _ in it.toolbox.calls] == ["files__delete"]


@pytest.mark.shows("approvals.shown-whole")
@pytest.mark.parametrize("error", [SendUncertain("the connection broke"), SendFailed("forbidden")])
async def test_nobody_approves_in_words_what_the_chat_was_not_shown_whole(tmp_path: Path, error: SendFailed) -> None:
    async with world(tmp_path, wants("a"), tools(), prompts=True, part_size=60) as it:
        await pair(it, "7", "approver")
        it.family.fail(error)
        await it.family.receive("delete it", chat="7", sender=ANN)
        await it.events("message.failed")
        (waiting,) = await it.approvals()
        for number, text in enumerate((f"/approve {waiting.id}", f"/approve {waiting.id} always"), start=1):
            before = len(it.family.sent)
            await it.family.receive(text, chat="7", sender=ANN, key=f"typed {number}")
            await it.family.until(lambda: "shown here whole" in "".join(each.text for each in it.family.sent[before:]))  # noqa: B023
        assert [each.status for each in await it.bridge.list_approvals(OWNER)] == ["waiting"]
        assert it.toolbox.calls == []
        await it.family.receive(f"/reject {waiting.id} unseen", chat="7", sender=ANN)
        await it.events("turn.finished")
        assert [each.status for each in await it.bridge.list_approvals(OWNER, status="any")] == ["rejected"]


async def test_a_dead_engine_in_the_middle_of_a_prompt_leaves_no_approve_button(tmp_path: Path) -> None:
    async with world(tmp_path, wants("a"), tools(), prompts=True, part_size=60) as it:
        await pair(it, "7", "approver")
        it.family.fail(SendFailed("flood", retry_after_s=60.0))
        await it.family.receive("delete it", chat="7", sender=ANN)
        await it.family.until(lambda: bool(it.family.attempts))
        (waiting,) = await it.approvals()
    async with world(tmp_path, FakeModel([says("Done.")]), tools(), prompts=True, part_size=60, engine=False) as it:
        (prompt,) = [m for m in (await it.bridge.read_messages(OWNER, "family/7")).messages if m.buttons]
        place, _, seq = prompt.id.partition("#")
        await it.store.outbox.postpone(place, int(seq), 0.0, "again")
        assert await it.store.outbox.begin(place, int(seq)) is not None
    async with world(tmp_path, FakeModel([says("Done.")]), tools(), prompts=True, part_size=60) as it:
        await it.events("message.failed")
        await it.family.until(lambda: f"/reject {waiting.id}" in "".join(each.text for each in it.family.sent))
        assert buttons(it) == []


async def test_other_messages_with_buttons_still_follow_an_uncertain_part(tmp_path: Path) -> None:
    async with world(tmp_path, prompts=True, part_size=3) as it:
        await pair(it)
        it.family.fail(SendUncertain("the connection broke"))
        await it.bridge.ask_user(OWNER, "family/7", "Tea or coffee?", choices=["tea"])
        with anyio.fail_after(10):
            last: Outgoing = (await it.family.wait_for_sent(4))[-1]
        assert [each.label for each in last.buttons] == ["tea"]
