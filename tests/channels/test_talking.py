"""Talking, on every platform: who is let in, what is answered, and how texts, files, edits and reactions arrive."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bridge_mcp.service import OWNER
from tests.channels.platforms import File, Platform
from tests.channels.stage import Stage, staged


@pytest.mark.shows("chats.platforms")
async def test_a_stranger_gets_a_code_and_is_answered_once_let_in(platform: Platform, tmp_path: Path) -> None:
    platform.sends()
    async with staged(tmp_path, platform) as it, it.up() as bridge:
        ann = platform.human("Ann")
        await ann.says(ann.dm, "hello?")
        (told,) = await ann.dm.says(1)
        code = re.search(r"\b[A-Z0-9]{8}\b", told.text)
        assert code is not None
        paired = await bridge.pair_chat(OWNER, code=code[0])
        assert (paired.subject, paired.name) == (ann.id, "Ann")
        said = await ann.dm.until(lambda said: any(each.text == "echo: hello?" for each in said))
        assert said[0].id == told.id
        assert platform.name in str(await bridge.list_channels(OWNER))


@pytest.mark.shows("chats.platforms")
async def test_in_a_group_only_what_is_meant_for_the_bot_is_answered(platform: Platform, tmp_path: Path) -> None:
    platform.needs("groups")
    async with staged(tmp_path, platform) as it, it.up():
        ann, bob = platform.human("Ann"), platform.human("Bob")
        group = platform.group(ann, bob)
        await it.let_in(group)
        await bob.says(group, "lunch?")
        await ann.says(group, "what is up", to_bot=True)
        (said,) = await group.says(1)
        assert said.text.startswith("echo:")
        assert said.text.endswith("what is up")


@pytest.mark.shows("chats.platforms")
async def test_markdown_is_shown_as_it_is_meant_and_nothing_of_it_is_lost(platform: Platform, tmp_path: Path) -> None:
    platform.needs("markdown")
    async with staged(tmp_path, platform) as it, it.up() as bridge:
        ann = platform.human("Ann")
        await it.let_in(ann)
        await ann.says(ann.dm, "hi")
        await ann.dm.says(1)
        text = "**bold** and `code` <b>& a_b\n\n- one\n- two\n\n```py\nx = '<a>'\n```\n"
        await bridge.send_message(OWNER, f"family/{ann.id}", text)
        shown = (await ann.dm.says(2))[-1]
        assert "bold" in shown.bold
        assert {"code", "x = '<a>'"} <= {each.strip() for each in shown.code}
        assert "<b>& a_b" in shown.text
        assert all(word in shown.text for word in ("one", "two", "x = '<a>'"))
        assert "**" not in shown.text


@pytest.mark.shows("chats.platforms")
async def test_a_long_text_comes_in_order_and_whole(platform: Platform, tmp_path: Path) -> None:
    platform.sends()
    async with staged(tmp_path, platform) as it, it.up() as bridge:
        ann = platform.human("Ann")
        await it.let_in(ann)
        await ann.says(ann.dm, "hi")
        await ann.dm.says(1)
        words = " ".join(f"word{number}" for number in range(platform.can.text_chars // 3))
        sent = await bridge.send_message(OWNER, f"family/{ann.id}", words, wait_s=20)
        assert sent.status == "sent"
        parts = ann.dm.all()[1:]
        assert len(parts) > 1
        assert all(len(each.text) <= platform.can.text_chars for each in parts)
        assert " ".join(each.text for each in parts).split() == words.split()


@pytest.mark.shows("chats.platforms")
async def test_files_come_and_go(platform: Platform, tmp_path: Path) -> None:
    platform.needs("files_in", "file_bytes")
    async with staged(tmp_path, platform) as it, it.up() as bridge:
        ann = platform.human("Ann")
        await it.let_in(ann)
        await ann.says(ann.dm, "look", files=[File("notes.txt", b"some notes")])
        await ann.dm.says(1)
        heard = (await bridge.read_messages(OWNER, f"family/{ann.id}")).messages[0]
        assert [(each.name, each.size) for each in heard.attachments] == [("notes.txt", 10)]
        got = await bridge.fetch_attachment(OWNER, heard.id)
        assert got.data == b"some notes"
        (tmp_path / "state" / "outbox").mkdir(exist_ok=True)
        (tmp_path / "state" / "outbox" / "plan.txt").write_text("the plan")
        sent = await bridge.send_message(OWNER, f"family/{ann.id}", "here", files=["plan.txt"], wait_s=20)
        assert sent.status == "sent"
        shown = ann.dm.all()[1:]
        assert [name for each in shown for name in each.files] == ["plan.txt"]
        assert any("here" in each.text for each in shown)


@pytest.mark.shows("chats.platforms")
async def test_several_files_are_one_message(platform: Platform, tmp_path: Path) -> None:
    platform.needs("albums")
    async with staged(tmp_path, platform) as it, it.up() as bridge:
        ann = platform.human("Ann")
        await it.let_in(ann)
        await ann.says(ann.dm, "both", files=[File("a.txt", b"a"), File("b.txt", b"bb")])
        await ann.dm.says(1)
        (heard, _) = (await bridge.read_messages(OWNER, f"family/{ann.id}")).messages
        assert [each.size for each in heard.attachments] == [1, 2]


@pytest.mark.shows("chats.platforms")
async def test_edits_and_reactions_reach_the_chat(platform: Platform, tmp_path: Path) -> None:
    platform.needs("edits", "reactions")
    async with staged(tmp_path, platform) as it, it.up() as bridge:
        ann = platform.human("Ann")
        await it.let_in(ann)
        asked = await ann.says(ann.dm, "one")
        await ann.dm.says(1)
        conversation = f"family/{ann.id}"
        heard, answered = (await bridge.read_messages(OWNER, conversation)).messages
        sent = await bridge.send_message(OWNER, conversation, "first words", wait_s=20)
        await bridge.edit_message(OWNER, sent.message, "other words")
        said = await ann.dm.until(lambda said: "other words" in said[-1].text)
        assert len(said) == 2
        await bridge.react(OWNER, heard.id, "👍")
        await platform.until(lambda: platform.reactions(ann.dm, asked) == ["👍"])
        assert answered.text == "echo: one"


@pytest.mark.shows("chats.platforms")
async def test_what_people_change_is_heard(platform: Platform, tmp_path: Path) -> None:
    platform.needs("edits_in")
    async with staged(tmp_path, platform) as it, it.up():
        ann = platform.human("Ann")
        await it.let_in(ann)
        asked = await ann.says(ann.dm, "one")
        await ann.dm.says(1)
        await ann.edits(ann.dm, asked, "one, but better")
        await it.event("message.edited", lambda event: "buttons" not in event.body)
        assert (await it.texts(ann.id))[0] == "one, but better"


@pytest.mark.shows("chats.platforms")
async def test_a_file_comes_with_its_bytes(platform: Platform, tmp_path: Path) -> None:
    platform.needs("files_in")
    async with staged(tmp_path, platform) as it, it.up() as bridge:
        ann = platform.human("Ann")
        await it.let_in(ann)
        await ann.says(ann.dm, "look", files=[File("notes.txt", b"some notes")])
        await ann.dm.says(1)
        heard = [each for each in (await bridge.read_messages(OWNER, f"family/{ann.id}")).messages if each.attachments]
        assert [each.name for each in heard[0].attachments] == ["notes.txt"]
        assert (await bridge.fetch_attachment(OWNER, heard[0].id)).data == b"some notes"


@pytest.mark.shows("chats.platforms")
async def test_what_came_while_it_was_down_is_answered_once_and_in_order(platform: Platform, tmp_path: Path) -> None:
    platform.needs("history")
    async with staged(tmp_path, platform) as it:
        ann = platform.human("Ann")
        async with it.up():
            await it.let_in(ann)
            await ann.says(ann.dm, "zero")
            await ann.dm.says(1)
        for word in ("one", "two"):
            await ann.says(ann.dm, word)
        async with it.up():
            said = await ann.dm.until(lambda said: "two" in said[-1].text)
            await ann.says(ann.dm, "three")
            said = await ann.dm.until(lambda said: "three" in said[-1].text)
        heard = [each for each in await once_more(it, ann.id) if not each.startswith("echo")]
        assert heard == ["zero", "one", "two", "three"]
        assert len(said) == len({each.text for each in said})


async def once_more(it: Stage, chat: str) -> list[str]:
    """What a chat holds, told by a bridge that was started again."""
    async with it.up():
        return await it.texts(chat)
