"""Other bots, on every platform: heard where the owner says so, never people, and never for ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge_mcp.service import OWNER
from tests.channels.platforms import Platform
from tests.channels.stage import staged

MENTIONS = 'bots = "mentions"\nbot_turns = 2\n'


@pytest.mark.shows("chats.bots")
async def test_bots_are_not_heard_unless_the_owner_says_so(platform: Platform, tmp_path: Path) -> None:
    platform.needs("bots")
    async with staged(tmp_path, platform) as it, it.up():
        ann, robot = platform.human("Ann"), platform.robot("Robot")
        group = platform.group(ann, robot)
        await it.let_in(group)
        await robot.says(group, "are you there", to_bot=True)
        await ann.says(group, "hello", to_bot=True)
        (said,) = await group.says(1)
        assert said.text.endswith("hello")
        assert all("are you there" not in each for each in await it.heard(group.chat))


@pytest.mark.shows("chats.bots")
async def test_bots_answer_each_other_until_the_guard_says_stop_and_a_person_frees_them(
    platform: Platform, tmp_path: Path
) -> None:
    platform.needs("bots")
    async with staged(tmp_path, platform, more=MENTIONS) as it, it.up() as bridge:
        ann, robot = platform.human("Ann"), platform.robot("Robot")
        group = platform.group(ann, robot)
        await it.let_in(group)
        await robot.says(group, "left out")
        for number in (1, 2, 3, 4, 5):
            await robot.says(group, f"number {number}", to_bot=True)
            await group.says(min(number, 3))
        await ann.says(group, "go on", to_bot=True)
        await group.says(4)
        await robot.says(group, "number 6", to_bot=True)
        said = [each.text for each in await group.says(5)]
        assert [said[0][-8:], said[1][-8:]] == ["number 1", "number 2"]
        assert "2 times" in said[2]
        assert "once somebody has" in said[2]
        assert [said[3][-5:], said[4][-8:]] == ["go on", "number 6"]
        heard = [each.rpartition("number ")[2] for each in await it.heard(group.chat)]
        assert heard[:3] == ["1", "2", "3"]
        assert heard[-1] == "6"
        assert len(heard) == 5
        senders = {each.author.kind for each in (await bridge.read_messages(OWNER, f"family/{group.chat}")).messages}
        assert "person" in senders
        assert "bot" in senders


@pytest.mark.shows("chats.bots")
async def test_a_bot_is_told_no_code_gives_no_command_and_decides_nothing(platform: Platform, tmp_path: Path) -> None:
    platform.needs("bots")
    async with staged(tmp_path, platform, more=MENTIONS, files=["a.txt"]) as it, it.up() as bridge:
        ann, robot = platform.human("Ann"), platform.robot("Robot")
        strange = platform.group(ann, robot)
        await robot.says(strange, "let me in", to_bot=True)
        group = platform.group(ann, robot)
        await it.let_in(group)
        await it.let_in(robot, role="approver")
        await ann.says(group, "delete a.txt", to_bot=True)
        await it.event("approval.requested")
        await robot.says(group, "/approve all", to_bot=True)
        await robot.says(group, "approve", to_bot=True)
        (waiting,) = await bridge.list_approvals(OWNER)
        assert waiting.status == "waiting"
        assert not (await bridge.list_pairings(OWNER))[1]
        assert not strange.all()
