"""`backup` and `restore`, as the owner runs them: what comes back, what is ended, and what is refused untouched."""

from __future__ import annotations

import hashlib
import json
import random
import signal
import stat
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from bridge_mcp.core.entries import Call, Finished, Heard, Question, Requested, Scheduled, Sender, Started
from bridge_mcp.core.grants import Grant
from bridge_mcp.engine_lock import make_lock
from bridge_mcp.ports import Pairing, StoredClient
from bridge_mcp.stores.files import FileFolder
from bridge_mcp.stores.sqlite import open_store, verify
from bridge_mcp.testing import ManualClock
from tests.acceptance.parts import COMMAND, Home, face
from tests.contract.store_kit import asked, heard, model_started, posted, replied, turn

CALLS = (Call("1.0", "files__delete", "{}"), Call("1.1", "files__read", "{}"))


async def fill(home: Home) -> None:
    """Everything that can be under way when a backup is made, and what must come back."""
    home.state.mkdir(exist_ok=True)
    store = await open_store(home.state / "bridge.db", clock=ManualClock(1000.0))
    await turn(store, "tg/1", "hello", "I am well.")
    await store.log.record("tg/1", posted("on its way", "p1"), posted("asks", "q1", Question((), 0.0)))
    await store.log.record("tg/2", heard("nobody has answered this"))
    await store.log.record("tg/3", heard("delete it"))
    await store.log.intend("tg/3", 1, model_started(0))
    await store.log.answer("tg/3", 1, replied("", *CALLS, upto=1))
    await store.log.record("tg/3", asked("1.0"))
    await store.log.intend("tg/3", 4, Started("tool", call="1.1", tool="files__read", arguments="{}", repeatable=True))
    await store.log.record("calls/bridge.1", Scheduled("tg/1", "water the plants", 2000.0, call="1.9"))
    await store.log.record("calls/x.1", Requested((Call("0.0", "files__read", "{}"),), "host"))
    await store.clients.add(StoredClient("nova", "0" * 64, frozenset({"read", "send"})))
    await store.grants.add(Grant(0, "files__read", "tg/1", arguments=(), by="bob", created_at=1000.0))
    await store.access.pair(Pairing("tg", "1", name="Ann"))
    await store.secrets.get_or_create("handles")
    await store.close()
    await FileFolder(home.state / "files").put(b"a picture", mime="image/png")


def tree(folder: Path) -> dict[str, str]:
    """The files of a state folder by what they hold, but for those that tell of processes."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(("-writer", "-shm", ".lock"))
    }


@pytest.mark.shows("keep.restore")
async def test_a_restored_bridge_has_everything_and_goes_on_with_nothing(home: Home) -> None:
    await fill(home)
    told = home.run("backup", "kept.zip")
    assert "In it: every conversation" in told
    assert "Not in it: bridge.toml and the secrets" in told
    assert stat.S_IMODE((home.work / "kept.zip").stat().st_mode) == 0o600
    for path in [*home.state.rglob("*")]:
        if path.is_file():
            path.unlink()
    told = home.run("restore", "kept.zip")
    for line in ("3 messages on its way: `uncertain`", "1 call that had begun: `unknown`", "1 approval that waited"):
        assert line in told
    store = await open_store(home.state / "bridge.db", clock=ManualClock(3000.0))
    try:
        assert await store.verify() == ()
        assert await store.agenda.due(9e9, 10) == (), "nothing is left to do"
        assert await store.outbox.due(9e9, 10) == ()
        statuses = [(m.text, m.status, m.asks) for m in await store.history.messages("tg/1")]
        assert ("on its way", "uncertain", False) in statuses
        assert ("asks", "uncertain", False) in statuses
        (approval,) = await store.approvals.find()
        assert (approval.status, approval.decided_by) == ("expired", "restore")
        entries = [logged.entry for logged in await store.log.load("tg/3")]
        assert [(each.call, each.outcome) for each in entries if isinstance(each, Finished)] == [
            ("1.0", "expired"),
            ("1.1", "unknown"),
        ]
        page = await store.feed.read(3, 10)
        assert page.gap
        assert page.first_available > 1_000_000
        assert await store.access.pairings("tg") == ()
        assert await store.clients.by_token("0" * 64) is None
        assert await store.grants.active(1001.0) == ()
    finally:
        await store.close()
    found = FileFolder(home.state / "files")
    assert await found.read("kept:" + hashlib.sha256(b"a picture").hexdigest()) == b"a picture"
    assert "1 client, 1 grant and 1 pairing are off since the store was restored." in home.done("check").stdout
    told = home.run("restore", "--confirm")
    assert "are off since" not in home.done("check").stdout
    assert "client nova: read, send (everywhere)" in told
    assert "grant of files__read in tg/1, by bob" in told
    assert "pairing tg/1 (Ann): user" in told
    assert "Nothing is held back" in home.run("restore", "--confirm")
    store = await open_store(home.state / "bridge.db", clock=ManualClock(3000.0))
    assert await store.clients.by_token("0" * 64) is not None
    assert [(each.subject, each.name) for each in await store.access.pairings("tg")] == [("1", "Ann")]
    assert [grant.tool for grant in await store.grants.active(1001.0)] == ["files__read"]
    await store.close()


@pytest.mark.shows("keep.backup-while-running")
async def test_a_backup_of_a_store_that_is_written_is_whole(home: Home) -> None:
    await fill(home)
    done = threading.Event()

    def write() -> None:
        number = 0
        while not done.is_set():
            number += 1
            subprocess.run(
                [COMMAND, "say", "desk/main", f"message {number}"], check=True, env=home.environment(), cwd=home.work,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip

    home.write('[channels.desk]\ntype = "local"\n')
    writer = threading.Thread(target=write)
    writer.start()
    try:
        home.run("backup", "kept.zip")
    finally:
        done.set()
        writer.join()
    with zipfile.ZipFile(home.work / "kept.zip") as archive:
        archive.extract("store.db", home.root)
    assert verify(home.root / "store.db") == ()
    assert "is there already" in home.run("backup", "kept.zip", code=1)


@pytest.mark.shows("keep.restore-alone")
async def test_nothing_is_restored_while_anything_runs_on_the_store(home: Home) -> None:
    await fill(home)
    home.run("backup", "kept.zip")
    assert "which would be lost" in home.run("restore", "kept.zip", code=1)
    engine = make_lock(home.state / "engine.lock")
    assert engine.acquire()
    assert "works with this store" in home.run("restore", "kept.zip", "--replace", code=1)
    engine.release()
    store = await open_store(home.state / "bridge.db", clock=ManualClock())
    await store.history.conversation("tg/1")  # `tree` now would take away its locks, which are of this process
    assert "is in use by another process" in home.run("restore", "kept.zip", "--replace", code=1)
    assert len(await store.history.messages("tg/1")) > 0, "whoever has it open goes on"
    await store.log.record("tg/7", heard("it goes on"))
    await store.close()
    assert verify(home.state / "bridge.db") == ()
    assert "Restored" in home.run("restore", "kept.zip", "--replace")


KILLED_AT = """
import os, signal, sys
from bridge_mcp.cli import main
left = int(sys.argv.pop(1))
WATCHED = ("os.rename", "os.mkdir", "os.remove", "sqlite3.connect", "open", "shutil.rmtree")
def hook(event, arguments):
    global left
    if event in WATCHED and "state" in str(arguments):
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
import bridge_mcp.cli.keeping, bridge_mcp.stores.archive, bridge_mcp.stores.sqlite.copies
sys.addaudithook(hook)
sys.exit(main(sys.argv[1:]))
"""


def killed_at(home: Home, point: int) -> bool:
    """Whether a restore was killed when it touched the state folder for the so-manieth time, before it was done."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED_AT, str(point), "restore", str(home.work / "kept.zip"), "--replace"],
        env=home.environment(), cwd=home.work, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0


@pytest.mark.shows("keep.restore-crash")
async def test_a_restore_that_is_killed_leaves_the_old_store_or_the_new_one(home: Home, full: bool) -> None:
    await fill(home)
    home.run("backup", "kept.zip")
    store = await open_store(home.state / "bridge.db", clock=ManualClock(2000.0))
    await store.log.record("tg/9", Heard("after the backup", Sender("9", "Zoe"), "z"))
    await store.close()
    old, outcomes, kills = (home.state / "bridge.db").read_bytes(), set[str](), 0
    points = range(1, 60) if full else random.Random(7).sample(range(1, 60), 4)
    for point in points:
        (home.state / "bridge.db").write_bytes(old)
        kills += killed_at(home, point)
        store = await open_store(home.state / "bridge.db", clock=ManualClock(3000.0))
        is_old = await store.history.conversation("tg/9") is not None
        assert await store.verify() == ()
        assert is_old == bool(await store.agenda.due(9e9, 10)), "the new one is at rest"
        await store.log.record("tg/8", heard("it can be written"))
        await store.close()
        outcomes.add("old" if is_old else "new")
    home.run("restore", "kept.zip", "--replace")
    assert "old" in outcomes
    assert kills


@pytest.mark.shows("keep.export")
async def test_an_export_is_whole_and_disguises_nothing(home: Home) -> None:
    home.write('[channels.desk]\ntype = "local"\n')
    home.state.mkdir()
    store = await open_store(home.state / "bridge.db", clock=ManualClock(2000.0))
    evil = "end\n# heading\n**owner** says yes \u202etxt ``` \x1b[2J"
    await store.log.record("desk/main", Heard(evil, Sender("9", "**owner**\n# x"), "evil"))
    await store.log.record("desk/main", *(heard(f"message {number}") for number in range(500)))
    await store.close()
    told = home.run("export", "desk/main")
    assert told.startswith("# desk/main\n")
    assert told.count("\n> message ") == 500
    assert "\u202e" not in told
    assert "\x1b" not in told
    assert "> # heading\n> **owner** says yes <U+202E>txt" in told
    assert "\n# heading" not in told
    assert "\\*\\*owner\\*\\*⏎" in told
    whole = json.loads(home.run("export", "desk/main", "--format", "json"))
    assert [each["seq"] for each in whole["entries"]] == list(range(len(whole["entries"])))
    assert any(each["entry"].get("text") == evil for each in whole["entries"])
    assert "There is no conversation" in home.run("export", "desk/none", code=1)


@pytest.mark.shows("keep.forget")
@pytest.mark.shows("keep.forget-chain")
async def test_a_conversation_is_forgotten_while_the_engine_runs(home: Home) -> None:
    home.scripted()
    async with face(home) as bridge:
        await bridge.engine_pid()
        await bridge.call("run_turn", conversation="plain/zoe", text="secretword of mine", wait_s=20)
        found = await bridge.call("search_messages", query="secretword")
        assert len(found["messages"]) >= 1
        assert "would be forgotten" in home.run("forget", "plain/zoe", code=1)
        (home.state / "chat_history").write_text('"secretword of mine"\n')
        told = home.run("forget", "plain/zoe", "--yes")
        assert told.startswith("Forgotten: plain/zoe.")
        assert (await bridge.call("search_messages", query="secretword"))["messages"] == []
        held = {path.name: path.read_bytes() for path in home.state.rglob("*") if path.is_file()}
        assert [name for name, data in held.items() if b"secretword" in data] == []
        answer = await bridge.call("run_turn", conversation="plain/zoe", text="what did I say?", wait_s=20)
        assert answer["outcome"] == "replied", "the chat goes on"
    done = home.done("log", "plain/zoe", "--verify")
    assert "was forgotten by owner" in done.stderr
    assert "somebody (client): (forgotten)" in done.stdout, "no name is left, and none is a blank"
    assert not [line for line in done.stdout.splitlines() if line.rstrip().endswith(" by")]
    assert "cleared by *" not in home.run("export", "plain/zoe")
    assert done.returncode == 0
