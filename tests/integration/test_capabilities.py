"""What a channel declares is all that the rest knows of it: clients are told, and what goes beyond it is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from bridge_mcp.core.capabilities import Capabilities, check_post
from bridge_mcp.core.entries import Attachment, Posted
from bridge_mcp.core.errors import BadInput, Unsupported
from bridge_mcp.operations.engine_settings import publish_settings, published_settings, settings_of
from bridge_mcp.ports import ChannelRules, ChannelTraits
from bridge_mcp.server.tools.status_answers import Channels
from bridge_mcp.testing import FakeModel, calls, says
from tests.integration.setup import ANN, HOST, OWNER, SUPERVISOR, rules_for, world
from tests.integration.test_platform import pair, tools

RELAY = rules_for(channels={name: ChannelRules(name, "relay") for name in ("local", "family")})
WORDS = Capabilities(text_chars=2_000, prompts=True)
"""A platform of words alone."""


@pytest.mark.shows("chats.declared")
async def test_what_a_channel_cannot_do_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    async with world(tmp_path, rules=RELAY, can=WORDS) as it:
        chat = await pair(it)
        sent = await it.bridge.send_message(HOST, chat, "plain words", wait_s=20)
        assert sent.status == "sent"
        for refused in (
            it.bridge.send_message(HOST, chat, "which?", buttons=["this", "that"]),
            it.bridge.edit_message(HOST, sent.message, "other words"),
            it.bridge.react(HOST, sent.message, "👍"),
        ):
            with pytest.raises(Unsupported, match="channel 'family'"):
                await refused
        log = await it.bridge.read_log(OWNER, chat)
        assert [e.entry.text for e in log if isinstance(e.entry, Posted)] == ["plain words"]
        assert [type(action).__name__ for action in it.family.attempts] == ["Outgoing"]


def test_files_are_measured_by_what_is_declared() -> None:
    can = Capabilities(file_bytes=1_000)
    check_post("tg", can, files=[Attachment("a", name="a.txt", size=1_000), Attachment("b", name="unknown")])
    with pytest.raises(Unsupported, match=r"at most 1,000 bytes; 'c\.txt' has 1,001"):
        check_post("tg", can, files=[Attachment("c", name="c.txt", size=1_001)])
    with pytest.raises(BadInput, match="sends no files"):
        check_post("tg", WORDS, files=[Attachment("a", name="a.txt", size=1)])


async def test_choices_are_in_the_text_where_there_are_no_buttons(tmp_path: Path) -> None:
    async with world(tmp_path, rules=RELAY, can=WORDS) as it:
        chat = await pair(it)
        asked = await it.bridge.ask_user(HOST, chat, "Tea or coffee?", choices=["Tea", "Cof*fee"])
        (shown,) = await it.family.wait_for_sent(1)
        assert shown.text == "Tea or coffee?\n\n- Tea\n- Cof\\*fee"
        await it.family.receive("tea", chat="7", sender=ANN)
        assert (await it.bridge.wait_for(HOST, asked.id)).text == "Tea"


@pytest.mark.shows("approvals.shown-whole")
async def test_a_call_that_cannot_be_shown_whole_is_not_approved_there(tmp_path: Path) -> None:
    model = FakeModel([calls(("files__delete", {"name": "x" * 3_000})), says("Done.")])
    async with world(tmp_path, model, tools(), can=WORDS) as it:
        await pair(it, "7", "approver")
        await it.family.receive("delete it", chat="7", sender=ANN)
        (told,) = await it.family.wait_for_sent(1)
        assert "could not be shown here whole" in told.text
        (waiting,) = await it.approvals()
        await it.family.receive(f"/approve {waiting.id}", chat="7", sender=ANN)
        (_, answered) = await it.family.wait_for_sent(2)
        assert "could not be shown here whole" in answered.text
        assert [each.id for each in await it.approvals()] == [waiting.id]


async def test_an_outcome_is_a_message_where_nothing_can_be_edited(tmp_path: Path) -> None:
    model = FakeModel([calls(("files__delete", {"name": "a"})), says("Done.")])
    async with world(tmp_path, model, tools(), can=WORDS) as it:
        await pair(it, "7", "approver")
        await it.family.receive("delete it", chat="7", sender=ANN)
        (prompt,) = await it.family.wait_for_sent(1)
        assert "/approve" in prompt.text
        assert not prompt.buttons
        (waiting,) = await it.approvals()
        await it.bridge.reject_call(SUPERVISOR, waiting.id, reason="no")
        await it.family.until(lambda: any("Rejected by supervisor" in each.text for each in it.family.sent))
        assert not it.family.edited


@pytest.mark.shows("chats.declared")
async def test_clients_are_told_and_so_is_every_other_process(tmp_path: Path) -> None:
    async with world(tmp_path, rules=RELAY, can=replace(WORDS, markdown=("bold",), settles_s=5.0)) as it:
        answer = Channels.of({"channels": await it.bridge.list_channels(SUPERVISOR)}).model_dump()
        can = next(each["can"] for each in answer["channels"] if each["name"] == "family")
        assert (can["text_chars"], can["markdown"], can["edits"], can["buttons"]) == (2_000, ["bold"], False, 0)
        traits = {"family": it.family.traits, "old": ChannelTraits("old", "telegram")}
        await publish_settings(it.store, settings_of("", "", traits, RELAY, {}))
        told = await published_settings(it.store)
        assert told is not None
        assert {each.name: each.traits for each in told.channels} == traits
