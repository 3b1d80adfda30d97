"""Files by reference (`ports.Files`): kept once, bounded, read by nobody else, and never by a path from outside."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from bridge_mcp.core.errors import BadInput, NotFound, StoreError
from bridge_mcp.ports import KEPT, Files
from bridge_mcp.stores.files import FileFolder
from bridge_mcp.stores.postgres.connecting import Database
from bridge_mcp.stores.postgres.files import PostgresFiles
from bridge_mcp.stores.postgres.migrate import migrate

Place = Callable[..., FileFolder | PostgresFiles]


@pytest.fixture(params=["folder", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Makes files over one and the same place, as any number of processes would."""

    def folder(most: int = 1000) -> FileFolder:
        return FileFolder(tmp_path / "files", max_file=100, max_folder=most)

    def table(most: int = 1000) -> PostgresFiles:
        return PostgresFiles(url, max_file=100, max_total=most)

    if request.param == "folder":
        return folder
    url = request.getfixturevalue("database").tcp_url
    migrate(Database(url))
    return table


async def test_every_place_keeps_bytes_once_and_gives_them_by_their_reference(place: Place) -> None:
    files, other = place(), place()
    image = await files.put(b"\x89PNG\0", mime="image/png", name="a.png")
    assert (image.ref[: len(KEPT)], image.kind, image.size) == (KEPT, "image", 5)
    assert await other.read(image.ref) == b"\x89PNG\0"
    assert (await other.put(b"\x89PNG\0")).ref == image.ref
    await other.remove(image.ref)
    await other.remove("kept:nothing")
    with pytest.raises(NotFound, match="removed to make room"):
        await files.read(image.ref)
    with pytest.raises(NotFound, match="is not a file of the bridge"):
        await files.read("kept:../../etc/passwd")
    with pytest.raises(BadInput, match="101 bytes is too large"):
        await files.put(b"x" * 101)
    if isinstance(files, PostgresFiles) and isinstance(other, PostgresFiles):
        await files.close()
        assert (await files.put(b"again")).size == 5, "it connects again"
        await files.close()
        await other.close()


async def test_every_place_makes_room(place: Place) -> None:
    files = place(most=500)
    refs = [(await files.put(bytes([number]) * 100)).ref for number in range(8)]
    left = 0
    for ref in refs:
        try:
            left += len(await files.read(ref))
        except NotFound:
            continue
    assert 300 <= left <= 500
    assert await files.read(refs[-1])
    if isinstance(files, PostgresFiles):
        await files.close()


def kept(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


async def test_what_was_put_can_be_read_by_its_reference(tmp_path: Path) -> None:
    files: Files = FileFolder(tmp_path / "files")
    image = await files.put(b"\x89PNG\0", mime="image/png", name="a.png")
    assert image.ref.startswith(KEPT)
    assert (image.kind, image.mime, image.name, image.size) == ("image", "image/png", "a.png", 5)
    assert await files.read(image.ref) == b"\x89PNG\0"
    assert await FileFolder(tmp_path / "files").read(image.ref) == b"\x89PNG\0"
    assert (await files.put(b"", mime="text/plain")).kind == "file"
    assert [(await files.put(b"", mime=f"{kind}/x")).kind for kind in ("audio", "video")] == ["audio", "video"]


async def test_the_same_bytes_are_kept_once_and_for_their_owner_alone(tmp_path: Path) -> None:
    files = FileFolder(tmp_path / "files")
    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(files.put, b"same")
    (path,) = kept(tmp_path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "ref", ["", "kept:", "kept:../../etc/passwd", "kept:" + "A" * 64, "/etc/passwd", "kept:" + "0" * 65, "x" * 500]
)
async def test_only_references_are_read(ref: str, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="is not a file of the bridge"):
        await FileFolder(tmp_path).read(ref)


async def test_a_file_that_is_too_large_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    files = FileFolder(tmp_path / "files", max_file=10)
    await files.put(b"x" * 10)
    with pytest.raises(BadInput, match=r"11 bytes is too large to keep: the limit is 10\. Raise max_file_mb"):
        await files.put(b"x" * 11)
    assert len(kept(tmp_path)) == 1


async def test_the_files_that_were_not_used_for_the_longest_make_room(tmp_path: Path) -> None:
    files = FileFolder(tmp_path / "files", max_folder=1000)
    refs: list[str] = []
    for number in range(10):
        refs.append((await files.put(bytes([number]) * 100)).ref)
        os.utime(files.folder / refs[-1][5:7] / refs[-1][5:], (number, number))
    await files.read(refs[0])
    newest = await files.put(b"n" * 100)
    assert sum(path.stat().st_size for path in kept(tmp_path)) == 900
    assert await files.read(newest.ref)
    assert await files.read(refs[0])
    for gone in refs[1:3]:
        with pytest.raises(NotFound, match="removed to make room"):
            await files.read(gone)
    assert await files.read(refs[3])


async def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "files").write_text("not a folder", encoding="utf-8")
    with pytest.raises(StoreError, match=r"cannot be kept in .*Free some space"):
        await FileFolder(tmp_path / "files").put(b"x")
