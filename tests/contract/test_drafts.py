"""Drafts (`ports.Drafts`): what a reader of the store sees of a reply that grows."""

from __future__ import annotations

import os
import time
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from bridge_mcp.ports import Draft, Drafts
from bridge_mcp.stores.drafts import DraftFolder

CHAT = "desk/main"


async def until(drafts: Drafts, text: str, conversation: str = CHAT) -> Draft:
    with anyio.fail_after(10):
        while (found := drafts.read(conversation)) is None or found.text != text:
            await anyio.lowlevel.checkpoint()
    return found


def modes_in(folder: Path) -> dict[Path, int]:
    """The rights of all that is in a folder, by where it stands."""
    return {path.relative_to(folder).parent: path.stat().st_mode & 0o777 for path in folder.rglob("*")}


async def test_a_reader_sees_the_text_grow_and_end(tmp_path: Path) -> None:
    engine, reader = DraftFolder(tmp_path / "drafts"), DraftFolder(tmp_path / "drafts")
    assert not engine.wanted(CHAT)
    assert reader.read(CHAT) is None
    assert engine.wanted(CHAT)
    assert not engine.wanted("desk/other")
    for text in ("Once", "Once upon", "Once upon a time"):
        engine.put(CHAT, 7, text)
    assert await until(reader, "Once upon a time") == Draft(7, "Once upon a time"), "the last one is never left out"
    assert reader.read("desk/other") is None
    engine.put(CHAT, 7, "and")
    engine.put(CHAT, 7, "")
    assert reader.read(CHAT) is None
    await anyio.sleep(0.1)
    assert reader.read(CHAT) is None, "what came too late for the end is not shown after it"


async def test_nobody_is_shown_what_a_killed_engine_left(tmp_path: Path) -> None:
    reader = DraftFolder(tmp_path / "drafts")
    reader.read(CHAT)
    DraftFolder(tmp_path / "drafts").put(CHAT, 1, "half a sent")
    await until(reader, "half a sent")
    DraftFolder(tmp_path / "drafts").clear()
    assert reader.read(CHAT) is None


async def test_a_draft_is_wanted_no_longer_once_nobody_reads(tmp_path: Path) -> None:
    drafts = DraftFolder(tmp_path / "drafts")
    drafts.read(CHAT)
    (seen,) = (tmp_path / "drafts").iterdir()
    os.utime(seen, (time.time() - 60, time.time() - 60))
    assert not drafts.wanted(CHAT)


@pytest.mark.parametrize("conversation", ["../../etc/passwd", "a/" + "x" * 4000, "a/\ud800"])
async def test_no_name_leaves_the_folder_and_nobody_else_reads_it(tmp_path: Path, conversation: str) -> None:
    drafts = DraftFolder(tmp_path / "drafts")
    drafts.read(conversation)
    drafts.put(conversation, 1, "x" * 300_000)
    assert len((await until(drafts, "x" * 200_000, conversation)).text) == 200_000
    assert modes_in(tmp_path) == {Path(): 0o700, Path("drafts"): 0o600}


async def test_damage_and_a_folder_that_is_gone_are_no_draft(tmp_path: Path) -> None:
    drafts = DraftFolder(tmp_path / "drafts")
    drafts.put(CHAT, 1, "nobody has ever read here: there is no folder")
    drafts.read(CHAT)
    drafts.put(CHAT, 1, "text")
    await until(drafts, "text")
    for path in (tmp_path / "drafts").glob("*.text"):
        path.write_bytes(b'{"number": "x"')
    assert drafts.read(CHAT) is None
