"""The files server of the demo, nested behind the box as the demo has it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bridge_mcp.toolservers.settings import ToolServer
from tests.servers.launch import lines_of, opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a few things in it, a secret beside it, and links to both kinds."""
    folder = tmp_path / "files"
    (folder / "old").mkdir(parents=True)
    (folder / "notes.txt").write_text("hello é\n", encoding="utf-8")
    (folder / "old" / "draft.txt").write_text("draft", encoding="utf-8")
    (folder / "image.bin").write_bytes(b"\xff\xfe\x00")
    (folder / "long.txt").write_text("x" * 100_500, encoding="utf-8")
    (tmp_path / "secret.txt").write_text("secret", encoding="utf-8")
    (folder / "way-out.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "up").symlink_to(tmp_path)
    return folder


def files(folder: Path, *args: str) -> ToolServer:
    """The server as the demo runs it."""
    return ToolServer("files", command=sys.executable, args=("-m", "bridge_mcp.demo_files_server", str(folder), *args))


async def test_it_lists_reads_and_deletes(folder: Path, tmp_path: Path) -> None:
    count = tmp_path / "count"
    async with opened(files(folder, "--count", str(count))) as at:
        hints = {spec.tool: (spec.read_only, spec.destructive, spec.repeatable) for spec in at.box.tools()}
        assert hints == {
            "delete_file": (False, True, False),
            "list_files": (True, False, True),
            "read_file": (True, False, True),
        }
        assert (await at.text("list_files")).splitlines() == [
            "image.bin (3 bytes)",
            "long.txt (100500 bytes)",
            "notes.txt (9 bytes)",
            "old/draft.txt (5 bytes)",
        ]
        assert await at.text("read_file", path="notes.txt") == "hello é\n"
        assert (await at.text("read_file", path="long.txt")).endswith("x\n[500 more bytes are not shown]")
        assert await at.text("delete_file", path="old/draft.txt") == "Deleted old/draft.txt."
        assert not (folder / "old" / "draft.txt").exists()
        again = await at.box.call(at.spec("delete_file"), {"path": "old/draft.txt"})
        assert (again.is_error, "There is no file 'old/draft.txt'" in again.text) == (True, True)
    assert lines_of(count) == ["delete old/draft.txt"]


LEADING_NOWHERE = {
    "../secret.txt": "leads out of the folder",
    "/etc/hostname": "leads out of the folder",
    "way-out.txt": "leads out of the folder",
    "up/secret.txt": "leads out of the folder",
    "old": "is not a file",
    "nothing.txt": "There is no file",
    "no\0thing": "is not a usable path",
    "x" * 5000: "is not a usable path",
}


def everything_in(folder: Path) -> dict[Path, object]:
    """All files with what is in them, and all folders."""
    return {path: path.is_dir() or path.read_bytes() for path in folder.rglob("*")}


async def test_it_touches_nothing_outside_of_its_folder(folder: Path, tmp_path: Path) -> None:
    before = everything_in(tmp_path)
    async with opened(files(folder)) as at:
        for path, said in LEADING_NOWHERE.items():
            for tool in ("read_file", "delete_file"):
                refused = await at.box.call(at.spec(tool), {"path": path})
                assert refused.is_error
                assert said in refused.text
    assert everything_in(tmp_path) == before


async def test_what_is_no_text_is_not_read(folder: Path) -> None:
    async with opened(files(folder)) as at:
        refused = await at.box.call(at.spec("read_file"), {"path": "image.bin"})
        assert (refused.is_error, "not a text file" in refused.text) == (True, True)


def test_it_says_what_is_wrong_with_its_folder(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bridge_mcp.demo_files_server", str(tmp_path / "nowhere")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    assert "is not a folder" in done.stderr
