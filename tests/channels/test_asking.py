"""Approvals, on every platform: who may decide, what is seen before, and what the prompt says afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge_mcp.service import OWNER
from tests.channels.platforms import Platform
from tests.channels.stage import staged


@pytest.mark.shows("chats.platforms")
async def test_an_approver_presses_and_the_prompt_says_who_decided(platform: Platform, tmp_path: Path) -> None:
    platform.needs("prompts", "buttons", "edits")
    async with staged(tmp_path, platform, files=["plan.txt"]) as it, it.up():
        ann = platform.human("Ann")
        await it.let_in(ann, role="approver")
        await ann.says(ann.dm, "delete plan.txt")
        (asked,) = await ann.dm.until(lambda said: said and said[-1].buttons)
        assert "plan.txt" in asked.text
        assert it.files.joinpath("plan.txt").exists()
        await ann.presses(ann.dm, asked, "Approve")
        said = await ann.dm.until(lambda said: len(said) > 1 and not said[0].buttons)
        assert "Approved by Ann" in said[0].text
        assert not it.files.joinpath("plan.txt").exists()
        assert "plan.txt" in said[1].text


@pytest.mark.shows("chats.platforms")
async def test_nobody_else_decides_whoever_they_are(platform: Platform, tmp_path: Path) -> None:
    """Not a user without the role, not a member of a group whose chat is let in as an approver, not a stranger."""
    platform.needs("prompts", "buttons", "groups")
    async with staged(tmp_path, platform, files=["plan.txt"]) as it, it.up() as bridge:
        ann, bob, eve = (platform.human(name) for name in ("Ann", "Bob", "Eve"))
        group = platform.group(ann, bob, eve)
        await it.let_in(group, role="approver")
        await it.let_in(bob, role="user")
        await it.let_in(ann, role="approver")
        await bob.says(group, "delete plan.txt", to_bot=True)
        (asked,) = await group.until(lambda said: said and said[-1].buttons)
        for each in (bob, eve):
            assert await each.presses(group, asked, "Approve")
        assert it.files.joinpath("plan.txt").exists()
        (waiting,) = await bridge.list_approvals(OWNER)
        assert waiting.status == "waiting"
        await ann.presses(group, asked, "Approve")
        await group.until(lambda said: len(said) > 1 and "Approved by Ann" in said[0].text)
        assert not it.files.joinpath("plan.txt").exists()


@pytest.mark.shows("chats.platforms")
async def test_an_approval_that_nobody_gives_expires_and_says_so(platform: Platform, tmp_path: Path) -> None:
    platform.needs("prompts")
    async with staged(tmp_path, platform, files=["plan.txt"], approvals="expires_s = 1.0") as it, it.up():
        ann = platform.human("Ann")
        await it.let_in(ann, role="approver")
        await ann.says(ann.dm, "delete plan.txt")
        said = await ann.dm.until(lambda said: said and "Nobody decided in time" in said[0].text)
        assert not said[0].buttons
        assert it.files.joinpath("plan.txt").exists()


@pytest.mark.shows("chats.platforms")
async def test_long_arguments_are_a_file_above_the_buttons(platform: Platform, tmp_path: Path) -> None:
    name = "x" * 3200
    platform.needs("prompts", "file_bytes")
    async with staged(tmp_path, platform) as it, it.up():
        ann = platform.human("Ann")
        await it.let_in(ann, role="approver")
        await ann.says(ann.dm, f"delete {name}")
        said = await ann.dm.until(lambda said: any(each.buttons for each in said))
        buttons = next(at for at, each in enumerate(said) if each.buttons)
        files = next(at for at, each in enumerate(said) if each.files)
        assert files <= buttons
        assert "in the file, whole" in said[buttons].text
