"""The Discord channel in a whole bridge: what people write there and see there."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from bridge_mcp.core.policy import Principal
from bridge_mcp.ports import ChannelRules, ModelReply, Outgoing, Upload
from bridge_mcp.service import OWNER
from bridge_mcp.testing import FakeModel, calls, says
from tests.integration.discord_house import Platform, first, house, tools
from tests.integration.setup import SUPERVISOR, rules_for
from tests.servers.discord import DiscordServer

HOST = Principal("host", "client", frozenset({"read", "send"}))
RELAY = rules_for(channels={"family": ChannelRules("family", "relay")})


@pytest.fixture
async def platform() -> AsyncGenerator[Platform]:
    async with DiscordServer(limits=False) as server:
        yield Platform(server)


def deletes(path: str) -> ModelReply:
    return calls(("files__delete", {"path": path}))


@pytest.mark.shows("discord.talks")
async def test_a_stranger_gets_a_code_and_is_answered_once_let_in(tmp_path: Path, platform: Platform) -> None:
    async with house(tmp_path, platform, FakeModel([says("Hello Ann.")])) as it:
        ann = platform.person("Ann")
        await ann.says("hello?")
        (told,) = await it.sees(ann.id)
        assert "does not know you yet" in told.text
        await it.bridge.pair_chat(OWNER, code=told.text.split()[-1])
        texts = [each.text for each in await it.sees(ann.id, 3)]
        assert texts[1].startswith("You are in.")
        assert texts[2] == "Hello Ann."


@pytest.mark.shows("discord.talks")
async def test_a_message_is_answered_with_its_markdown_shown(tmp_path: Path, platform: Platform) -> None:
    async with house(tmp_path, platform, FakeModel([says("Sure:\n\n```python\nprint(1)\n```")])) as it:
        ann = platform.person("Ann")
        await it.let_in(ann.id)
        await ann.says("code, please")
        (told,) = await it.sees(ann.id)
        assert "print(1)" in told.text
        assert (await it.hears(1, first(ann))) == ["code, please"]


@pytest.mark.shows("discord.talks")
async def test_a_long_text_comes_in_pieces_and_whole(tmp_path: Path, platform: Platform) -> None:
    lines = [f"line {number} of the long answer" for number in range(400)]
    async with house(tmp_path, platform, FakeModel([says("\n".join(lines))])) as it:
        ann = platform.person("Ann")
        await it.let_in(ann.id)
        await ann.says("at length, please")
        parts = len(it.channel.parts(Outgoing(ann.id, "\n".join(lines))))
        seen = await it.sees(ann.id, parts)
        assert parts > 1
        assert "\n".join(each.text for each in seen).split() == " ".join(lines).split()


@pytest.mark.shows("discord.talks")
async def test_in_a_group_it_answers_what_is_meant_for_it(tmp_path: Path, platform: Platform) -> None:
    async with house(tmp_path, platform, FakeModel([says("Yes?"), says("Right.")])) as it:
        ann, bob = platform.person("Ann"), platform.person("Bob")
        home = platform.group(ann, bob)
        await it.let_in(home)
        await ann.says("did you see that?", to=home)
        await bob.says(f"{platform.mention} are you there?", to=home)
        (answer,) = await it.sees(home)
        assert answer.text == "Yes?"
        await bob.says("no matter", to=home, reply_to=answer)
        assert [each.text for each in await it.sees(home, 2)] == ["Yes?", "Right."]


@pytest.mark.shows("discord.talks")
async def test_an_edit_before_the_answer_counts(tmp_path: Path, platform: Platform) -> None:
    async with house(tmp_path, platform, rules=RELAY) as it:
        ann = platform.person("Ann")
        await it.let_in(ann.id)
        said = await ann.says("helo")
        await it.hears(1, first(ann))
        await ann.edits(said, "hello")
        head = 0
        while (await it.hears(1, first(ann))) != ["hello"]:
            head = (await it.bridge.wait_for_events(OWNER, after=head, timeout_s=1)).cursor


@pytest.mark.shows("discord.talks")
async def test_a_file_comes_in_and_goes_out_as_it_is(tmp_path: Path, platform: Platform) -> None:
    async with house(tmp_path, platform, rules=RELAY) as it:
        ann, bob = platform.person("Ann"), platform.person("Bob")
        for each in (ann, bob):
            await it.let_in(each.id)
        await bob.says("hi")
        await it.hears(1, first(bob))
        await ann.sends_file("notes.txt", b"some notes", "text/plain", "look")
        assert await it.hears(1, first(ann)) == ["look"]
        (message,) = (await it.bridge.read_messages(OWNER, first(ann))).messages
        (file,) = message.attachments
        assert (file.name, file.size) == ("notes.txt", 10)
        assert await it.channel.fetch(file, 1000) == b"some notes"
        upload = Upload("file", "back.txt", "text/plain", data=b"thanks")
        for part in it.channel.parts(Outgoing(bob.id, "here", (upload,))):
            await it.channel.send(part)
        (seen,) = await it.sees(bob.id)
        assert (seen.text, seen.files) == ("here", (("back.txt", b"thanks"),))


@pytest.mark.shows("discord.talks")
async def test_an_agent_edits_and_reacts(tmp_path: Path, platform: Platform) -> None:
    async with house(tmp_path, platform, rules=RELAY) as it:
        ann = platform.person("Ann")
        await it.let_in(ann.id)
        await ann.says("hello")
        await it.hears(1, first(ann))
        sent = await it.bridge.send_message(HOST, first(ann), "firts")
        await it.sees(ann.id)
        await it.bridge.edit_message(HOST, sent.message, "first")
        await platform.until(lambda: platform.seen(ann.id)[0].text == "first")
        (message, _) = (await it.bridge.read_messages(OWNER, first(ann))).messages
        done = await it.bridge.react(HOST, message.id, "👍")
        assert done.status == "sent"


@pytest.mark.shows("discord.talks")
async def test_reactions_of_people_are_told(tmp_path: Path, platform: Platform) -> None:
    async with house(tmp_path, platform, rules=RELAY) as it:
        ann = platform.person("Ann")
        await it.let_in(ann.id)
        await ann.says("hello")
        await it.hears(1, first(ann))
        await it.bridge.send_message(HOST, first(ann), "hi")
        (seen,) = await it.sees(ann.id)
        await ann.reacts(seen, "👍")
        page = await it.bridge.wait_for_events(OWNER, after=0, types=("message.reaction",), timeout_s=10)
        assert [each.body["reactions"] for each in page.events] == [["👍"]]


@pytest.mark.shows("discord.talks")
async def test_a_button_answers_a_question_once(tmp_path: Path, platform: Platform) -> None:
    async with house(tmp_path, platform, rules=RELAY) as it:
        ann = platform.person("Ann")
        await it.let_in(ann.id)
        await ann.says("hello")
        await it.hears(1, first(ann))
        await it.bridge.send_message(HOST, first(ann), "Which?", buttons=["Tea", "Coffee"])
        (asked,) = await it.sees(ann.id)
        assert asked.buttons == ("Tea", "Coffee")
        assert await ann.presses(asked, "Coffee") == "Coffee"
        assert await it.hears(2, first(ann)) == ["hello", "Coffee"]


@pytest.mark.shows("discord.approvals")
async def test_an_approval_is_asked_and_only_an_approver_decides(tmp_path: Path, platform: Platform) -> None:
    toolbox = tools()
    async with house(tmp_path, platform, FakeModel([deletes("a.txt"), says("Done.")]), toolbox) as it:
        ann, bob = platform.person("Ann"), platform.person("Bob")
        home = platform.group(ann, bob)
        await it.let_in(home)
        await it.let_in(bob.id, "approver")
        await ann.says(f"{platform.mention} delete it", to=home)
        (prompt,) = await it.sees(home)
        assert "files__delete" in prompt.text
        assert "a.txt" in prompt.text
        assert "may not decide" in await ann.presses(prompt, "✅ Approve")
        assert toolbox.calls == []
        assert await bob.presses(prompt, "✅ Approve") == "Approved: files__delete."
        assert (await it.sees(home, 2))[1].text == "Done."
        await platform.until(lambda: not platform.seen(home)[0].buttons)
        assert "Approved by" in platform.seen(home)[0].text
    assert len(toolbox.calls) == 1


@pytest.mark.shows("discord.approvals")
async def test_long_arguments_are_a_file_in_the_prompt(tmp_path: Path, platform: Platform) -> None:
    path = "x" * 6000
    async with house(tmp_path, platform, FakeModel([deletes(path), says("Done.")]), tools()) as it:
        ann = platform.person("Ann")
        await it.let_in(ann.id, "approver")
        await ann.says("delete it")
        (prompt,) = await it.sees(ann.id)
        ((name, data),) = prompt.files
        assert name.endswith(".txt")
        assert json.loads(data) == {"path": path}
        assert prompt.buttons[:2] == ("✅ Approve", "❌ Reject")
        assert (await ann.presses(prompt, "❌ Reject")).startswith("Rejected")


@pytest.mark.shows("discord.approvals")
async def test_a_prompt_tells_when_somebody_else_decided(tmp_path: Path, platform: Platform) -> None:
    async with house(tmp_path, platform, FakeModel([deletes("a"), says("I see.")]), tools()) as it:
        ann = platform.person("Ann")
        await it.let_in(ann.id, "approver")
        await ann.says("delete it")
        await it.sees(ann.id)
        (waiting,) = await it.bridge.list_approvals(OWNER)
        await it.bridge.reject_call(SUPERVISOR, waiting.id, reason="not today")
        await platform.until(lambda: "Rejected by" in platform.seen(ann.id)[0].text)
        assert platform.seen(ann.id)[0].buttons == ()


@pytest.mark.shows("discord.approvals")
async def test_expiry_is_told(tmp_path: Path, platform: Platform) -> None:
    rules = rules_for(expires_s=0.5)
    async with house(tmp_path, platform, FakeModel([deletes("a"), says("Too late.")]), tools(), rules=rules) as it:
        ann = platform.person("Ann")
        await it.let_in(ann.id, "approver")
        await ann.says("delete it")
        await it.sees(ann.id)
        await platform.until(lambda: "Nobody decided in time" in platform.seen(ann.id)[0].text)


@pytest.mark.shows("discord.talks")
async def test_an_answer_that_is_lost_is_uncertain_or_settled_and_never_there_twice(
    tmp_path: Path, platform: Platform
) -> None:
    async with house(tmp_path, platform, rules=RELAY) as it:
        ann = platform.person("Ann")
        await it.let_in(ann.id)
        await ann.says("hello")
        await it.hears(1, first(ann))
        platform.loses_an_answer()
        sent = await it.bridge.send_message(HOST, first(ann), "once")
        assert sent.status == ("sent" if it.channel.traits.can.settles_s else "uncertain")
        await it.bridge.send_message(HOST, first(ann), "next")
        assert [each.text for each in await it.sees(ann.id, 2)] == ["once", "next"]


@pytest.mark.shows("discord.talks")
async def test_a_flood_is_waited_for(tmp_path: Path, platform: Platform) -> None:
    async with house(tmp_path, platform, rules=RELAY) as it:
        ann = platform.person("Ann")
        await it.let_in(ann.id)
        await ann.says("hello")
        await it.hears(1, first(ann))
        platform.floods(1)
        sent = await it.bridge.send_message(HOST, first(ann), "patience", wait_s=0)
        assert sent.status in ("queued", "sending")
        assert [each.text for each in await it.sees(ann.id)] == ["patience"]


@pytest.mark.shows("discord.talks")
async def test_what_was_written_while_the_bridge_was_down_is_answered(tmp_path: Path, platform: Platform) -> None:
    ann = platform.person("Ann")
    async with house(tmp_path, platform, FakeModel([says("One.")])) as it:
        await it.let_in(ann.id)
        await ann.says("first")
        await it.sees(ann.id)
    await ann.says("second")
    async with house(tmp_path, platform, FakeModel([says("Two.")])) as it:
        assert [each.text for each in await it.sees(ann.id, 2)] == ["One.", "Two."]
        assert await it.hears(2, first(ann)) == ["first", "second"]


@pytest.mark.shows("discord.talks")
async def test_commands_are_answered_and_reach_no_model(tmp_path: Path, platform: Platform) -> None:
    model = FakeModel()
    async with house(tmp_path, platform, model) as it:
        ann = platform.person("Ann")
        await it.let_in(ann.id)
        await ann.says("/whoami")
        (told,) = await it.sees(ann.id)
        assert f"family:{ann.id}" in told.text.replace("\\", "")
    assert model.requests == []


async def test_nobody_is_let_in_by_a_press_or_an_edit(tmp_path: Path, platform: Platform) -> None:
    async with house(tmp_path, platform, rules=RELAY) as it:
        ann, eve = platform.person("Ann"), platform.person("Eve")
        home = platform.group(ann, eve)
        await it.let_in(home)
        await ann.says(f"{platform.mention} hello", to=home)
        await it.hears(1, f"family/{home}")
        await it.bridge.send_message(HOST, f"family/{home}", "Which?", buttons=["Tea"])
        (asked,) = await it.sees(home)
        await it.bridge.unpair_chat(OWNER, channel="family", chat=home)
        assert await eve.presses(asked, "Tea") == "This button is not yours to press."
