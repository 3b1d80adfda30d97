"""Archives that are broken, hostile or newer: refused by `restore`, with nothing touched."""

from __future__ import annotations

import hashlib
import json
import random
import sqlite3
import time
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from bridge_mcp import __version__
from bridge_mcp.cli.keeping import restored
from bridge_mcp.config import Config, examine
from bridge_mcp.core.errors import BadInput, BridgeError
from bridge_mcp.stores.archive import FORMAT, Manifest, pack
from bridge_mcp.stores.files import FileFolder
from bridge_mcp.stores.sqlite import open_store
from bridge_mcp.stores.sqlite.copies import copy_store
from bridge_mcp.testing import ManualClock
from tests.contract.store_kit import turn


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """Of a bridge with a conversation and a kept file, backed up as `kept.zip`."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("BRIDGE_MCP_STATE_DIR", str(tmp_path / "state"))
    config, wrong = examine(None)
    assert wrong is None
    config.state_dir.mkdir()
    anyio.run(fill, config)
    schema, conversations, entries = copy_store(config.store_path, tmp_path / "copy.db", lambda done, of: None)
    about = Manifest(
        FORMAT, time.time(), __version__, schema=schema, conversations=conversations, entries=entries,
        store_bytes=0, store_sha256="", files=0, file_bytes=0,
    )  # fmt: skip
    pack(tmp_path / "kept.zip", tmp_path / "copy.db", config.files_path, about, lambda name, done, of: None)
    return config


async def fill(config: Config) -> None:
    store = await open_store(config.store_path, clock=ManualClock(1000.0))
    await turn(store, "tg/1", "hello", "I am well.")
    await store.close()
    await FileFolder(config.files_path).put(b"a picture", mime="image/png")


def tree(folder: Path) -> dict[str, str]:
    """The files of a state folder by what they hold, but for the engine's lock."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".lock"
    }


def rewritten(source: Path, change: Callable[[dict[str, bytes]], None], more: list[tuple[str, bytes]]) -> None:
    """The archive with other members."""
    with zipfile.ZipFile(source) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in [*members.items(), *more]:
            archive.writestr(name, data)


def about(members: dict[str, bytes], **values: object) -> None:
    members["manifest.json"] = json.dumps({**json.loads(members["manifest.json"]), **values}).encode()


def other_store(members: dict[str, bytes], folder: Path, *statements: str) -> None:
    """The store as somebody could have made it, with a manifest that agrees."""
    path = folder / "other.db"
    path.write_bytes(members["store.db"])
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        connection.execute("PRAGMA journal_mode = DELETE")
    members["store.db"] = data = path.read_bytes()
    about(members, store_bytes=len(data), store_sha256=hashlib.sha256(data).hexdigest())


HOSTILE: dict[str, tuple[Callable[[dict[str, bytes], Path], None], list[tuple[str, bytes]], str]] = {
    "path traversal": (lambda m, p: about(m, files=2, file_bytes=10), [("../evil", b"x")], "it holds '../evil'"),
    "an absolute path": (lambda m, p: None, [("/tmp/evil", b"x")], "it holds '/tmp/evil'"),
    "a file too many": (lambda m, p: None, [("files/" + "0" * 64, b"x")], "sizes are not those"),
    "a file of other bytes": (
        lambda m, p: about(m, files=2, file_bytes=10), [("files/" + "0" * 64, b"x")], "is not what was backed up",
    ),
    "a bomb": (lambda m, p: about(m, store_bytes=10**15), [], "sizes are not those"),
    "a store of other bytes": (lambda m, p: about(m, store_sha256="0" * 64), [], "is not what was backed up"),
    "a newer archive": (lambda m, p: about(m, format=2), [], "newer bridge-mcp"),
    "a newer store": (lambda m, p: other_store(m, p, "PRAGMA user_version = 999"), [], "schema version 999"),
    "a trigger": (
        lambda m, p: other_store(m, p, "CREATE TRIGGER t AFTER INSERT ON log BEGIN DELETE FROM log; END"),
        [], "no store of bridge-mcp",
    ),
    "an endless view": (
        lambda m, p: other_store(m, p, "ALTER TABLE topic_titles RENAME TO away",
            "CREATE VIEW topic_titles AS WITH RECURSIVE n(channel) AS (SELECT 1 UNION ALL SELECT 1 FROM n) "
            "SELECT channel, 1 AS chat, 1 AS title, 1 AS at FROM n"),
        [], "no store of bridge-mcp",
    ),
    "a time that is none": (lambda m, p: about(m, made_at=1e300), [], "manifest is not one of ours"),
    "a time without an end": (lambda m, p: about(m, made_at=10**400), [], "manifest is n"),
    "a time that is no number": (lambda m, p: about(m, made_at="nan"), [], "manifest is not one of ours"),
    "another database": (lambda m, p: other_store(m, p, "DROP TABLE log"), [], "no store of bridge-mcp"),
    "no manifest": (lambda m, p: m.__delitem__("manifest.json"), [], "no manifest"),
    "a manifest of nonsense": (lambda m, p: m.update({"manifest.json": b"[" * 50}), [], "no manifest"),
    "no store": (lambda m, p: m.__delitem__("store.db"), [], "sizes are not those"),
}  # fmt: skip


@pytest.mark.shows("keep.restore-refuses")
@pytest.mark.parametrize("what", HOSTILE)
def test_an_archive_that_is_not_ours_is_refused_with_nothing_touched(config: Config, tmp_path: Path, what: str) -> None:
    change, more, told = HOSTILE[what]
    rewritten(tmp_path / "kept.zip", lambda members: change(members, tmp_path), more)
    before = tree(config.state_dir)
    with pytest.raises(BadInput, match=told):
        restored(config, tmp_path / "kept.zip", True)
    assert tree(config.state_dir) == before
    assert [path.name for path in config.state_dir.iterdir() if path.name.endswith(".part")] == []
    assert not (tmp_path / "evil").exists()


@pytest.mark.shows("keep.restore")
def test_an_archive_of_ours_is_restored(config: Config, tmp_path: Path) -> None:
    manifest, _ = restored(config, tmp_path / "kept.zip", True)
    assert manifest.conversations == 1


@pytest.mark.shows("keep.restore-refuses")
def test_a_damaged_archive_is_refused_wherever_it_is_damaged(config: Config, tmp_path: Path) -> None:
    whole, before, dice = (tmp_path / "kept.zip").read_bytes(), tree(config.state_dir), random.Random(15)
    damaged = [whole[:0], whole[: len(whole) // 2], whole[:-1], b"PK\5\6" + b"\xff" * 18]
    for _ in range(20):
        place = dice.randrange(100, len(whole) - 400)
        damaged.append(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
    for data in damaged:
        (tmp_path / "kept.zip").write_bytes(data)
        with pytest.raises(BridgeError, match="Nothing was changed"):
            restored(config, tmp_path / "kept.zip", True)
        assert tree(config.state_dir) == before
